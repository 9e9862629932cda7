// The shape of everything that has a protocol or a lifetime (ARCHITECTURE.md, "Machines").
import type { Instant, Moment } from './time.js';

/**
 * A state machine without I/O. `handle` never throws on peer input, and an input that it refuses
 * leaves the state as it was.
 */
export interface Machine<Event, Effect> {
  handle(event: Event, now: Moment): Effect[];
  /** When `handleTimeout` wants to be called next; null for never. */
  nextTimeout(): Instant | null;
  handleTimeout(now: Moment): Effect[];
}
