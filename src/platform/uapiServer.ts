// The cross-platform UAPI's socket, as `wg` finds it. What requests mean is the handler's business.
// SPEC.md 9.2 and 9.3.
import { watch, type FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import { ERRNO, formatErrno } from '../config/uapi/answer.js';
import { MAX_LINE_BYTES, MAX_REQUEST_BYTES } from '../config/uapi/requestLimits.js';
import { isStillThere, type SocketFile } from './unixSocket.js';
import { startRequestServer, type FramedRequest, type RequestFraming } from './unixServer.js';

export const UAPI_FOLDER = '/var/run/wireguard';

export const uapiSocketPath = (interfaceName: string, folder = UAPI_FOLDER): string =>
  join(folder, `${interfaceName}.sock`);

/**
 * One operation, `get=1\n` or `set=1\n…`, each line ended, without the empty line that closes it.
 * The answer is the whole response, `errno=…` and the empty line included. Must not throw.
 */
export type UapiHandler = (request: string) => string | Promise<string>;

export interface UapiServerOptions {
  readonly interfaceName: string;
  readonly handle: UapiHandler;
  /** The socket's file was deleted or replaced: the daemon is to end. Called once at most. */
  readonly onDeleted: () => void;
  /** WG_UAPI_FD: a listening socket to serve instead of making one. */
  readonly inheritedFd?: number | null;
  readonly folder?: string;
}

export interface UapiServer {
  readonly path: string;
  /** Ends the watch and the clients, removes the file if it is still ours. */
  close(): Promise<void>;
}

const MAX_CLIENTS = 128;
const IDLE_MS = 300_000;

/** Throws OperatorError E_ALREADY_RUNNING (EADDRINUSE) or E_SOCKET. */
export async function startUapiServer(options: UapiServerOptions): Promise<UapiServer> {
  const path = uapiSocketPath(options.interfaceName, options.folder);
  const server = await startRequestServer({
    path,
    folderMode: 0o755,
    ownFolder: false,
    inheritedFd: options.inheritedFd ?? null,
    maxClients: MAX_CLIENTS,
    idleMs: IDLE_MS,
    framing: () => new UapiFraming(),
    answer: async (request) => options.handle(request),
  });
  const stopWatching =
    server.file === null ? () => undefined : watchDeletion(server.file, options.onDeleted);
  return {
    path,
    async close() {
      stopWatching();
      await server.close();
    },
  };
}

const POLL_MS = 1_000;

/** Calls back when the name no longer leads to this very file; returns how to stop watching. */
function watchDeletion(file: SocketFile, onDeleted: () => void): () => void {
  let watching = true;
  const check = async (): Promise<void> => {
    const there = await isStillThere(file);
    if (there || !stop()) return;
    onDeleted();
  };
  const onChange = (): void => void check();
  // The poll is for where inotify has run out of watches, and for a folder that was replaced.
  const poll = setInterval(onChange, POLL_MS).unref();
  const watcher = watchFolder(dirname(file.path), onChange);
  /** False if it was stopped already. */
  const stop = (): boolean => {
    if (!watching) return false;
    watching = false;
    clearInterval(poll);
    watcher?.close();
    return true;
  };
  return stop;
}

function watchFolder(folder: string, onChange: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    return watcher.on('error', () => watcher.close());
  } catch {
    return null;
  }
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const OPERATIONS = ['get=1\n', 'set=1\n'];
const OPERATION_BYTES = 6;
const REFUSED = { kind: 'refused', answer: null } as const;
const TOO_LONG = { kind: 'refused', answer: formatErrno(ERRNO.EIO) } as const;

/** Cuts the stream at empty lines, within the limits of SPEC.md 6.1; each byte is looked at once. */
export class UapiFraming implements RequestFraming {
  #arrived: Buffer[] = [];
  /** What has come of the next request, without an empty line in it. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  #operationSeen = false;
  /** The line that isn't whole yet: its length, and its last byte. */
  #lineBytes = 0;
  #lineEnd = 0;

  push(chunk: Buffer): void {
    this.#arrived.push(chunk);
  }

  next(): FramedRequest | null {
    for (let chunk = this.#arrived.shift(); chunk !== undefined; chunk = this.#arrived.shift()) {
      const end = this.#scan(chunk);
      if (end === 'tooLong') return TOO_LONG;
      this.#parts.push(end === null ? chunk : chunk.subarray(0, end));
      this.#partBytes += end ?? chunk.length;
      if (!this.#beginsWell()) return REFUSED;
      if (this.#partBytes > MAX_REQUEST_BYTES) return TOO_LONG;
      if (end === null) continue;
      if (end < chunk.length) this.#arrived.unshift(chunk.subarray(end));
      return { kind: 'request', text: this.#takeParts() };
    }
    return null;
  }

  /** Where the first empty line ends; null if the chunk has none. */
  #scan(chunk: Buffer): number | null | 'tooLong' {
    for (let start = 0; start < chunk.length;) {
      const feed = chunk.indexOf(LINE_FEED, start);
      const end = feed < 0 ? chunk.length : feed;
      this.#lineBytes += end - start;
      if (end > start) this.#lineEnd = chunk[end - 1]!;
      if (this.#lineBytes > MAX_LINE_BYTES) return 'tooLong';
      if (feed < 0) return null;
      const isEmpty =
        this.#lineBytes === 0 || (this.#lineBytes === 1 && this.#lineEnd === CARRIAGE_RETURN);
      this.#lineBytes = 0;
      if (isEmpty) return feed + 1;
      start = feed + 1;
    }
    return null;
  }

  #beginsWell(): boolean {
    if (this.#operationSeen) return true;
    const head = Buffer.concat(this.#parts).toString('latin1', 0, OPERATION_BYTES);
    this.#operationSeen = OPERATIONS.includes(head);
    return OPERATIONS.some((operation) => operation.startsWith(head));
  }

  /** The request without its empty line; Latin-1 keeps one character a byte. */
  #takeParts(): string {
    const whole = Buffer.concat(this.#parts);
    for (const part of this.#parts) part.fill(0);
    const text = whole.toString('latin1').replaceAll('\r\n', '\n').slice(0, -1);
    whole.fill(0);
    this.#parts = [];
    this.#partBytes = 0;
    this.#operationSeen = false;
    return text;
  }
}
