// Request and answer over a Unix socket: several clients at once, one request of each at a time,
// everything bounded. The control socket and the UAPI differ in framing and limits. SPEC.md 9.3.
import { createServer, type Server, type Socket } from 'node:net';
import {
  identify,
  listenInherited,
  listenUnix,
  removeSocket,
  type ListenOptions,
  type SocketFile,
} from './unixSocket.js';

/** Cuts what one client sends into requests. */
export interface RequestFraming {
  push(chunk: Buffer): void;
  /** The next whole request, null if more must come first. */
  next(): FramedRequest | null;
}

export type FramedRequest =
  | { readonly kind: 'request'; readonly text: string }
  /** Not a request. The connection is closed, after `answer` if there is one. */
  | { readonly kind: 'refused'; readonly answer: string | null };

export interface RequestServerOptions extends ListenOptions {
  /** A listening socket to serve instead of making one. */
  readonly inheritedFd: number | null;
  readonly maxClients: number;
  /** How long a client may be silent while nothing of its own is being done. */
  readonly idleMs: number;
  readonly framing: () => RequestFraming;
  /** Must not throw. */
  readonly answer: (request: string) => Promise<string>;
}

export interface RequestServer {
  /** Null where the inherited socket has no file at the expected place. */
  readonly file: SocketFile | null;
  /**
   * Stops listening, removes the file if it is still ours, lets the answers under way go out for
   * at most two seconds. Not to be awaited inside of `answer`.
   */
  close(): Promise<void>;
}

const FLUSH_MS = 2_000;

export async function startRequestServer(options: RequestServerOptions): Promise<RequestServer> {
  const clients = new Set<Client>();
  // Half open: who closes its half after the request still gets the answer.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const client = new Client(socket, options, () => clients.delete(client));
    clients.add(client);
  });
  server.maxConnections = options.maxClients;
  const file = await listen(server, options);
  server.on('error', () => {
    // accept() failed (EMFILE and the like): that client is lost, the socket stays.
  });
  return {
    file,
    async close() {
      server.close();
      if (file !== null) await removeSocket(file);
      await Promise.all([...clients].map((client) => client.finish()));
    },
  };
}

async function listen(server: Server, options: RequestServerOptions): Promise<SocketFile | null> {
  if (options.inheritedFd === null) return listenUnix(server, options);
  await listenInherited(server, options.inheritedFd);
  return identify(options.path);
}

class Client {
  readonly #socket: Socket;
  readonly #framing: RequestFraming;
  readonly #options: RequestServerOptions;
  #serving = false;
  /** A request is being carried out, however long that takes: the client isn't idle. */
  #working = false;
  #ending = false;
  /** The client has closed its half. */
  #halfClosed = false;

  constructor(socket: Socket, options: RequestServerOptions, onClosed: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#framing = options.framing();
    socket.setTimeout(options.idleMs);
    // A callback given to setTimeout would be called once only.
    socket.on('timeout', () => {
      if (!this.#working) socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => {
      this.#framing.push(chunk);
      void this.#serve();
    });
    socket.on('end', () => {
      this.#halfClosed = true;
      if (!this.#serving) socket.destroySoon();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', onClosed);
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    this.#socket.pause();
    for (let next = this.#take(); next !== null; next = this.#take()) {
      if (next.kind === 'refused') {
        this.#ending = true;
        if (next.answer !== null) this.#socket.write(next.answer);
      } else {
        this.#working = true;
        const answer = await this.#options.answer(next.text);
        this.#working = false;
        await this.#write(answer);
      }
    }
    this.#serving = false;
    if (this.#ending || this.#halfClosed) this.#socket.destroySoon();
    else this.#socket.resume();
  }

  #take(): FramedRequest | null {
    return this.#ending || this.#socket.destroyed ? null : this.#framing.next();
  }

  /** Resolves when the answer is with the kernel, or the client is gone. */
  #write(answer: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) {
        resolve();
        return;
      }
      const done = (): void => {
        this.#socket.removeListener('close', done);
        resolve();
      };
      this.#socket.once('close', done);
      this.#socket.write(answer, done);
    });
  }

  /** Lets the answer under way go out, then closes. */
  finish(): Promise<void> {
    this.#ending = true;
    return new Promise((resolve) => {
      if (this.#socket.destroyed) {
        resolve();
        return;
      }
      const timer = setTimeout(() => this.#socket.destroy(), FLUSH_MS);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      if (!this.#serving) this.#socket.destroy();
    });
  }
}
