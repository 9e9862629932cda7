// Which peer an inner address belongs to: a path-compressed binary trie per family, longest prefix
// first. SPEC.md 5.5.
import type { IpFamily, IpPrefix } from '../base/ip.js';
import { addressBits } from '../base/ip.js';

/** 128 bits, most significant word first; IPv4 stands in the first word. */
interface Bits {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** A prefix that has an owner, or a fork where two of them part. */
interface Node<Owner> extends Bits {
  readonly family: IpFamily;
  readonly length: number;
  owner: Owner | null;
  parent: Node<Owner> | null;
  zero: Node<Owner> | null;
  one: Node<Owner> | null;
}

/** Prefixes and their owners. A prefix has one owner at most. */
export class AllowedIps<Owner> {
  readonly #roots: Record<IpFamily, Node<Owner> | null> = { 4: null, 6: null };
  readonly #owned = new Map<Owner, Set<Node<Owner>>>();

  /** Gives the prefix to `owner`, taking it from whoever has it. */
  add(owner: Owner, prefix: IpPrefix): void {
    const node = this.#nodeFor(prefix);
    if (node.owner !== null) this.#disown(node);
    node.owner = owner;
    let nodes = this.#owned.get(owner);
    if (nodes === undefined) this.#owned.set(owner, (nodes = new Set()));
    nodes.add(node);
  }

  /** Removes exactly this prefix, if `owner` has it; true if so. */
  remove(owner: Owner, prefix: IpPrefix): boolean {
    const node = this.#exact(prefix);
    if (node?.owner !== owner) return false;
    this.#disown(node);
    this.#prune(node);
    return true;
  }

  removeOwner(owner: Owner): void {
    for (const node of this.#owned.get(owner) ?? []) {
      node.owner = null;
      this.#prune(node);
    }
    this.#owned.delete(owner);
  }

  /** The owner of the longest prefix around the address at `bytes[start]`; allocates nothing. */
  lookup(family: IpFamily, bytes: Uint8Array, start: number): Owner | null {
    const w0 = readU32(bytes, start);
    const w1 = family === 4 ? 0 : readU32(bytes, start + 4);
    const w2 = family === 4 ? 0 : readU32(bytes, start + 8);
    const w3 = family === 4 ? 0 : readU32(bytes, start + 12);
    let found: Owner | null = null;
    let node = this.#roots[family];
    while (node !== null && commonBits(node, w0, w1, w2, w3) >= node.length) {
      if (node.owner !== null) found = node.owner;
      if (node.length === addressBits(family)) break;
      node = bitAt(node.length, w0, w1, w2, w3) === 0 ? node.zero : node.one;
    }
    return found;
  }

  /** In the order in which they were added. */
  list(owner: Owner): IpPrefix[] {
    return Array.from(this.#owned.get(owner) ?? [], toPrefix);
  }

  /** The node of exactly this prefix, made if it isn't there. */
  #nodeFor(prefix: IpPrefix): Node<Owner> {
    const bits = toBits(prefix);
    const { w0, w1, w2, w3 } = bits;
    let parent: Node<Owner> | null = null;
    let at = this.#roots[prefix.family];
    while (at !== null) {
      const common = Math.min(commonBits(at, w0, w1, w2, w3), at.length, prefix.length);
      if (common < at.length) return this.#insertAbove(at, bits, prefix, common);
      if (at.length === prefix.length) return at;
      parent = at;
      at = bitAt(at.length, w0, w1, w2, w3) === 0 ? at.zero : at.one;
    }
    const node = newNode<Owner>(bits, prefix.family, prefix.length);
    this.#hang(node, parent);
    return node;
  }

  /** Puts the prefix above `below`, or beside it under a new fork, where they part. */
  #insertAbove(below: Node<Owner>, bits: Bits, prefix: IpPrefix, common: number): Node<Owner> {
    const parent = below.parent;
    const node = newNode<Owner>(bits, prefix.family, prefix.length);
    if (common === prefix.length) {
      this.#hang(node, parent);
      this.#hang(below, node);
      return node;
    }
    const fork = newNode<Owner>(keepBits(bits, common), prefix.family, common);
    this.#hang(fork, parent);
    this.#hang(below, fork);
    this.#hang(node, fork);
    return node;
  }

  #exact(prefix: IpPrefix): Node<Owner> | null {
    const { w0, w1, w2, w3 } = toBits(prefix);
    let node = this.#roots[prefix.family];
    while (node !== null && node.length < prefix.length) {
      node = bitAt(node.length, w0, w1, w2, w3) === 0 ? node.zero : node.one;
    }
    if (node?.length !== prefix.length) return null;
    return commonBits(node, w0, w1, w2, w3) >= prefix.length ? node : null;
  }

  /** Makes `node` the child of `parent` on its side, or the root. */
  #hang(node: Node<Owner>, parent: Node<Owner> | null): void {
    node.parent = parent;
    if (parent === null) this.#roots[node.family] = node;
    else if (bitAt(parent.length, node.w0, node.w1, node.w2, node.w3) === 0) parent.zero = node;
    else parent.one = node;
  }

  /** Takes a node without owner out, unless two prefixes part there. */
  #prune(node: Node<Owner>): void {
    if (node.owner !== null || (node.zero !== null && node.one !== null)) return;
    const child = node.zero ?? node.one;
    const parent = node.parent;
    if (child !== null) {
      this.#hang(child, parent);
      return;
    }
    if (parent === null) this.#roots[node.family] = null;
    else if (parent.zero === node) parent.zero = null;
    else parent.one = null;
    if (parent !== null) this.#prune(parent);
  }

  #disown(node: Node<Owner>): void {
    const nodes = this.#owned.get(node.owner!);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#owned.delete(node.owner!);
    node.owner = null;
  }
}

function newNode<Owner>(bits: Bits, family: IpFamily, length: number): Node<Owner> {
  const { w0, w1, w2, w3 } = bits;
  return { w0, w1, w2, w3, family, length, owner: null, parent: null, zero: null, one: null };
}

/** How many leading bits are equal. */
function commonBits(bits: Bits, w0: number, w1: number, w2: number, w3: number): number {
  if (bits.w0 !== w0) return Math.clz32(bits.w0 ^ w0);
  if (bits.w1 !== w1) return 32 + Math.clz32(bits.w1 ^ w1);
  if (bits.w2 !== w2) return 64 + Math.clz32(bits.w2 ^ w2);
  if (bits.w3 !== w3) return 96 + Math.clz32(bits.w3 ^ w3);
  return 128;
}

/** The bit at `index`, 0 to 127, counted from the most significant. */
function bitAt(index: number, w0: number, w1: number, w2: number, w3: number): number {
  const word = index < 64 ? (index < 32 ? w0 : w1) : index < 96 ? w2 : w3;
  return (word >>> (31 - (index & 31))) & 1;
}

function keepBits({ w0, w1, w2, w3 }: Bits, length: number): Bits {
  const mask = (word: number, at: number): number => {
    const kept = Math.min(32, Math.max(0, length - at));
    return kept === 0 ? 0 : (word & (0xffff_ffff << (32 - kept))) >>> 0;
  };
  return { w0: mask(w0, 0), w1: mask(w1, 32), w2: mask(w2, 64), w3: mask(w3, 96) };
}

function toBits(prefix: IpPrefix): Bits {
  const word = (at: number): number => (at < prefix.bytes.length ? readU32(prefix.bytes, at) : 0);
  return keepBits({ w0: word(0), w1: word(4), w2: word(8), w3: word(12) }, prefix.length);
}

function toPrefix({ family, length, w0, w1, w2, w3 }: Bits & IpPrefixShape): IpPrefix {
  const bytes = new Uint8Array(addressBits(family) / 8);
  const view = new DataView(bytes.buffer);
  const words = [w0, w1, w2, w3].slice(0, bytes.length / 4);
  words.forEach((word, i) => view.setUint32(i * 4, word));
  return { family, length, bytes };
}

type IpPrefixShape = Pick<IpPrefix, 'family' | 'length'>;

function readU32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16);
  return (high | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
