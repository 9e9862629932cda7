// What a message of Beam must show before a key is computed for it (SPEC.md 11.7, 11.14): mac1 always,
// mac2 and a token of its source under load.
import type { Endpoint } from '../../base/ip.js';
import type { Instant } from '../../base/time.js';
import { after } from '../../base/time.js';
import type { CookieChecker } from '../cookie.js';
import { RateLimiter } from '../rateLimiter.js';
import type { BeamRefusal } from './beamEvents.js';

export type BeamAdmission =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly reason: BeamRefusal }
  /** 64 bytes, to be sent back to the source. */
  | { readonly kind: 'cookieRequired'; readonly reply: Uint8Array };

const ADMITTED: BeamAdmission = { kind: 'admitted' };
const COLLECT_AFTER_MS = 2_000;

export class BeamGate {
  readonly #isLoaded: (now: Instant) => boolean;
  readonly #rateLimiter = new RateLimiter();
  #collectAt: Instant | null = null;

  /** `isLoaded` is asked once for each message with a valid mac1. */
  constructor(isLoaded: (now: Instant) => boolean) {
    this.#isLoaded = isLoaded;
  }

  /** Sources that the rate limiter remembers. */
  get sources(): number {
    return this.#rateLimiter.sources;
  }

  admit(
    message: Uint8Array,
    checker: CookieChecker,
    arrival: { readonly from: Endpoint; readonly now: Instant },
  ): BeamAdmission {
    const { from, now } = arrival;
    if (!checker.checkMac1(message)) return { kind: 'refused', reason: 'wrongMac1' };
    if (!this.#isLoaded(now)) return ADMITTED;
    if (!checker.checkMac2(message, from, now)) {
      return { kind: 'cookieRequired', reply: checker.createReply(message, from, now) };
    }
    this.#collectAt ??= after(now, COLLECT_AFTER_MS);
    if (!this.#rateLimiter.allow(from, now)) return { kind: 'refused', reason: 'rateLimited' };
    return ADMITTED;
  }

  nextTimeout(): Instant | null {
    return this.#collectAt;
  }

  handleTimeout(now: Instant): void {
    if (this.#collectAt === null || now < this.#collectAt) return;
    this.#rateLimiter.collect(now);
    this.#collectAt = this.#rateLimiter.sources === 0 ? null : after(now, COLLECT_AFTER_MS);
  }
}
