// Questions to a person at a terminal; without one nothing is ever asked. SPEC.md 10.17.
import { copyToLocked } from '../crypto/lockedMemory.js';
import type { Secret } from '../base/secret.js';

const MAX_BYTES = 4096;
const [CTRL_C, CTRL_D, BACKSPACE, LINE_FEED, RETURN, CTRL_U, DELETE] = [3, 4, 8, 10, 13, 21, 127];

/** Questions go to standard error, answers come from standard input: both have to be terminals. */
export const hasTerminal = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** What was typed, without showing it. Null at Ctrl-D. The caller owns it. */
export async function askSecret(question: string): Promise<Secret | null> {
  const typed = await askBytes(question, false);
  if (typed === null) return null;
  const secret = copyToLocked(typed);
  typed.fill(0);
  return secret;
}

export async function ask(question: string): Promise<string | null> {
  const typed = await askBytes(question, true);
  return typed === null ? null : Buffer.from(typed).toString('utf8').trim();
}

function askBytes(question: string, echo: boolean): Promise<Uint8Array | null> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.resume();
  return new Promise((resolve) => {
    const line = new Line();
    const end = (answer: Uint8Array | null): void => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      resolve(answer);
    };
    const take = (chunk: Buffer): void => {
      const outcome = line.feed(chunk);
      if (echo) stderr.write(`\r${question}${line.text()}\u001b[K`);
      chunk.fill(0);
      if (outcome === 'interrupted') {
        end(null);
        process.kill(process.pid, 'SIGINT');
      } else if (outcome !== 'more') end(outcome === 'end' ? null : line.take());
    };
    stdin.on('data', take);
  });
}

/** A line being typed, in one array that is zeroed when it is handed over. */
class Line {
  readonly #bytes = new Uint8Array(MAX_BYTES);
  #length = 0;

  feed(chunk: Uint8Array): 'more' | 'done' | 'end' | 'interrupted' {
    for (const byte of chunk) {
      if (byte === CTRL_C) return 'interrupted';
      if (byte === CTRL_D && this.#length === 0) return 'end';
      if (byte === LINE_FEED || byte === RETURN) return 'done';
      if (byte === BACKSPACE || byte === DELETE) this.#dropCharacter();
      else if (byte === CTRL_U) this.#length = 0;
      else if (byte >= 0x20 && this.#length < MAX_BYTES) this.#bytes[this.#length++] = byte;
    }
    return 'more';
  }

  /** One character of UTF-8. */
  #dropCharacter(): void {
    while (this.#length > 0 && (this.#bytes[--this.#length]! & 0xc0) === 0x80);
  }

  text(): string {
    return Buffer.from(this.#bytes.subarray(0, this.#length)).toString('utf8');
  }

  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#bytes.fill(0);
    return bytes;
  }
}
