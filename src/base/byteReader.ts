// Reads big-endian fields from untrusted bytes, in order and never past the end.

/** After the first read past the end every answer is null and `failed` stays true. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    // Without Buffer's methods: its `slice` doesn't copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return !this.#failed && this.#at === this.#bytes.length;
  }

  /** A copy. */
  take(byteLength: number): Uint8Array | null {
    if (this.#failed || byteLength > this.#bytes.length - this.#at) {
      this.#failed = true;
      return null;
    }
    this.#at += byteLength;
    return this.#bytes.slice(this.#at - byteLength, this.#at);
  }

  /** An unsigned integer of 1 to 4 bytes. */
  number(byteLength: 1 | 2 | 4): number | null {
    return this.take(byteLength)?.reduce((sum, byte) => sum * 256 + byte, 0) ?? null;
  }

  u64(): bigint | null {
    return this.take(8)?.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) ?? null;
  }
}

/** Big-endian, exactly `byteLength` bytes. */
export function unsigned(value: number | bigint, byteLength: 1 | 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let rest = BigInt(value);
  for (let i = byteLength - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}
