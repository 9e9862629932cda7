// 64-bit packet counters as two unsigned 32-bit halves: exact to 2^64 without allocating a bigint
// per packet. SPEC.md 4.2.

const HALF = 2 ** 32;

/** A limit on counters, split once. */
export interface CounterLimit {
  readonly high: number;
  readonly low: number;
}

/** `value` is 0 to 2^64 - 1. */
export function counterLimit(value: bigint): CounterLimit {
  return { high: Number(value >> 32n), low: Number(value & 0xffff_ffffn) };
}

/** True if the counter is the limit or past it. */
export function reached(high: number, low: number, limit: CounterLimit): boolean {
  return high > limit.high || (high === limit.high && low >= limit.low);
}

/** The counters of the packets that are sent: `high` and `low` are the next one. */
export class SendCounter {
  high = 0;
  low = 0;

  /** How many were taken, which is the next one's value; exact below 2^53. */
  get taken(): number {
    return this.high * HALF + this.low;
  }

  advance(): void {
    this.low++;
    if (this.low === HALF) {
      this.low = 0;
      this.high++;
    }
  }
}
