// What peers ask each other for, and the strict reading of it. SPEC.md 12.10.
import type { Json } from '../statement/canonicalJson.js';

export const BUCKETS = 64;
export const HOPS_MAX = 5;
export const ENTRIES_MAX = 20_000;
export const IDS_MAX = 64;
/** Of the texts in one answer. */
export const ANSWER_BYTES_MAX = 256 * 1024;
/** Of an id, as it is written in these messages. */
export const SHORT_ID_CHARACTERS = 32;

/** The first 32 characters of a statement's id. */
export type ShortId = string;

export type Query =
  | { readonly kind: 'digest'; readonly root: string }
  | { readonly kind: 'buckets'; readonly buckets: readonly number[] }
  | { readonly kind: 'statements'; readonly ids: readonly ShortId[] };

export interface DigestAnswer {
  readonly kind: 'digest';
  readonly root: string;
  /** Null where the root is the one that was asked about. */
  readonly buckets: readonly string[] | null;
}
export interface BucketsAnswer {
  readonly kind: 'buckets';
  readonly entries: readonly (readonly [id: ShortId, hops: number])[];
}
export interface StatementsAnswer {
  readonly kind: 'statements';
  readonly statements: readonly (readonly [hops: number, text: string])[];
}
export type Answer = DigestAnswer | BucketsAnswer | StatementsAnswer;

export const bucketOf = (id: string): number => parseInt(id.slice(0, 2), 16) >> 2;

const isHash = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
const isHops = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= HOPS_MAX;

type Fields = Readonly<Record<string, unknown>>;

/** Null for anything but a question of SPEC.md 12.10. */
export function readQuery(value: Json): Query | null {
  const fields = asFields(value, 2);
  if (fields === null) return null;
  const { kind, root, buckets, ids } = fields;
  if (kind === 'digest' && isHash(root)) return { kind, root };
  if (kind === 'buckets' && Array.isArray(buckets)) {
    return buckets.length <= BUCKETS && buckets.every(isBucket) ? { kind, buckets } : null;
  }
  if (kind !== 'statements' || !Array.isArray(ids)) return null;
  return ids.length <= IDS_MAX && ids.every(isHash) ? { kind, ids } : null;
}

/** Null for anything but an answer to that question. */
export function readAnswer(query: Query, text: string): Answer | null {
  const value = parseJson(text);
  switch (query.kind) {
    case 'digest':
      return readDigest(query.root, asFields(value, 3));
    case 'buckets':
      return readBuckets(query.buckets, asFields(value, 2));
    case 'statements':
      return readStatements(query.ids, asFields(value, 2));
  }
}

function readDigest(asked: string, fields: Fields | null): DigestAnswer | null {
  if (fields === null) return null;
  const { kind, root, buckets } = fields;
  if (kind !== 'digest' || !isHash(root)) return null;
  if (buckets === null) return root === asked ? { kind, root, buckets } : null;
  if (!Array.isArray(buckets) || buckets.length !== BUCKETS || !buckets.every(isHash)) return null;
  return { kind, root, buckets };
}

function readBuckets(asked: readonly number[], fields: Fields | null): BucketsAnswer | null {
  if (fields === null) return null;
  const { kind, entries } = fields;
  if (kind !== 'buckets' || !Array.isArray(entries) || entries.length > ENTRIES_MAX) return null;
  const valid = (entries as unknown[]).every(
    (entry) =>
      Array.isArray(entry) &&
      entry.length === 2 &&
      isHash(entry[0]) &&
      asked.includes(bucketOf(entry[0])) &&
      isHops(entry[1]),
  );
  return valid ? { kind, entries: entries as [string, number][] } : null;
}

function readStatements(ids: readonly ShortId[], fields: Fields | null): StatementsAnswer | null {
  if (fields === null) return null;
  const { kind, statements } = fields;
  if (kind !== 'statements' || !Array.isArray(statements)) return null;
  if (statements.length > ids.length) return null;
  const valid = (statements as unknown[]).every(
    (entry) =>
      Array.isArray(entry) &&
      entry.length === 2 &&
      isHops(entry[0]) &&
      typeof entry[1] === 'string',
  );
  return valid ? { kind, statements: statements as [number, string][] } : null;
}

const isBucket = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < BUCKETS;

/** An object of so many fields. */
function asFields(value: unknown, count: number): Fields | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return Object.keys(value).length === count ? (value as Fields) : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
