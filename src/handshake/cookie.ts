// mac1, mac2 and cookies: who may make us compute (SPEC.md 3.5).
import type { Endpoint } from '../base/ip.js';
import type { Instant } from '../base/time.js';
import type { Entropy } from '../ports/entropy.js';

/** The receiving side: checks macs on initiations and responses, and hands out cookies. */
export class CookieChecker {
  constructor(localPublicKey: Uint8Array, entropy: Entropy) {}

  /** True if whoever sent this initiation or response knows our public key. */
  checkMac1(message: Uint8Array): boolean {
    throw new Error('not built yet');
  }

  /** True if the sender got a cookie at this address and port, under the current secret. */
  checkMac2(message: Uint8Array, source: Endpoint, now: Instant): boolean {
    throw new Error('not built yet');
  }

  /** 64 bytes: a cookie for `source`, answering an initiation or response whose mac1 is valid. */
  createReply(message: Uint8Array, source: Endpoint, now: Instant): Uint8Array {
    throw new Error('not built yet');
  }

  destroy(): void {
    throw new Error('not built yet');
  }
}

/** The sending side, one per peer: fills in macs and learns from cookie replies. */
export class CookieStamper {
  constructor(remotePublicKey: Uint8Array) {}

  /** Writes mac1, and mac2 if there is a cookie young enough (else zeros), into an initiation or response. */
  stamp(message: Uint8Array, now: Instant): void {
    throw new Error('not built yet');
  }

  /** Takes the cookie of a reply to the last stamped message; false if the reply isn't one. */
  consumeReply(reply: Uint8Array, now: Instant): boolean {
    throw new Error('not built yet');
  }

  destroy(): void {
    throw new Error('not built yet');
  }
}
