// The canonical form of JSON that statements are signed in: RFC 8785. ECMAScript's own number and string
// serialisation is what the RFC prescribes (3.2.2), so this is the order of names and three refusals.
import { assert } from '../../base/assert.js';

export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

const LONE_SURROGATE = /\p{Surrogate}/u;

/** RFC 8785. Values that have no canonical form (lone surrogates, infinities) are a bug here. */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') {
    assert(!LONE_SURROGATE.test(value), 'a string of a statement is well-formed Unicode');
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    assert(Number.isFinite(value), 'a number of a statement is finite');
    return JSON.stringify(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  // Sorted by UTF-16 code units (3.2.3), which is how ECMAScript compares strings.
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${canonicalJson(name)}:${canonicalJson(value[name]!)}`).join(',')}}`;
}

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value);

/**
 * The value, if the text is the canonical form of it; else null. That also refuses doubled names, other
 * spellings of a number, white space and lone surrogates, and nothing else needs to be asked.
 */
export function parseCanonicalJson(text: string): Json | null {
  try {
    const value = JSON.parse(text) as Json;
    return canonicalJson(value) === text ? value : null;
  } catch {
    return null;
  }
}
