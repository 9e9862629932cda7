// A buffer that every packet passes through, and views of it that are made once.

/** Views of this many bytes and less are kept: packets of the usual MTUs cost no allocation. */
const KEPT_VIEW_BYTES = 2048;

/** Views that start at one place of a buffer. */
export class Views {
  readonly #buffer: Uint8Array;
  readonly #start: number;
  readonly #kept: (Uint8Array | undefined)[] = [];

  constructor(buffer: Uint8Array, start: number) {
    this.#buffer = buffer;
    this.#start = start;
  }

  ofLength(byteLength: number): Uint8Array {
    if (byteLength > KEPT_VIEW_BYTES) return this.#make(byteLength);
    return (this.#kept[byteLength] ??= this.#make(byteLength));
  }

  #make(byteLength: number): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#start + byteLength);
  }
}
