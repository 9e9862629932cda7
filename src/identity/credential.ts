// A tunnel key's credential: the identity says that this X25519 key is its own, from when to when.
// SPEC.md 10.5.
import { concat, isZero } from '../base/bytes.js';
import { assert } from '../base/assert.js';
import { wallTime, type WallTime } from '../base/time.js';
import { SIGNATURE_BYTES } from '../crypto/signature.js';
import type { SignatureAlgorithm } from '../ports/keyManager.js';
import { identityOf, SCHEMES, type Identity } from './identity.js';
import { signatureInput, verifySigned } from './identitySignature.js';

export interface CredentialFields {
  readonly identity: Identity;
  /** X25519, 32 bytes. */
  readonly tunnelKey: Uint8Array;
  /** Grows by at least one with every tunnel key of this tunnel; below 2^64. */
  readonly epoch: bigint;
  /** Whole seconds, in milliseconds. */
  readonly notBefore: WallTime;
  readonly notAfter: WallTime;
}

declare const verifiedBrand: unique symbol;

/** A credential whose signature is the identity's and whose time it is. */
export interface VerifiedCredential extends CredentialFields {
  readonly [verifiedBrand]: true;
}

export type CredentialRefusal =
  | 'malformed'
  | 'unknownVersion'
  | 'badKey'
  | 'unknownSecond'
  | 'lifetime'
  | 'notYet'
  | 'expired'
  | 'badSignature';

export type CredentialVerdict =
  | { readonly kind: 'verified'; readonly credential: VerifiedCredential }
  | { readonly kind: 'refused'; readonly reason: CredentialRefusal };

const VERSION = 1;
/** Signed and unsigned part together; room for an ML-DSA-87 key and signature. */
export const CREDENTIAL_BYTES_MAX = 8192;
/** From not-before to not-after: 24 h, the overlap, and weeks of sleep are within it. */
export const CREDENTIAL_LIFETIME_MAX_MS = 31 * 24 * 3600 * 1000;
/** How far the issuer's clock may be ahead of ours. */
export const CLOCK_SKEW_MS = 300_000;

const ALGORITHM_BYTES: Readonly<Record<SignatureAlgorithm, number>> = { ed25519: 1, p256: 2 };
const NO_SECOND = new Uint8Array(4);
const NO_SECOND_SIGNATURE = new Uint8Array(2);

/** The part that is signed: 94 bytes, 95 for P-256. */
function encodeSigned(fields: CredentialFields): Uint8Array {
  const { identity, tunnelKey, epoch, notBefore, notAfter } = fields;
  assert(tunnelKey.length === 32, 'a tunnel key has 32 bytes');
  assert(epoch >= 0n && epoch < 1n << 64n, 'an epoch has 64 bits');
  const numbers = new DataView(new ArrayBuffer(24));
  numbers.setBigUint64(0, epoch);
  numbers.setBigUint64(8, seconds(notBefore));
  numbers.setBigUint64(16, seconds(notAfter));
  return concat(
    Uint8Array.of(VERSION, ALGORITHM_BYTES[identity.algorithm]),
    identity.publicKey,
    tunnelKey,
    new Uint8Array(numbers.buffer),
    NO_SECOND,
  );
}

function seconds(time: WallTime): bigint {
  assert(Number.isInteger(time / 1000) && time >= 0, 'a credential counts whole seconds');
  return BigInt(time / 1000);
}

/** What the identity's key manager is given to sign. */
export const credentialSignatureInput = (fields: CredentialFields): Uint8Array =>
  signatureInput('credential', encodeSigned(fields));

/** 160 bytes, 161 for P-256. `signature` is 64 bytes, over `credentialSignatureInput`. */
export function encodeCredential(fields: CredentialFields, signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, 'a signature has 64 bytes');
  return concat(encodeSigned(fields), signature, NO_SECOND_SIGNATURE);
}

/** Never throws, whatever the bytes are. */
export function verifyCredential(bytes: Uint8Array, now: WallTime): CredentialVerdict {
  const decoded = decode(bytes.length > CREDENTIAL_BYTES_MAX ? bytes : Uint8Array.from(bytes));
  if (typeof decoded === 'string') return { kind: 'refused', reason: decoded };
  const { fields, signed, signature } = decoded;
  const time = checkTime(fields, now);
  if (time !== null) return { kind: 'refused', reason: time };
  const { identity } = fields;
  const proof = verifySigned({ identity, purpose: 'credential', message: signed }, signature);
  if (proof === null) return { kind: 'refused', reason: 'badSignature' };
  return { kind: 'verified', credential: fields as VerifiedCredential };
}

function checkTime(fields: CredentialFields, now: WallTime): CredentialRefusal | null {
  const lifetimeMs = fields.notAfter - fields.notBefore;
  if (lifetimeMs <= 0 || lifetimeMs > CREDENTIAL_LIFETIME_MAX_MS) return 'lifetime';
  if (now < fields.notBefore - CLOCK_SKEW_MS) return 'notYet';
  return now >= fields.notAfter ? 'expired' : null;
}

interface Decoded {
  readonly fields: CredentialFields;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

function decode(bytes: Uint8Array): Decoded | CredentialRefusal {
  if (bytes.length < 2 || bytes.length > CREDENTIAL_BYTES_MAX) return 'malformed';
  if (bytes[0] !== VERSION) return 'unknownVersion';
  const algorithm = bytes[1] === 1 ? 'ed25519' : bytes[1] === 2 ? 'p256' : null;
  if (algorithm === null) return 'unknownVersion';
  const keyEnd = 2 + SCHEMES[algorithm].publicKeyBytes;
  const secondAt = keyEnd + 32 + 24;
  if (bytes.length < secondAt + NO_SECOND.length) return 'malformed';
  const signedEnd = secondAt + NO_SECOND.length;
  if (!isZero(bytes.subarray(secondAt, signedEnd))) return 'unknownSecond';
  if (bytes.length !== signedEnd + SIGNATURE_BYTES + NO_SECOND_SIGNATURE.length) return 'malformed';
  if (!isZero(bytes.subarray(signedEnd + SIGNATURE_BYTES))) return 'malformed';
  const identity = identityOf(algorithm, bytes.subarray(2, keyEnd));
  const tunnelKey = bytes.slice(keyEnd, keyEnd + 32);
  if (identity === null || isZero(tunnelKey)) return 'badKey';
  const numbers = new DataView(bytes.buffer, bytes.byteOffset + keyEnd + 32, 24);
  const [notBefore, notAfter] = [numbers.getBigUint64(8), numbers.getBigUint64(16)];
  if (notBefore > SECONDS_MAX || notAfter > SECONDS_MAX) return 'lifetime';
  return {
    fields: {
      identity,
      tunnelKey,
      epoch: numbers.getBigUint64(0),
      notBefore: wallTime(Number(notBefore) * 1000),
      notAfter: wallTime(Number(notAfter) * 1000),
    },
    signed: bytes.slice(0, signedEnd),
    signature: bytes.slice(signedEnd, signedEnd + SIGNATURE_BYTES),
  };
}

/** The year 9999: above it milliseconds would lose exactness sooner or later. */
const SECONDS_MAX = 253_402_300_799n;
