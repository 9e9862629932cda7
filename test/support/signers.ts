// Identities that sign statements in tests and simulations: real keys made from names.
import { p256 as nobleP256 } from '@noble/curves/nist.js';
import sodium from 'sodium-native';
import { sha256 } from '../../src/crypto/hash.js';
import { SIGNATURE_BYTES, toLowS } from '../../src/crypto/signature.js';
import { identityOf } from '../../src/identity/identity.js';
import type { SignatureAlgorithm } from '../../src/ports/keyManager.js';
import { wallTime, type WallTime } from '../../src/base/time.js';
import {
  signedStatement,
  statementToSign,
  type VerifiedStatement,
} from '../../src/trust/statement/signedStatement.js';
import type { Statement, TrustStatement } from '../../src/trust/statement/statement.js';

export interface Signer {
  readonly name: string;
  readonly did: string;
  sign(message: Uint8Array): Uint8Array;
}

export function signer(name: string, algorithm: SignatureAlgorithm = 'ed25519'): Signer {
  const seed = sha256.hash(Buffer.from(`beam test signer ${name}`));
  if (algorithm === 'ed25519') {
    // Keys in plain memory: src/crypto locks memory anew for each signature, and tens of thousands of
    // them in one turn of the event loop are more than the system has.
    const [publicKey, secretKey] = [new Uint8Array(32), Buffer.alloc(64)];
    sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
    const { did } = identityOf('ed25519', publicKey)!;
    const sign = (message: Uint8Array): Uint8Array => {
      const signature = new Uint8Array(SIGNATURE_BYTES);
      sodium.crypto_sign_detached(signature, message, secretKey);
      return signature;
    };
    return { name, did, sign };
  }
  const { did } = identityOf('p256', nobleP256.getPublicKey(seed, true))!;
  return { name, did, sign: (message) => toLowS(nobleP256.sign(message, seed, { prehash: true })) };
}

export const START_S = Date.UTC(2026, 10, 24) / 1000;
export const START: WallTime = wallTime(START_S * 1000);
const YEAR_S = 365 * 86_400;

export const sign = (by: Signer, statement: Statement): VerifiedStatement =>
  signedStatement(statement, by.sign(statementToSign(statement)));

export function trustStatement(
  by: Signer,
  subject: Signer,
  more: Partial<TrustStatement> = {},
): TrustStatement {
  return {
    v: 1,
    kind: 'trust',
    issuer: by.did,
    issued: START_S,
    expires: START_S + YEAR_S,
    subject: subject.did,
    context: 'net',
    level: 1,
    evidence: [],
    ...more,
  };
}

/** `by` trusts `subject`, signed. */
export const vouch = (
  by: Signer,
  subject: Signer,
  more: Partial<TrustStatement> = {},
): VerifiedStatement => sign(by, trustStatement(by, subject, more));

export const revocation = (by: Signer, subject: Signer): VerifiedStatement =>
  sign(by, {
    v: 1,
    kind: 'revocation',
    issuer: by.did,
    issued: START_S,
    subject: subject.did,
    reason: 'compromised',
  });

export interface SuccessionParts {
  readonly successor?: Signer;
  readonly guardians?: readonly Signer[];
  readonly needed?: number;
}

export const succession = (
  by: Signer,
  subject: Signer,
  parts: SuccessionParts,
): VerifiedStatement =>
  sign(by, {
    v: 1,
    kind: 'succession',
    issuer: by.did,
    issued: START_S,
    subject: subject.did,
    successor: parts.successor?.did ?? null,
    guardians: (parts.guardians ?? []).map(({ did }) => did),
    needed: parts.needed ?? 0,
  });

export const report = (
  by: Signer,
  subject: Signer,
  counts: { readonly positive: number; readonly negative: number },
): VerifiedStatement =>
  sign(by, {
    v: 1,
    kind: 'reputation',
    issuer: by.did,
    issued: START_S,
    expires: START_S + YEAR_S,
    subject: subject.did,
    ...counts,
  });
