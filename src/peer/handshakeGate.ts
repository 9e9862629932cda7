// What an initiation or response must show before a key is computed for it: mac1 always, mac2 and
// a token of its source's rate limit under load. SPEC.md 5.4.
import type { Endpoint } from '../base/ip.js';
import type { Instant } from '../base/time.js';
import { after } from '../base/time.js';
import { CookieChecker } from '../handshake/cookie.js';
import { RateLimiter } from '../handshake/rateLimiter.js';
import type { Entropy } from '../ports/entropy.js';
import { LoadMeter } from './load.js';
import type { Refusal } from './refusals.js';

export type Admission =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly reason: Refusal }
  /** 64 bytes, to be sent back to the source. */
  | { readonly kind: 'cookieRequired'; readonly reply: Uint8Array };

const ADMITTED: Admission = { kind: 'admitted' };
const COLLECT_AFTER_MS = 2_000;

export class HandshakeGate {
  readonly #entropy: Entropy;
  readonly #load = new LoadMeter();
  readonly #rateLimiter = new RateLimiter();
  #checker: CookieChecker | null = null;
  #collectAt: Instant | null = null;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** The device's public key, 32 bytes; cookies given out under another key are void. */
  identityChanged(publicKey: Uint8Array | null): void {
    this.#checker?.destroy();
    this.#checker = publicKey === null ? null : new CookieChecker(publicKey, this.#entropy);
  }

  /** Weighs an initiation or response by its macs. */
  admit(message: Uint8Array, source: Endpoint, now: Instant): Admission {
    const checker = this.#checker;
    if (checker === null) return { kind: 'refused', reason: 'noIdentity' };
    if (!checker.checkMac1(message)) return { kind: 'refused', reason: 'wrongMac1' };
    if (!this.#load.messageReceived(now)) return ADMITTED;
    if (!checker.checkMac2(message, source, now)) {
      return { kind: 'cookieRequired', reply: checker.createReply(message, source, now) };
    }
    this.#collectAt ??= after(now, COLLECT_AFTER_MS);
    if (!this.#rateLimiter.allow(source, now)) return { kind: 'refused', reason: 'rateLimited' };
    return ADMITTED;
  }

  underLoad(now: Instant): boolean {
    return this.#load.underLoad(now);
  }

  /** When the rate limiter's table wants to be swept, so that an attack's memory is given back. */
  nextTimeout(): Instant | null {
    return this.#collectAt;
  }

  handleTimeout(now: Instant): void {
    if (this.#collectAt === null || now < this.#collectAt) return;
    this.#rateLimiter.collect(now);
    this.#collectAt = this.#rateLimiter.sources === 0 ? null : after(now, COLLECT_AFTER_MS);
  }

  /** Sources that the rate limiter remembers. */
  get sources(): number {
    return this.#rateLimiter.sources;
  }

  destroy(): void {
    this.identityChanged(null);
  }
}
