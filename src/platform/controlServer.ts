// The control socket of a daemon: checks what arrives, hands requests on, bounds everything.
// SPEC.md 9.3.
import { join } from 'node:path';
import type {
  ControlAnswer,
  ControlCaller,
  ControlRequest,
  ControlSession,
} from '../ports/control.js';
import type { OperatorErrorDetails } from '../base/errors.js';
import { parseAddress } from '../base/ip.js';
import { operatorErrors } from './daemonizeReadiness.js';
import { startRequestServer, type FramedRequest, type RequestFraming } from './unixServer.js';

export const CONTROL_FOLDER = '/run/beam';

export const controlSocketPath = (interfaceName: string, folder = CONTROL_FOLDER): string =>
  join(folder, `${interfaceName}.sock`);

export type ControlHandler = (request: ControlRequest) => Promise<ControlAnswer>;

export interface ControlServerOptions {
  readonly interfaceName: string;
  /** OperatorErrors that it throws are the answer; anything else is answered with E_BUG. */
  readonly handle: ControlHandler;
  readonly folder?: string;
}

export interface ControlServer {
  readonly path: string;
  /** Lets the answers under way go out (two seconds); not to be awaited inside of `handle`. */
  close(): Promise<void>;
}

const MAX_CLIENTS = 64;
const IDLE_MS = 60_000;
export const CONTROL_REQUEST_BYTES = 1024 * 1024;

/** Throws OperatorError E_ALREADY_RUNNING or E_SOCKET. */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const path = controlSocketPath(options.interfaceName, options.folder);
  const server = await startRequestServer({
    path,
    folderMode: 0o700,
    ownFolder: true,
    inheritedFd: null,
    maxClients: MAX_CLIENTS,
    idleMs: IDLE_MS,
    framing: () => new RequestLines(),
    answer: async (line) => formatAnswer(await carryOut(line, options.handle)),
  });
  return { path, close: () => server.close() };
}

async function carryOut(line: string, handle: ControlHandler): Promise<ControlAnswer> {
  const request = parseRequest(line);
  if (request === null) return refusal('a request of this version of Beam, as a line of JSON');
  try {
    return await handle(request);
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): ControlAnswer {
  const errors = operatorErrors(error);
  if (errors !== null) return { ok: false, errors };
  const details: OperatorErrorDetails = {
    code: 'E_BUG',
    place: 'daemon',
    expected: 'the request to be carried out',
    found: error instanceof Error ? error.message : String(error),
    remedy: "report this with the daemon's log",
  };
  return { ok: false, errors: [details] };
}

const refusal = (expected: string): ControlAnswer => ({
  ok: false,
  errors: [
    {
      code: 'E_CONTROL_REQUEST',
      place: 'control socket',
      expected,
      found: 'something else',
      remedy: 'use the `beam` command of the version that the daemon runs',
    },
  ],
});

const formatAnswer = (answer: ControlAnswer): string => `${JSON.stringify(answer)}\n`;

/** The request in a line of JSON; null for anything that isn't exactly one. */
export function parseRequest(line: string): ControlRequest | null {
  const value = parseJson(line);
  if (typeof value !== 'object' || value === null || !('method' in value)) return null;
  switch (value.method) {
    case 'status':
    case 'save':
    case 'diff':
      return Object.keys(value).length === 1 ? { method: value.method } : null;
    case 'reload':
    case 'down': {
      const caller = parseCaller(value);
      return caller === null ? null : { method: value.method, ...caller };
    }
    default:
      return null;
  }
}

function parseCaller(value: object): ControlCaller | null {
  if (Object.keys(value).length !== 3 || !('force' in value) || !('session' in value)) return null;
  if (typeof value.force !== 'boolean') return null;
  if (value.session === null) return { force: value.force, session: null };
  const session = parseSession(value.session);
  return session === null ? null : { force: value.force, session };
}

function parseSession(value: unknown): ControlSession | null {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 3) return null;
  const { client, server, serverPort } = value as Partial<Record<keyof ControlSession, unknown>>;
  if (typeof client !== 'string' || parseAddress(client) === null) return null;
  if (typeof server !== 'string' || parseAddress(server) === null) return null;
  if (typeof serverPort !== 'number' || !Number.isInteger(serverPort)) return null;
  return serverPort >= 1 && serverPort <= 65_535 ? { client, server, serverPort } : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const LINE_FEED = 0x0a;

/** Cuts the stream into lines; the bytes are decoded whole, so that no character is torn. */
class RequestLines implements RequestFraming {
  #arrived: Buffer[] = [];
  #parts: Buffer[] = [];
  #partBytes = 0;

  push(chunk: Buffer): void {
    this.#arrived.push(chunk);
  }

  next(): FramedRequest | null {
    for (let chunk = this.#arrived.shift(); chunk !== undefined; chunk = this.#arrived.shift()) {
      const end = chunk.indexOf(LINE_FEED);
      this.#parts.push(end < 0 ? chunk : chunk.subarray(0, end));
      this.#partBytes += end < 0 ? chunk.length : end;
      if (this.#partBytes > CONTROL_REQUEST_BYTES) {
        return { kind: 'refused', answer: formatAnswer(refusal('a line of at most 1 MiB')) };
      }
      if (end < 0) continue;
      if (end + 1 < chunk.length) this.#arrived.unshift(chunk.subarray(end + 1));
      const text = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#partBytes = 0;
      return { kind: 'request', text };
    }
    return null;
  }
}
