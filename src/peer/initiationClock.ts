// Timestamps for the initiations of one device, which never go back even if the wall clock does.
// SPEC.md 5.2.
import type { WallTime } from '../base/time.js';
import { compareTimestamps, nextTimestamp } from '../handshake/timestamp.js';

export class InitiationClock {
  #latest: Uint8Array | null = null;

  /**
   * 12 bytes of TAI64N: greater than `last`, the peer's last one, and no less than any given out.
   * Different peers may get equal ones, so that many peers don't push it ahead of the clock.
   */
  next(last: Uint8Array | null, now: WallTime): Uint8Array {
    const candidate = nextTimestamp(last, now);
    if (this.#latest !== null && compareTimestamps(candidate, this.#latest) < 0) {
      return this.#latest;
    }
    this.#latest = candidate;
    return candidate;
  }
}
