// Which item is due next: a binary heap whose items can be moved. One per device, one entry per
// peer, so that 65,536 peers cost no walk. SPEC.md 5.2.
import type { Instant } from '../base/time.js';

interface Entry<Item> {
  readonly item: Item;
  deadline: Instant;
  position: number;
}

export class DeadlineQueue<Item> {
  readonly #heap: Entry<Item>[] = [];
  readonly #entries = new Map<Item, Entry<Item>>();

  /** The earliest deadline; null if there is none. */
  next(): Instant | null {
    return this.#heap[0]?.deadline ?? null;
  }

  /** An item whose deadline has come, the earliest first. It stays until its deadline is moved. */
  due(now: Instant): Item | null {
    const first = this.#heap[0];
    return first !== undefined && first.deadline <= now ? first.item : null;
  }

  /** Null takes the item out. */
  set(item: Item, deadline: Instant | null): void {
    const entry = this.#entries.get(item);
    if (deadline === null) {
      if (entry !== undefined) this.#remove(entry);
      return;
    }
    if (entry === undefined) {
      const added = { item, deadline, position: this.#heap.length };
      this.#entries.set(item, added);
      this.#heap.push(added);
      this.#settle(added);
    } else if (entry.deadline !== deadline) {
      entry.deadline = deadline;
      this.#settle(entry);
    }
  }

  #remove(entry: Entry<Item>): void {
    this.#entries.delete(entry.item);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#place(last, entry.position);
    this.#settle(last);
  }

  /** Moves the entry to where its deadline belongs. */
  #settle(entry: Entry<Item>): void {
    while (entry.position > 0) {
      const parent = this.#heap[(entry.position - 1) >> 1]!;
      if (parent.deadline <= entry.deadline) break;
      this.#swap(parent, entry);
    }
    for (;;) {
      const child = this.#earlierChild(entry);
      if (child === null || child.deadline >= entry.deadline) return;
      this.#swap(entry, child);
    }
  }

  #earlierChild(entry: Entry<Item>): Entry<Item> | null {
    const left = this.#heap[2 * entry.position + 1];
    const right = this.#heap[2 * entry.position + 2];
    if (left === undefined || right === undefined) return left ?? null;
    return right.deadline < left.deadline ? right : left;
  }

  /** `above` is the parent of `below`. */
  #swap(above: Entry<Item>, below: Entry<Item>): void {
    const position = above.position;
    this.#place(above, below.position);
    this.#place(below, position);
  }

  #place(entry: Entry<Item>, position: number): void {
    this.#heap[position] = entry;
    entry.position = position;
  }
}
