// A disk that forgets what wasn't flushed, and a process that ends before any chosen step.
import type { StoreFiles } from '../../src/ports/storeFiles.js';

interface Inode {
  content: Uint8Array;
  /** What is left after a power cut. */
  flushed: Uint8Array;
}

/** Thrown in place of a step: from there on the process is gone. */
export class Crash extends Error {}

/** How much of what wasn't flushed a power cut leaves. */
export type Survival = 'nothing' | 'everything' | 'names' | 'half';

export class CrashDisk implements StoreFiles {
  readonly #names = new Map<string, Inode>();
  #lastingNames = new Map<string, Inode>();
  /** The step before which the process ends; counts down. */
  stepsLeft = Infinity;
  /** Steps taken. */
  steps = 0;

  #step(): void {
    if (this.stepsLeft <= 0) throw new Crash();
    this.stepsLeft--;
    this.steps++;
  }

  /** What a machine finds that starts after a power cut. */
  afterPowerCut(survival: Survival): CrashDisk {
    const next = new CrashDisk();
    const names = survival === 'nothing' || survival === 'half' ? this.#lastingNames : this.#names;
    for (const [path, inode] of names) {
      const { content, flushed } = inode;
      const partial = content.slice(0, Math.floor(content.length / 2));
      const lost = flushed === content ? content : survival === 'half' ? partial : flushed;
      next.put(path, survival === 'everything' ? content : lost);
    }
    return next;
  }

  /** Puts a lasting file there. */
  put(path: string, bytes: Uint8Array): void {
    const content = bytes.slice();
    const inode = { content, flushed: content };
    this.#names.set(path, inode);
    this.#lastingNames.set(path, inode);
  }

  peek(path: string): Uint8Array | null {
    return this.#names.get(path)?.content ?? null;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  read(path: string): Promise<Uint8Array | null> {
    return Promise.resolve(this.peek(path)?.slice() ?? null);
  }

  create(path: string): Promise<void> {
    return this.#do(() => {
      if (this.#names.has(path)) throw new Error(`EEXIST ${path}`);
      const content = new Uint8Array(0);
      this.#names.set(path, { content, flushed: content });
    });
  }

  /** A process that ends in the middle of this leaves the first half. */
  write(path: string, bytes: Uint8Array): Promise<void> {
    return this.#do(() => {
      const inode = this.#names.get(path)!;
      inode.content = bytes.slice(0, Math.floor(bytes.length / 2));
      this.#step();
      inode.content = bytes.slice();
    });
  }

  flush(path: string): Promise<void> {
    return this.#do(() => {
      const inode = this.#names.get(path)!;
      inode.flushed = inode.content;
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do(() => {
      this.#names.set(to, this.#names.get(from)!);
      this.#names.delete(from);
    });
  }

  flushFolderOf(): Promise<void> {
    return this.#do(() => {
      this.#lastingNames = new Map(this.#names);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#do(() => void this.#names.delete(path));
  }

  #do(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#step();
      work();
      resolve();
    });
  }
}
