// HKDF (RFC 5869), and the form of it that Noise and WireGuard call KDF (SPEC.md 1.3).
import { assert } from '../base/assert.js';
import type { HashFunction } from './hash.js';

/** The pseudorandom key: HASHLEN bytes. RFC 5869 section 2.2. */
export function hkdfExtract(hash: HashFunction, salt: Uint8Array, input: Uint8Array): Uint8Array {
  return hash.hmac(salt, input);
}

/** `byteLength` bytes, at most 255 times HASHLEN. RFC 5869 section 2.3. */
export function hkdfExpand(
  hash: HashFunction,
  source: { readonly key: Uint8Array; readonly info: Uint8Array; readonly byteLength: number },
): Uint8Array {
  assert(source.byteLength <= 255 * hash.hashBytes, 'HKDF gives at most 255 blocks');
  const output = new Uint8Array(source.byteLength);
  let block: Uint8Array = new Uint8Array(0);
  for (let at = 0, i = 1; at < output.length; at += hash.hashBytes, i++) {
    const next = hash.hmac(source.key, block, source.info, Uint8Array.of(i));
    block.fill(0);
    block = next;
    output.set(block.subarray(0, output.length - at), at);
  }
  block.fill(0);
  return output;
}

/**
 * KDF2: two outputs of HASHLEN bytes from a chaining key and fresh input, which may be empty.
 * Noise section 4.3; HKDF with an empty info.
 */
export function kdf2(
  hash: HashFunction,
  chainingKey: Uint8Array,
  input: Uint8Array,
): [Uint8Array, Uint8Array] {
  const extracted = hash.hmac(chainingKey, input);
  const first = hash.hmac(extracted, ONE);
  const second = hash.hmac(extracted, first, TWO);
  extracted.fill(0);
  return [first, second];
}

/** KDF3: as kdf2, with a third output. */
export function kdf3(
  hash: HashFunction,
  chainingKey: Uint8Array,
  input: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const extracted = hash.hmac(chainingKey, input);
  const first = hash.hmac(extracted, ONE);
  const second = hash.hmac(extracted, first, TWO);
  const third = hash.hmac(extracted, second, THREE);
  extracted.fill(0);
  return [first, second, third];
}

const ONE = Uint8Array.of(1);
const TWO = Uint8Array.of(2);
const THREE = Uint8Array.of(3);
