// Which counters were received already: a sliding window over a ring of bits (RFC 6479).
// SPEC.md 4.2.
import type { CounterLimit } from './counter.js';
import { reached } from './counter.js';

/** Bits in the ring; a power of two, so that the low half of a counter alone names its bit. */
const RING_BITS = 8192;
const WORD_BITS = 32;
const RING_WORDS = RING_BITS / WORD_BITS;
const WORD_SHIFT = Math.log2(WORD_BITS);
const WORDS_PER_HALF = 2 ** 32 / WORD_BITS;

/**
 * How far below the greatest counter one may come. The ring could hold 32 more; other
 * implementations use 64-bit words and lose one, and all must agree on the edge.
 */
export const REPLAY_WINDOW_COUNTERS = RING_BITS - 64;

/** One receiving key's window. Nothing is allocated after construction. */
export class ReplayWindow {
  readonly #limit: CounterLimit;
  readonly #ring = new Uint32Array(RING_WORDS);
  // The greatest counter accepted; -1 before the first, as (-1) * 2^32 + (2^32 - 1).
  #high = -1;
  #low = 0xffff_ffff;

  /** Counters from `limit` on are refused. */
  constructor(limit: CounterLimit) {
    this.#limit = limit;
  }

  /**
   * Takes the counter `high * 2^32 + low` (two u32) of an authentic packet: true once per counter,
   * false if it came before, is left of the window, or is past the limit.
   */
  accept(high: number, low: number): boolean {
    if (reached(high, low, this.#limit)) return false;
    // Exact where it matters: a double only rounds differences past 2^53, far out of the window.
    const ahead = (high - this.#high) * 2 ** 32 + (low - this.#low);
    if (ahead < -REPLAY_WINDOW_COUNTERS) return false;
    if (ahead > 0) this.#slideTo(high, low);
    const word = (low >>> WORD_SHIFT) % RING_WORDS;
    const bit = 1 << (low % WORD_BITS);
    const seen = this.#ring[word]!;
    if ((seen & bit) !== 0) return false;
    this.#ring[word] = seen | bit;
    return true;
  }

  /** Moves the right edge, clearing the words that come into the window. */
  #slideTo(high: number, low: number): void {
    const from = this.#low >>> WORD_SHIFT;
    const words = (high - this.#high) * WORDS_PER_HALF + ((low >>> WORD_SHIFT) - from);
    if (words >= RING_WORDS) this.#ring.fill(0);
    else for (let i = 1; i <= words; i++) this.#ring[(from + i) % RING_WORDS] = 0;
    this.#high = high;
    this.#low = low;
  }
}
