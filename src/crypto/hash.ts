// The four hashes of Noise with HMAC (SPEC.md 1.3). node:crypto computes them; tests hold them
// against @noble/hashes.
import { createHash, createHmac } from 'node:crypto';

export type HashName = 'BLAKE2s' | 'BLAKE2b' | 'SHA256' | 'SHA512';

export interface HashFunction {
  /** As Noise spells it in protocol names. */
  readonly name: HashName;
  /** Size of the result in bytes; HASHLEN in Noise. */
  readonly hashBytes: number;
  /** The hash of the concatenated parts; a new array. */
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC (RFC 2104) of the concatenated parts under a key of any size; a new array. */
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
}

/** RFC 7693. */
export const blake2s = hashFunction('BLAKE2s', 32, 'blake2s256');
/** RFC 7693. */
export const blake2b = hashFunction('BLAKE2b', 64, 'blake2b512');
/** FIPS 180-4. */
export const sha256 = hashFunction('SHA256', 32, 'sha256');
/** FIPS 180-4. */
export const sha512 = hashFunction('SHA512', 64, 'sha512');

function hashFunction(name: HashName, hashBytes: number, algorithm: string): HashFunction {
  return {
    name,
    hashBytes,
    hash(...parts) {
      const hash = createHash(algorithm);
      for (const part of parts) hash.update(part);
      return plainArray(hash.digest());
    },
    hmac(key, ...parts) {
      const hmac = createHmac(algorithm, key);
      for (const part of parts) hmac.update(part);
      return plainArray(hmac.digest());
    },
  };
}

/** The same memory without Buffer's methods, so that zeroing the array zeroes the only copy. */
function plainArray(digest: Buffer): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
}
