// An identity's public key, and its names: did:key for programs, a fingerprint for people who
// compare. SPEC.md 10.3.
import { fromBase58, toBase58 } from '../base/base58.js';
import { concat } from '../base/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { ed25519, p256, type SignatureScheme } from '../crypto/signature.js';
import type { SignatureAlgorithm } from '../ports/keyManager.js';

declare const identityBrand: unique symbol;

/** A public key that was checked: canonical, on its curve, not of small order. */
export interface Identity {
  readonly [identityBrand]: true;
  readonly algorithm: SignatureAlgorithm;
  /** Ed25519: 32 bytes. P-256: 33 bytes, compressed. */
  readonly publicKey: Uint8Array;
  readonly did: string;
}

export const SCHEMES: Readonly<Record<SignatureAlgorithm, SignatureScheme>> = { ed25519, p256 };

/** The unsigned varints of multicodec 0xed (ed25519-pub) and 0x1200 (p256-pub). */
const MULTICODECS: readonly { algorithm: SignatureAlgorithm; prefix: Uint8Array }[] = [
  { algorithm: 'ed25519', prefix: Uint8Array.of(0xed, 0x01) },
  { algorithm: 'p256', prefix: Uint8Array.of(0x80, 0x24) },
];

/** Every did:key of the two kinds has 56 or 57 characters; nothing longer is looked at. */
const DID_LENGTH_MAX = 57;

/** Null if the bytes can't be a key of that kind. Keeps a copy of them. */
export function identityOf(algorithm: SignatureAlgorithm, publicKey: Uint8Array): Identity | null {
  if (!SCHEMES[algorithm].isPublicKey(publicKey)) return null;
  const key = Uint8Array.from(publicKey);
  const { prefix } = MULTICODECS.find((codec) => codec.algorithm === algorithm)!;
  return {
    algorithm,
    publicKey: key,
    did: `did:key:z${toBase58(concat(prefix, key))}`,
  } as Identity;
}

/** Null for every text that is not the one did:key of an Ed25519 or P-256 key. */
export function parseDid(text: string): Identity | null {
  if (text.length > DID_LENGTH_MAX || !text.startsWith('did:key:z')) return null;
  const bytes = fromBase58(text.slice('did:key:z'.length));
  if (bytes === null) return null;
  const codec = MULTICODECS.find(({ prefix }) => prefix.every((byte, i) => bytes[i] === byte));
  if (codec === undefined) return null;
  return identityOf(codec.algorithm, bytes.subarray(codec.prefix.length));
}

/** Crockford's letters in lower case: no i, l, o, u. */
const FINGERPRINT_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const FINGERPRINT_CHARACTERS = 20;

/** 100 bits of SHA-256, as five groups of four characters. */
export function fingerprint({ did }: Identity): string {
  const digest = sha256.hash(Buffer.from(`Beam fingerprint 1\0${did}`));
  let bits = 0n;
  for (const byte of digest.subarray(0, 13)) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < FINGERPRINT_CHARACTERS; i++) {
    const shift = BigInt(13 * 8 - 5 * (i + 1));
    text += FINGERPRINT_ALPHABET[Number((bits >> shift) & 31n)]!;
    if (i % 4 === 3 && i < FINGERPRINT_CHARACTERS - 1) text += '-';
  }
  return text;
}

/** True if a person typed this identity's fingerprint: case, spaces and dashes mean nothing. */
export const matchesFingerprint = (identity: Identity, typed: string): boolean =>
  typed.toLowerCase().replaceAll(/[\s-]/g, '').replaceAll('o', '0').replaceAll(/[il]/g, '1') ===
  fingerprint(identity).replaceAll('-', '');
