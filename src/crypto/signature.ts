// The two signature schemes of identities (SPEC.md 10.4). sodium-native does Ed25519, @noble/curves
// P-256, whose private keys live in a TPM or a token and never here.
import { ed25519 as nobleEd25519 } from '@noble/curves/ed25519.js';
import { p256 as nobleP256 } from '@noble/curves/nist.js';
import sodium from 'sodium-native';
import { assert } from '../base/assert.js';

export const SIGNATURE_BYTES = 64;

export interface SignatureScheme {
  readonly publicKeyBytes: number;
  /** True if these are the canonical bytes of a point that can be a key. */
  isPublicKey(bytes: Uint8Array): boolean;
  /** Never throws: anything but a valid signature of 64 bytes is false. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** RFC 8032, verified as libsodium does: no key or R of small order, S below the order. */
export const ed25519: SignatureScheme = {
  publicKeyBytes: 32,
  isPublicKey(bytes) {
    try {
      const point = nobleEd25519.Point.fromBytes(bytes, false);
      return !point.isSmallOrder();
    } catch {
      return false;
    }
  },
  verify(publicKey, message, signature) {
    if (publicKey.length !== 32 || signature.length !== SIGNATURE_BYTES) return false;
    return sodium.crypto_sign_verify_detached(signature, message, publicKey);
  },
};

/** ECDSA over SHA-256 (FIPS 186-5); r and s of 32 bytes each, s at most half of the order. */
export const p256: SignatureScheme = {
  publicKeyBytes: 33,
  isPublicKey(bytes) {
    if (bytes.length !== 33) return false;
    try {
      nobleP256.Point.fromBytes(bytes);
      return true;
    } catch {
      return false;
    }
  },
  verify(publicKey, message, signature) {
    if (publicKey.length !== 33 || signature.length !== SIGNATURE_BYTES) return false;
    try {
      return nobleP256.verify(signature, message, publicKey, { lowS: true, prehash: true });
    } catch {
      return false;
    }
  },
};

const ORDER = nobleP256.Point.CURVE().n;

/**
 * The signature with s at most half of the order, as every signer of ours gives it: a TPM or a token
 * may answer with either of the two s that fit. `signature` is r and s, 32 bytes each.
 */
export function toLowS(signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, 'a P-256 signature has 64 bytes');
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`);
  if (s <= ORDER / 2n) return signature.slice();
  const low = (ORDER - s).toString(16).padStart(64, '0');
  const result = signature.slice();
  result.set(Buffer.from(low, 'hex'), 32);
  return result;
}

/** 33 bytes from the 65 of an uncompressed P-256 point (SEC 1, 2.3.3); null if it is no such point. */
export function compressP256(uncompressed: Uint8Array): Uint8Array | null {
  if (uncompressed.length !== 65) return null;
  try {
    return nobleP256.Point.fromBytes(uncompressed).toBytes(true);
  } catch {
    return null;
  }
}

/** The public key of a 32-byte seed (RFC 8032, 5.1.5). */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  const { publicKey, secretKey } = expandSeed(seed);
  sodium.sodium_memzero(secretKey);
  return publicKey;
}

/** 64 bytes. Borrows the seed. */
export function signEd25519(seed: Uint8Array, message: Uint8Array): Uint8Array {
  const { secretKey } = expandSeed(seed);
  try {
    const signature = new Uint8Array(SIGNATURE_BYTES);
    sodium.crypto_sign_detached(signature, message, secretKey);
    return signature;
  } finally {
    sodium.sodium_memzero(secretKey);
  }
}

/**
 * Where expanded keys stand for the length of a call. One for all: guarded memory of its own for each
 * signature is freed only by the garbage collector, and the system runs out of it first.
 */
const expandedKey = sodium.sodium_malloc(64);

function expandSeed(seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } {
  assert(seed.length === 32, 'an Ed25519 seed has 32 bytes');
  const publicKey = new Uint8Array(32);
  const secretKey = expandedKey;
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  return { publicKey, secretKey };
}
