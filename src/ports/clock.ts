// Where time comes from. Only the agent and the engines hold a Clock; machines are told the time.
import type { Instant, WallTime } from '../base/time.js';

export interface Clock {
  /** CLOCK_BOOTTIME: counts suspend, never steps back. */
  now(): Instant;
  /** CLOCK_REALTIME: may step. */
  wallNow(): WallTime;
  /** Calls back once, `delayMs` or a little more from now. Suspend may delay it. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}
