// X-Wing: ML-KEM-768 and X25519 in one key encapsulation (draft-connolly-cfrg-xwing-kem), to which
// backups are sealed. SPEC.md 10.15.
import { ml_kem768_x25519 } from '@noble/post-quantum/hybrid.js';
import { assert } from '../base/assert.js';
import type { Secret } from '../base/secret.js';
import type { Entropy } from '../ports/entropy.js';
import { moveToLocked } from './lockedMemory.js';

export const XWING_SEED_BYTES = 32;
export const XWING_PUBLIC_KEY_BYTES = 1216;
export const XWING_CIPHERTEXT_BYTES = 1120;
const ENCAPSULATION_SEED_BYTES = 64;

/** Of a seed of 32 bytes, which is the whole private key. */
export function xwingPublicKey(seed: Secret): Uint8Array {
  const { publicKey, secretKey } = ml_kem768_x25519.keygen(new Uint8Array(seed.expose()));
  secretKey.fill(0);
  return publicKey;
}

/** Null if the public key fails the checks of FIPS 203 section 7.2. The caller owns the secret. */
export function xwingEncapsulate(
  publicKey: Uint8Array,
  entropy: Entropy,
): { readonly ciphertext: Uint8Array; readonly sharedSecret: Secret } | null {
  if (publicKey.length !== XWING_PUBLIC_KEY_BYTES) return null;
  const seed = entropy(ENCAPSULATION_SEED_BYTES);
  try {
    const { cipherText, sharedSecret } = ml_kem768_x25519.encapsulate(publicKey, seed);
    return { ciphertext: cipherText, sharedSecret: moveToLocked(sharedSecret) };
  } catch {
    return null;
  } finally {
    seed.fill(0);
  }
}

/**
 * Never fails for a ciphertext of the right size: another one gives another secret (implicit
 * rejection). The caller owns the secret.
 */
export function xwingDecapsulate(ciphertext: Uint8Array, seed: Secret): Secret {
  assert(ciphertext.length === XWING_CIPHERTEXT_BYTES, 'the size of a ciphertext');
  const copy = new Uint8Array(seed.expose());
  try {
    return moveToLocked(ml_kem768_x25519.decapsulate(ciphertext, copy));
  } finally {
    copy.fill(0);
  }
}
