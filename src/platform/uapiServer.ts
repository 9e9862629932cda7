// The cross-platform UAPI's socket, as `wg` finds it. What requests mean is the handler's business.
// SPEC.md 9.2 and 9.3.
import { watch, type FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
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
export const UAPI_REQUEST_BYTES = 64 * 1024 * 1024;

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
const OPERATIONS = ['get=1\n', 'set=1\n'];
const OPERATION_BYTES = 6;
const REFUSED = { kind: 'refused', answer: null } as const;

/** Cuts the stream at empty lines; each byte is looked at once. */
class UapiFraming implements RequestFraming {
  #arrived: Buffer[] = [];
  /** What has come of the next request, without an empty line in it. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  #operationSeen = false;

  push(chunk: Buffer): void {
    this.#arrived.push(chunk);
  }

  next(): FramedRequest | null {
    for (let chunk = this.#arrived.shift(); chunk !== undefined; chunk = this.#arrived.shift()) {
      const end = this.#endIn(chunk);
      this.#parts.push(end === null ? chunk : chunk.subarray(0, end));
      this.#partBytes += end ?? chunk.length;
      if (!this.#beginsWell() || this.#partBytes > UAPI_REQUEST_BYTES) return REFUSED;
      if (end === null) continue;
      if (end < chunk.length) this.#arrived.unshift(chunk.subarray(end));
      return { kind: 'request', text: this.#takeParts() };
    }
    return null;
  }

  /** Where the empty line in the chunk ends, counted with what came before. */
  #endIn(chunk: Buffer): number | null {
    if (this.#parts.at(-1)?.at(-1) === LINE_FEED && chunk[0] === LINE_FEED) return 1;
    const at = chunk.indexOf('\n\n');
    return at < 0 ? null : at + 2;
  }

  #beginsWell(): boolean {
    if (this.#operationSeen) return true;
    const head = Buffer.concat(this.#parts).toString('latin1', 0, OPERATION_BYTES);
    this.#operationSeen = OPERATIONS.includes(head);
    return OPERATIONS.some((operation) => operation.startsWith(head));
  }

  #takeParts(): string {
    const text = Buffer.concat(this.#parts).toString('latin1', 0, this.#partBytes - 1);
    this.#parts = [];
    this.#partBytes = 0;
    this.#operationSeen = false;
    return text;
  }
}
