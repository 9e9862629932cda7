// Halves of hellos and answers that wait for the other half (SPEC.md 11.8, 11.14). Bounded in time, per
// source and in all; asked only about fragments whose macs were checked.
import { equalConstantTime, toHex } from '../../base/bytes.js';
import type { Endpoint } from '../../base/ip.js';
import { formatEndpoint } from '../../base/ip.js';
import type { Instant } from '../../base/time.js';
import { after } from '../../base/time.js';
import { blake2s } from '../../crypto/hash.js';
import { DIGEST_BYTES } from '../../wire/beamLayout.js';
import type { Fragment } from '../../wire/fragments.js';
import { bodyOf, joinFragments } from '../../wire/fragments.js';
import { sourceKey } from '../rateLimiter.js';

/** Chosen, SPEC.md 11.1. A waiting half takes some 700 bytes. */
export const FRAGMENT_LIMITS = { waiting: 256, perSource: 8, ageMs: 1000 } as const;

/** 16 bytes that name a message whatever its macs are. SPEC.md 11.8. */
export const digestOf = (message: Uint8Array): Uint8Array =>
  blake2s.hash(bodyOf(message)).subarray(0, DIGEST_BYTES);

interface Waiting {
  readonly fragment: Fragment;
  readonly source: string;
  readonly until: Instant;
}

export type Reassembled =
  /** The message, its macs zero. */
  | { readonly kind: 'whole'; readonly message: Uint8Array }
  | { readonly kind: 'waiting' }
  /** The halves don't belong together, or there is no place. */
  | { readonly kind: 'refused'; readonly reason: 'wrongDigest' | 'tableFull' };

export class Reassembly {
  /** In the order of arrival, and so of their ends. */
  readonly #waiting = new Map<string, Waiting>();

  /** Halves held now. */
  get size(): number {
    return this.#waiting.size;
  }

  get isHalfFull(): boolean {
    return this.size >= FRAGMENT_LIMITS.waiting / 2;
  }

  /** Takes a copy of the fragment, or puts it together with the half that is here. */
  accept(fragment: Fragment, from: Endpoint, now: Instant): Reassembled {
    this.expire(now);
    const { sender, receiver, digest, of } = fragment;
    const key = `${formatEndpoint(from)} ${of} ${sender} ${receiver} ${toHex(digest)}`;
    const other = this.#waiting.get(key)?.fragment;
    if (other === undefined) return this.#keep(key, fragment, { from, now });
    if (other.number === fragment.number) return { kind: 'waiting' };
    this.#waiting.delete(key);
    const [first, second] = fragment.number === 1 ? [other, fragment] : [fragment, other];
    const message = joinFragments(first, second);
    const isRight = message !== null && equalConstantTime(digestOf(message), digest);
    return isRight ? { kind: 'whole', message } : { kind: 'refused', reason: 'wrongDigest' };
  }

  nextTimeout(): Instant | null {
    for (const { until } of this.#waiting.values()) return until;
    return null;
  }

  /** Forgets what has waited too long. */
  expire(now: Instant): void {
    for (const [key, { until }] of this.#waiting) {
      if (now < until) return;
      this.#waiting.delete(key);
    }
  }

  #keep(
    key: string,
    fragment: Fragment,
    arrival: { readonly from: Endpoint; readonly now: Instant },
  ): Reassembled {
    const source = sourceKey(arrival.from);
    const ofSource = [...this.#waiting].filter(([, entry]) => entry.source === source);
    const oldest = ofSource[0];
    if (oldest !== undefined && ofSource.length >= FRAGMENT_LIMITS.perSource) {
      this.#waiting.delete(oldest[0]);
    } else if (this.size >= FRAGMENT_LIMITS.waiting) {
      return { kind: 'refused', reason: 'tableFull' };
    }
    const { digest, part } = fragment;
    const copy = { ...fragment, digest: digest.slice(), part: part.slice() };
    const until = after(arrival.now, FRAGMENT_LIMITS.ageMs);
    this.#waiting.set(key, { fragment: copy, source, until });
    return { kind: 'waiting' };
  }
}
