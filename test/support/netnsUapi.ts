// A raw client of the cross-platform UAPI, for what `wg` would never send.
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface UapiAnswer {
  /** The lines before `errno=`, in order. */
  readonly lines: readonly string[];
  /** 0 for success; an errno, positive or negative, else. */
  readonly errno: number;
}

const ANSWER_TIMEOUT_MS = 20_000;

/** One connection; requests on it are answered one after the other. */
export class UapiClient {
  readonly #socket: Socket;
  #received = '';
  #wake: () => void = () => undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#received += text;
      this.#wake();
    });
    socket
      .on('error', () => undefined)
      .on('close', () => {
        this.#closed = true;
        this.#wake();
      });
  }

  static async connect(path: string): Promise<UapiClient> {
    const socket = connect(path);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new UapiClient(socket);
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  /** The next answer; rejects if the connection ends or nothing comes. */
  async answer(): Promise<UapiAnswer> {
    const deadlineMs = performance.now() + ANSWER_TIMEOUT_MS;
    for (;;) {
      const end = this.#received.indexOf('\n\n');
      if (end >= 0) {
        const lines = this.#received.slice(0, end).split('\n');
        this.#received = this.#received.slice(end + 2);
        const errno = /^errno=(-?\d+)$/.exec(lines.pop() ?? '');
        if (errno === null) throw new Error(`an answer without errno: ${lines.join(' ')}`);
        return { lines, errno: Number(errno[1]) };
      }
      if (this.#closed)
        throw new Error(`connection closed after ${JSON.stringify(this.#received)}`);
      if (performance.now() > deadlineMs) throw new Error('no answer');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 1_000).unref();
      });
    }
  }

  async request(text: string): Promise<UapiAnswer> {
    this.write(text);
    return this.answer();
  }

  close(): void {
    this.#socket.destroy();
  }
}

export const GET = 'get=1\n\n';

/** One request on a connection of its own. */
export async function uapiRequest(path: string, text: string): Promise<UapiAnswer> {
  const client = await UapiClient.connect(path);
  try {
    return await client.request(text);
  } finally {
    client.close();
  }
}
