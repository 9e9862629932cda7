// A succession statement: one identity names the one that comes after it, and that one agrees.
// SPEC.md 10.15.
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat } from '../base/bytes.js';
import { assert } from '../base/assert.js';
import { wallTime, type WallTime } from '../base/time.js';
import { SIGNATURE_BYTES } from '../crypto/signature.js';
import { identityOf, SCHEMES, type Identity } from './identity.js';
import { signatureInput, verifySigned } from './identitySignature.js';

export interface Succession {
  readonly from: Identity;
  readonly to: Identity;
  /** When it was prepared; whole seconds, in milliseconds. */
  readonly preparedAt: WallTime;
}

declare const verifiedBrand: unique symbol;

/** Signed by both identities. */
export interface VerifiedSuccession extends Succession {
  readonly [verifiedBrand]: true;
}

const VERSION = 1;
const SECONDS_MAX = 253_402_300_799n;

function encodeSigned({ from, to, preparedAt }: Succession): Uint8Array {
  assert(Number.isInteger(preparedAt / 1000) && preparedAt >= 0, 'whole seconds');
  return concat(
    Uint8Array.of(VERSION),
    identityBytes(from),
    identityBytes(to),
    unsigned(preparedAt / 1000, 8),
  );
}

const identityBytes = ({ algorithm, publicKey }: Identity): Uint8Array =>
  concat(Uint8Array.of(algorithm === 'ed25519' ? 1 : 2), publicKey);

/** What both identities sign. */
export const successionSignatureInput = (succession: Succession): Uint8Array =>
  signatureInput('succession', encodeSigned(succession));

export function encodeSuccession(
  succession: Succession,
  signatures: { readonly from: Uint8Array; readonly to: Uint8Array },
): Uint8Array {
  const { from, to } = signatures;
  assert(from.length === SIGNATURE_BYTES && to.length === SIGNATURE_BYTES, 'two signatures');
  return concat(encodeSigned(succession), from, to);
}

/** Null for anything but a statement that both identities signed. Never throws. */
export function verifySuccession(bytes: Uint8Array): VerifiedSuccession | null {
  const reader = new ByteReader(bytes);
  const version = reader.number(1);
  const [from, to] = [readIdentity(reader), readIdentity(reader)];
  const seconds = reader.u64();
  const message = bytes.slice(0, reader.offset);
  const [fromSignature, toSignature] = [reader.take(SIGNATURE_BYTES), reader.take(SIGNATURE_BYTES)];
  if (version !== VERSION || from === null || to === null || !reader.atEnd) return null;
  if (seconds === null || seconds > SECONDS_MAX || from.did === to.did) return null;
  const verified =
    verifySigned({ identity: from, purpose: 'succession', message }, fromSignature!) !== null &&
    verifySigned({ identity: to, purpose: 'succession', message }, toSignature!) !== null;
  if (!verified) return null;
  return { from, to, preparedAt: wallTime(Number(seconds) * 1000) } as VerifiedSuccession;
}

function readIdentity(reader: ByteReader): Identity | null {
  const algorithm = ({ 1: 'ed25519', 2: 'p256' } as const)[reader.number(1) ?? 0];
  if (algorithm === undefined) return null;
  const key = reader.take(SCHEMES[algorithm].publicKeyBytes);
  return key === null ? null : identityOf(algorithm, key);
}
