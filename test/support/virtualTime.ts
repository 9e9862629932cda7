// Time that passes only when a test says so, from one scheduled moment to the next.
import type { Instant, WallTime } from '../../src/base/time.js';
import { instant, wallTime } from '../../src/base/time.js';
import type { Clock, Timer } from '../../src/ports/clock.js';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** A queue of things to do, by time and then in the order in which they were scheduled. */
export class VirtualTime {
  nowMs: number;
  #order = 0;
  readonly #heap: Entry[] = [];

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const atMs = this.nowMs + Math.max(0, delayMs);
    const entry: Entry = { atMs, order: this.#order++, run, cancelled: false };
    this.#push(entry);
    return {
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  /** Does the next thing and moves to its time; false if nothing is scheduled until `endMs`. */
  step(endMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) return false;
      this.#pop();
      if (next.cancelled) continue;
      this.nowMs = next.atMs;
      next.run();
      return true;
    }
  }

  advanceTo(endMs: number): void {
    while (this.step(endMs));
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

const before = (a: Entry, b: Entry): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** A clock port on virtual time. `wallOffsetMs` may be stepped. */
export class VirtualClock implements Clock {
  readonly #time: VirtualTime;
  wallOffsetMs: number;

  constructor(time: VirtualTime, wallOffsetMs: number) {
    this.#time = time;
    this.wallOffsetMs = wallOffsetMs;
  }

  now(): Instant {
    return instant(this.#time.nowMs);
  }

  wallNow(): WallTime {
    return wallTime(this.#time.nowMs + this.wallOffsetMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#time.schedule(delayMs, callback);
  }
}
