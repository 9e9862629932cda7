// The statements of this agent as others ask for them: digests, lists, texts, and how far each has
// travelled. SPEC.md 12.10.
import { toHex } from '../../base/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import type { StatementId, VerifiedStatement } from '../statement/signedStatement.js';
import type { AddOutcome, Carrier } from '../statementStore.js';
import type { WebOfTrust } from '../webOfTrust.js';
import {
  ANSWER_BYTES_MAX,
  BUCKETS,
  ENTRIES_MAX,
  HOPS_MAX,
  SHORT_ID_CHARACTERS,
  bucketOf,
  type Answer,
  type Query,
  type ShortId,
} from './messages.js';

/** Where a statement came from, and how many hops it has travelled. */
export interface Arrival {
  readonly carrier: Carrier;
  readonly hops: number;
}

export const LOCAL: Arrival = { carrier: null, hops: 0 };

interface Held {
  readonly verified: VerifiedStatement;
  hops: number;
}

interface Bucket {
  readonly held: Map<ShortId, Held>;
  hash: string | null;
}

export class Replica {
  readonly #web: WebOfTrust;
  readonly #buckets: readonly Bucket[];
  #root: string | null = null;

  /** `web` is filled through this from now on. What it holds counts as local. */
  constructor(web: WebOfTrust) {
    this.#web = web;
    this.#buckets = Array.from({ length: BUCKETS }, () => ({ held: new Map(), hash: null }));
    for (const verified of web.statements()) this.#hold(verified, 0);
  }

  /** False for a statement that is there, or was and is outdated or refused. */
  add(verified: VerifiedStatement, { carrier, hops }: Arrival): AddOutcome {
    const outcome = this.#web.add(verified, carrier);
    if (outcome.kind === 'added') {
      if (outcome.replaced !== null) this.#release(outcome.replaced.id);
      this.#hold(verified, hops);
    } else if (outcome.kind === 'known') {
      const held = this.#bucket(verified.id).held.get(shortId(verified.id));
      if (held !== undefined) held.hops = Math.min(held.hops, hops);
    }
    return outcome;
  }

  /** Statements that have expired are gone from the web: gives up holding them. */
  expired(gone: readonly VerifiedStatement[]): void {
    for (const { id } of gone) this.#release(id);
  }

  get size(): number {
    return this.#web.size;
  }

  has(id: ShortId): boolean {
    return this.#bucket(id).held.has(id);
  }

  get root(): string {
    this.#root ??= hashOf(this.bucketHashes());
    return this.#root;
  }

  bucketHashes(): string[] {
    return this.#buckets.map((bucket) => {
      bucket.hash ??= hashOf([...bucket.held.keys()].sort());
      return bucket.hash;
    });
  }

  answer(query: Query): Answer {
    switch (query.kind) {
      case 'digest': {
        const { root } = this;
        const buckets = root === query.root ? null : this.bucketHashes();
        return { kind: 'digest', root, buckets };
      }
      case 'buckets':
        return { kind: 'buckets', entries: this.#entries(query.buckets) };
      case 'statements':
        return { kind: 'statements', statements: this.#texts(query.ids) };
    }
  }

  #entries(buckets: readonly number[]): [ShortId, number][] {
    const all = [...new Set(buckets)].flatMap((bucket) => [...this.#buckets[bucket]!.held]);
    return all.slice(0, ENTRIES_MAX).map(([id, { hops }]) => [id, hops]);
  }

  #texts(ids: readonly ShortId[]): [number, string][] {
    const found: [number, string][] = [];
    let bytes = 0;
    for (const id of new Set(ids)) {
      const held = this.#bucket(id).held.get(id);
      if (held === undefined || held.hops >= HOPS_MAX) continue;
      // A text's quotes are escaped when it travels, so it grows by less than a half.
      bytes += held.verified.text.length * 1.5;
      if (bytes > ANSWER_BYTES_MAX && found.length > 0) break;
      found.push([held.hops, held.verified.text]);
    }
    return found;
  }

  #bucket(id: string): Bucket {
    return this.#buckets[bucketOf(id)]!;
  }

  #hold(verified: VerifiedStatement, hops: number): void {
    const bucket = this.#bucket(verified.id);
    bucket.held.set(shortId(verified.id), { verified, hops });
    this.#touched(bucket);
  }

  #release(id: StatementId): void {
    const bucket = this.#bucket(id);
    if (bucket.held.delete(shortId(id))) this.#touched(bucket);
  }

  #touched(bucket: Bucket): void {
    bucket.hash = null;
    this.#root = null;
  }
}

export const shortId = (id: StatementId): ShortId => id.slice(0, SHORT_ID_CHARACTERS);

const hashOf = (parts: readonly string[]): string =>
  toHex(sha256.hash(Buffer.from(parts.join(' '))).subarray(0, 16));

/** Of a bucket with nothing in it. */
export const EMPTY_BUCKET_HASH = hashOf([]);
