// Session indices: random, unused, and whose they are. SPEC.md 5.4.
import type { Entropy } from '../ports/entropy.js';

/** An owner holds its own indices, so that all of them can be freed with it. */
export interface IndexOwner {
  readonly indices: Set<number>;
}

export class IndexTable<Owner extends IndexOwner> {
  readonly #entropy: Entropy;
  readonly #owners = new Map<number, Owner>();

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  get size(): number {
    return this.#owners.size;
  }

  /** A random u32 that nobody has. */
  allocate(owner: Owner): number {
    for (;;) {
      const [a = 0, b = 0, c = 0, d = 0] = this.#entropy(4);
      const index = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      if (this.#owners.has(index)) continue;
      this.#owners.set(index, owner);
      owner.indices.add(index);
      return index;
    }
  }

  owner(index: number): Owner | null {
    return this.#owners.get(index) ?? null;
  }

  /** Does nothing if the index isn't the owner's. */
  release(index: number, owner: Owner): void {
    if (owner.indices.delete(index)) this.#owners.delete(index);
  }

  releaseAll(owner: Owner): void {
    for (const index of owner.indices) this.#owners.delete(index);
    owner.indices.clear();
  }
}
