// Handshakes per source, a token bucket each, in a bounded table (SPEC.md 3.6). It is asked only
// after a valid mac2, so that an entry costs an address that answers, not a spoofed one.
import type { Endpoint } from '../base/ip.js';
import { parseAddress } from '../base/ip.js';
import type { Instant } from '../base/time.js';

export interface RateLimits {
  /** Tokens a source gains per second. */
  readonly perSecond: number;
  /** Tokens a source has at most, and at first. */
  readonly burst: number;
  /** Sources held at once, some 150 bytes each. */
  readonly maxSources: number;
}

/**
 * The rates are the protocol's (SPEC.md 1.2); the table's bound is chosen: 8,192 sources at full
 * rate are more handshakes than any machine computes.
 */
export const DEFAULT_RATE_LIMITS: RateLimits = { perSecond: 20, burst: 5, maxSources: 8192 };

/** Bytes of an IPv6 address that name a source: a /64 is one site. */
const IPV6_SOURCE_BYTES = 8;
const COLLECT_INTERVAL_MS = 1000;

interface Bucket {
  /** Milliseconds of credit; a token costs `1000 / perSecond`. */
  creditMs: number;
  updatedAt: Instant;
}

export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #buckets = new Map<string, Bucket>();
  readonly #tokenMs: number;
  readonly #fullMs: number;
  #collectedAt: Instant | null = null;

  constructor(limits: RateLimits = DEFAULT_RATE_LIMITS) {
    this.#limits = limits;
    this.#tokenMs = 1000 / limits.perSecond;
    this.#fullMs = limits.burst * this.#tokenMs;
  }

  /** Sources held now. */
  get sources(): number {
    return this.#buckets.size;
  }

  /**
   * Takes a token of the source (IPv4 /32, IPv6 /64); false if it has none. A full table refuses
   * new sources and keeps serving those it knows.
   */
  allow(source: Pick<Endpoint, 'family' | 'address'>, now: Instant): boolean {
    this.#collectedAt ??= now;
    if (now - this.#collectedAt >= COLLECT_INTERVAL_MS) this.collect(now);
    const key = sourceKey(source);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#limits.maxSources) return false;
      this.#buckets.set(key, { creditMs: this.#fullMs - this.#tokenMs, updatedAt: now });
      return true;
    }
    bucket.creditMs = this.#credit(bucket, now);
    bucket.updatedAt = now;
    if (bucket.creditMs < this.#tokenMs) return false;
    bucket.creditMs -= this.#tokenMs;
    return true;
  }

  /**
   * Forgets sources whose bucket is full again, which changes nothing for them. `allow` does it
   * once a second; the caller does it when an attack is over, to free the memory.
   */
  collect(now: Instant): void {
    this.#collectedAt = now;
    for (const [key, bucket] of this.#buckets) {
      if (this.#credit(bucket, now) >= this.#fullMs) this.#buckets.delete(key);
    }
  }

  #credit(bucket: Bucket, now: Instant): number {
    return Math.min(this.#fullMs, bucket.creditMs + Math.max(0, now - bucket.updatedAt));
  }
}

/** What counts as one source: the IPv4 address, or the first half of the IPv6 address. SPEC.md 3.6. */
export function sourceKey(source: Pick<Endpoint, 'family' | 'address'>): string {
  if (source.family === 4) return source.address;
  const address = parseAddress(source.address);
  const prefix = address?.bytes.subarray(0, IPV6_SOURCE_BYTES);
  return prefix === undefined ? source.address : prefix.join(':');
}
