// A statement with its signature: made, and read back with proof that the issuer signed it. SPEC.md 12.7.
import { assert } from '../../base/assert.js';
import { toHex } from '../../base/bytes.js';
import { wallTime, type WallTime } from '../../base/time.js';
import { sha256 } from '../../crypto/hash.js';
import { SIGNATURE_BYTES } from '../../crypto/signature.js';
import { parseDid } from '../../identity/identity.js';
import { signatureInput, verifySigned } from '../../identity/identitySignature.js';
import { canonicalJson, parseCanonicalJson, type Json } from './canonicalJson.js';
import { readStatement, statementBytes, type Statement } from './statement.js';

/** Of the signed text, in bytes; room for a post-quantum signature. */
export const STATEMENT_BYTES_MAX = 8192;
/** How far an issuer's clock may be ahead of ours. */
export const CLOCK_SKEW_MS = 300_000;

/** Lower-case hexadecimal, 64 characters. */
export type StatementId = string;

declare const verifiedBrand: unique symbol;

/** Its issuer signed it. Whether it has expired is asked when it is used. */
export interface VerifiedStatement {
  readonly [verifiedBrand]: true;
  readonly id: StatementId;
  readonly statement: Statement;
  /** The signed text, as it travels and lies in the file. */
  readonly text: string;
}

export type StatementRefusal =
  'tooLong' | 'notCanonical' | 'malformed' | 'fromTheFuture' | 'expired' | 'badSignature';

export type StatementVerdict =
  | { readonly kind: 'verified'; readonly statement: VerifiedStatement }
  | { readonly kind: 'refused'; readonly reason: StatementRefusal };

const refused = (reason: StatementRefusal): StatementVerdict => ({ kind: 'refused', reason });

/** The bytes that the issuer's key manager is given to sign. */
export const statementToSign = (statement: Statement): Uint8Array =>
  signatureInput('statement', statementBytes(statement));

/** Puts the issuer's signature of 64 bytes beside the statement. A wrong one is a bug of the caller. */
export function signedStatement(statement: Statement, signature: Uint8Array): VerifiedStatement {
  const read = readStatement(statement as unknown as Json);
  assert(read !== null, 'a statement that is signed has exactly the fields of its kind');
  const verified = verify(read, signature);
  assert(verified !== null, 'the signature is the issuer’s, in its canonical form');
  return verified;
}

/** Never throws, whatever the text is. */
export function verifyStatement(text: string, now: WallTime): StatementVerdict {
  // Time first: of what has expired no signature is computed.
  const read = readSigned(text);
  if (read.kind === 'refused') return read;
  const { issued } = read.statement;
  if (issued * 1000 > now + CLOCK_SKEW_MS) return refused('fromTheFuture');
  if (expiryOf(read.statement) <= now) return refused('expired');
  return checked(read);
}

/** As verifyStatement, whatever the time is: for what is kept already. Never throws. */
export function verifyKeptStatement(text: string): StatementVerdict {
  const read = readSigned(text);
  return read.kind === 'refused' ? read : checked(read);
}

interface SignedParts {
  readonly kind: 'read';
  readonly statement: Statement;
  readonly signature: Uint8Array;
}

function readSigned(
  text: string,
): SignedParts | { readonly kind: 'refused'; readonly reason: StatementRefusal } {
  if (Buffer.byteLength(text) > STATEMENT_BYTES_MAX) return { kind: 'refused', reason: 'tooLong' };
  const value = parseCanonicalJson(text);
  if (value === null) return { kind: 'refused', reason: 'notCanonical' };
  const parts = splitSigned(value);
  const statement = parts === null ? null : readStatement(parts.statement);
  if (parts === null || statement === null) return { kind: 'refused', reason: 'malformed' };
  return { kind: 'read', statement, signature: parts.signature };
}

function checked({ statement, signature }: SignedParts): StatementVerdict {
  const verified = verify(statement, signature);
  return verified === null ? refused('badSignature') : { kind: 'verified', statement: verified };
}

/** Infinity for what doesn't expire. */
export const expiryOf = (statement: Statement): WallTime =>
  wallTime('expires' in statement ? statement.expires * 1000 : Infinity);

function splitSigned(value: Json): { statement: Json; signature: Uint8Array } | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { statement, signature, ...others } = value as Record<string, Json>;
  if (statement === undefined || Object.keys(others).length > 0) return null;
  const bytes = typeof signature === 'string' ? signatureBytes(signature) : null;
  return bytes === null ? null : { statement, signature: bytes };
}

/** 86 characters of base64url; the last one has four bits that must be zero. */
function signatureBytes(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{85}[AQgw]$/.test(text)) return null;
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return bytes.length === SIGNATURE_BYTES ? bytes : null;
}

function verify(statement: Statement, signature: Uint8Array): VerifiedStatement | null {
  const identity = parseDid(statement.issuer);
  if (identity === null) return null;
  const message = statementBytes(statement);
  if (verifySigned({ identity, purpose: 'statement', message }, signature) === null) return null;
  const text = canonicalJson({
    signature: Buffer.from(signature).toString('base64url'),
    statement: statement as unknown as Json,
  });
  return { id: toHex(sha256.hash(message)), statement, text } as VerifiedStatement;
}
