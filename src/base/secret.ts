// Key material that has no way to print, one owner, and an end (style.md, "Secrets").
import { inspect } from 'node:util';
import { BugError } from './assert.js';

/** Owns a copy of key bytes. Whoever makes it calls `destroy`; every other holder only borrows. */
export class Secret {
  readonly #bytes: Uint8Array;
  #destroyed = false;

  /** Takes the bytes over: the caller must not keep another reference to them. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Borrows the bytes for the length of the call; they must not outlive it. */
  expose(): Uint8Array {
    if (this.#destroyed) throw new BugError('secret used after destroy');
    return this.#bytes;
  }

  destroy(): void {
    this.#bytes.fill(0);
    this.#destroyed = true;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
