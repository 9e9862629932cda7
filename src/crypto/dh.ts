// Diffie-Hellman over Curve25519 and Curve448 (RFC 7748). sodium-native computes the first,
// @noble/curves the second; tests hold the first against @noble/curves.
import { x448 as nobleX448 } from '@noble/curves/ed448.js';
import sodium from 'sodium-native';
import { assert } from '../base/assert.js';
import type { Entropy } from '../ports/entropy.js';

export interface DhFunction {
  /** As Noise spells it in protocol names. */
  readonly name: '25519' | '448';
  /** Size of private keys, public keys and results. */
  readonly keyBytes: number;
  /** A new private key, clamped. */
  generate(entropy: Entropy): Uint8Array;
  publicKey(privateKey: Uint8Array): Uint8Array;
  /** The shared secret; null if it is all zero, which a public key of low order brings about. */
  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null;
}

export const x25519: DhFunction = {
  name: '25519',
  keyBytes: 32,
  generate: (entropy) => clampX25519(entropy(32)),
  publicKey(privateKey) {
    const result = new Uint8Array(32);
    sodium.crypto_scalarmult_base(result, privateKey);
    return result;
  },
  agree(privateKey, publicKey) {
    assert(privateKey.length === 32 && publicKey.length === 32, 'X25519 keys have 32 bytes');
    const result = new Uint8Array(32);
    try {
      sodium.crypto_scalarmult(result, privateKey, publicKey);
      return result;
    } catch {
      return null; // The sizes are right, so the result was zero.
    }
  },
};

/** Not on the path of any WireGuard handshake, and slow: some milliseconds a call. */
export const x448: DhFunction = {
  name: '448',
  keyBytes: 56,
  generate(entropy) {
    const privateKey = entropy(56);
    privateKey[0]! &= 0xfc;
    privateKey[55]! |= 0x80;
    return privateKey;
  },
  publicKey: (privateKey) => nobleX448.getPublicKey(privateKey),
  agree(privateKey, publicKey) {
    assert(privateKey.length === 56 && publicKey.length === 56, 'X448 keys have 56 bytes');
    try {
      return nobleX448.getSharedSecret(privateKey, publicKey);
    } catch {
      return null;
    }
  },
};

/** Clamps a private key in place (RFC 7748 section 5), and returns it. */
export function clampX25519(privateKey: Uint8Array): Uint8Array {
  assert(privateKey.length === 32, 'X25519 keys have 32 bytes');
  privateKey[0]! &= 0xf8;
  privateKey[31] = (privateKey[31]! & 0x7f) | 0x40;
  return privateKey;
}
