// The TPM's encoding: big-endian numbers, and TPM2B: two bytes of size and that many bytes. TPM 2.0
// Library, Part 2, section 4; SPEC.md 10.21.
import { concat } from '../base/bytes.js';

/** `value` in `byteLength` bytes, the highest first. */
export function number(value: number | bigint, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let rest = BigInt(value);
  for (let i = byteLength - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

export const u8 = (value: number): Uint8Array => number(value, 1);
export const u16 = (value: number): Uint8Array => number(value, 2);
export const u32 = (value: number): Uint8Array => number(value, 4);

/** A TPM2B. */
export const sized = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes);

/**
 * Reads what a TPM, or somebody who claims to have one, wrote. Never throws: after the first thing
 * that doesn't fit every number is 0, every run of bytes is empty, and `ok` is false.
 */
export class TpmReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #ok = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ok(): boolean {
    return this.#ok;
  }

  /** True if all was read and it fitted. */
  get finished(): boolean {
    return this.#ok && this.#at === this.#bytes.length;
  }

  u8(): number {
    return Number(this.#number(1));
  }

  u16(): number {
    return Number(this.#number(2));
  }

  u32(): number {
    return Number(this.#number(4));
  }

  u64(): bigint {
    return this.#number(8);
  }

  /** A copy of the next bytes. */
  take(count: number): Uint8Array {
    if (!this.#ok || this.#bytes.length - this.#at < count) {
      this.#ok = false;
      return new Uint8Array(0);
    }
    this.#at += count;
    return this.#bytes.slice(this.#at - count, this.#at);
  }

  /** The content of a TPM2B, copied. */
  sized(): Uint8Array {
    return this.take(this.u16());
  }

  /** The caller found something that it can't take. */
  refuse(): void {
    this.#ok = false;
  }

  #number(count: number): bigint {
    let value = 0n;
    for (const byte of this.take(count)) value = (value << 8n) | BigInt(byte);
    return value;
  }
}
