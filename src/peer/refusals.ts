// Handshake messages that were refused: counted by reason, logged at a bounded rate. SPEC.md 5.4.
import type { Endpoint } from '../base/ip.js';
import type { Instant } from '../base/time.js';
import type { LogEffect } from './deviceEffects.js';

/** Every control datagram that leads to nothing has exactly one of these. */
export const REFUSALS = {
  linkDown: 'the link is down',
  noIdentity: 'there is no private key',
  malformed: 'not a handshake message',
  wrongMac1: 'invalid mac1',
  cookieRequired: 'under load, cookie sent',
  rateLimited: 'under load, rate limited',
  lowOrder: 'low-order key',
  forged: 'authentication failed',
  unknownPeer: 'unknown peer',
  unusable: 'no usable key for the peer',
  replayedInitiation: 'timestamp not newer than the last',
  initiationFlood: 'too soon after the last initiation',
  unknownIndex: 'no handshake with this index',
  forgedResponse: 'response not authentic',
  unusableCookie: 'cookie not for our last message',
} as const;
export type Refusal = keyof typeof REFUSALS;

/** Chosen; Linux's default for messages that a remote can cause. */
const LOG_BURST = 10;
const LOG_WINDOW_MS = 5_000;

interface Tally {
  count: number;
  /** Start of the log window, and lines in it. */
  windowStart: number;
  logged: number;
}

export class Refusals {
  readonly #tallies = new Map<Refusal, Tally>();

  constructor() {
    for (const reason of Object.keys(REFUSALS) as Refusal[]) {
      this.#tallies.set(reason, { count: 0, windowStart: -Infinity, logged: 0 });
    }
  }

  /** The line to log, or null where there were enough of them. */
  count(reason: Refusal, endpoint: Endpoint, now: Instant): LogEffect | null {
    const tally = this.#tallies.get(reason)!;
    tally.count++;
    if (now - tally.windowStart >= LOG_WINDOW_MS) {
      tally.windowStart = now;
      tally.logged = 0;
    }
    if (tally.logged >= LOG_BURST) return null;
    tally.logged++;
    const message = `Refused a handshake message: ${REFUSALS[reason]}`;
    return { kind: 'log', level: 'debug', message, peer: null, endpoint };
  }

  counts(): Record<Refusal, number> {
    const counts = {} as Record<Refusal, number>;
    for (const [reason, tally] of this.#tallies) counts[reason] = tally.count;
    return counts;
  }
}
