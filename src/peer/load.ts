// Whether handshake messages come faster than we want to compute. SPEC.md 5.4.
import type { Instant } from '../base/time.js';
import { LOAD_HYSTERESIS_MS, LOAD_MESSAGES_PER_SECOND } from '../session/limits.js';

const SECOND_MS = 1000;

/** Remembers the times of the last messages; nothing else, so its size is fixed. */
export class LoadMeter {
  readonly #times = new Float64Array(LOAD_MESSAGES_PER_SECOND).fill(-Infinity);
  #oldest = 0;
  #loadedAt = -Infinity;

  /** Counts a message with a valid mac1, then tells whether there is load. */
  messageReceived(now: Instant): boolean {
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#times.length;
    return this.underLoad(now);
  }

  underLoad(now: Instant): boolean {
    if (now - this.#times[this.#oldest]! < SECOND_MS) this.#loadedAt = now;
    return now - this.#loadedAt < LOAD_HYSTERESIS_MS;
  }
}
