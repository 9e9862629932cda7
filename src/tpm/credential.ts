// MakeCredential: a secret that only the TPM with this endorsement key reads, and only if it also
// holds this attestation key. The verifier's side, without a TPM. TPM 2.0 Library, Part 1, 24 and
// annex C.6.1; SPEC.md 10.26.
import { createCipheriv } from 'node:crypto';
import { concat } from '../base/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { agreeOnceP256, p256PrivateKey } from '../crypto/p256.js';
import type { Entropy } from '../ports/entropy.js';
import { OBJECT } from './constants.js';
import { sized, u32 } from './encoding.js';
import { COORDINATE_BYTES, decodePublic, uncompressed } from './publicArea.js';

export interface Credential {
  /** TPM2B_ID_OBJECT's content. */
  readonly object: Uint8Array;
  /** TPM2B_ENCRYPTED_SECRET's content. */
  readonly seed: Uint8Array;
}

export const MAX_CREDENTIAL_BYTES = 32;
const KEY_BITS = 128;
const PRIVATE_KEY_RANDOM_BYTES = 48;
const NOTHING = new Uint8Array(0);

/**
 * `endorsementKey` is TPMT_PUBLIC of a P-256 endorsement key that the verifier trusts (by its
 * certificate), `attestationKeyName` 34 bytes, `secret` 1 to 32 bytes. Null if the key is no such key.
 */
export function makeCredential(
  given: {
    readonly endorsementKey: Uint8Array;
    readonly attestationKeyName: Uint8Array;
    readonly secret: Uint8Array;
  },
  entropy: Entropy,
): Credential | null {
  const key = decodePublic(given.endorsementKey);
  if (key?.kind !== 'ecc' || !isStorage(key.attributes) || key.symmetric === 'none') return null;
  if (given.secret.length === 0 || given.secret.length > MAX_CREDENTIAL_BYTES) return null;
  const once = p256PrivateKey(entropy(PRIVATE_KEY_RANDOM_BYTES));
  const agreed = agreeOnceP256(once, uncompressed(key.point));
  once.fill(0);
  if (agreed === null) return null;
  const ours = agreed.publicKey.subarray(1);
  const seed = kdfe(agreed.sharedX, 'IDENTITY', {
    ours: ours.subarray(0, COORDINATE_BYTES),
    theirs: key.point.x,
  });
  const object = seal(seed, given.attestationKeyName, given.secret);
  seed.fill(0);
  agreed.sharedX.fill(0);
  const point = concat(
    sized(ours.subarray(0, COORDINATE_BYTES)),
    sized(ours.subarray(COORDINATE_BYTES)),
  );
  return { object, seed: point };
}

const STORAGE = OBJECT.restricted | OBJECT.decrypt;
const isStorage = (attributes: number): boolean => (attributes & STORAGE) === STORAGE;

function seal(seed: Uint8Array, name: Uint8Array, secret: Uint8Array): Uint8Array {
  const cipherKey = kdfa(seed, 'STORAGE', { context: name, bits: KEY_BITS });
  const macKey = kdfa(seed, 'INTEGRITY', { context: NOTHING, bits: 256 });
  const cipher = createCipheriv('aes-128-cfb', cipherKey, new Uint8Array(16));
  const encrypted = concat(cipher.update(sized(secret)), cipher.final());
  const mac = sha256.hmac(macKey, encrypted, name);
  cipherKey.fill(0);
  macKey.fill(0);
  return concat(sized(mac), encrypted);
}

const label = (text: string): Uint8Array =>
  concat(new TextEncoder().encode(text), Uint8Array.of(0));

/** Part 1, 11.4.10.2, for at most one block: the counter mode of NIST SP 800-108 over HMAC-SHA-256. */
export function kdfa(
  key: Uint8Array,
  use: string,
  { context, bits }: { readonly context: Uint8Array; readonly bits: number },
): Uint8Array {
  return sha256.hmac(key, u32(1), label(use), context, u32(bits)).slice(0, bits / 8);
}

/** Part 1, 11.4.10.3, for one block: NIST SP 800-56A's concatenation KDF with SHA-256. */
export function kdfe(
  sharedX: Uint8Array,
  use: string,
  { ours, theirs }: { readonly ours: Uint8Array; readonly theirs: Uint8Array },
): Uint8Array {
  return sha256.hash(u32(1), sharedX, label(use), ours, theirs);
}
