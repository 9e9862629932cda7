// A tunnel key with its credential, on its way from draft to end. SPEC.md 10.41.
import { equalConstantTime } from '../base/bytes.js';
import { Secret } from '../base/secret.js';
import type { Instant, Moment, WallTime } from '../base/time.js';
import { wallTime } from '../base/time.js';
import { x25519 } from '../crypto/dh.js';
import type { CredentialFields } from '../identity/credential.js';
import {
  CREDENTIAL_LIFETIME_MAX_MS,
  encodeCredential,
  verifyCredential,
} from '../identity/credential.js';
import type { Identity } from '../identity/identity.js';
import type { Entropy } from '../ports/entropy.js';
import type { Dating } from './reckoning.js';

export interface TunnelKey {
  readonly epoch: bigint;
  /** X25519, 32 bytes. */
  readonly privateKey: Secret;
  readonly credential: Uint8Array;
  /** Boot time, and the wall time that the credential was dated by. */
  readonly madeAt: Moment;
}

/** A key in use. */
export interface ActiveKey extends TunnelKey {
  readonly activatedWall: WallTime;
  /** When the next key takes over. */
  readonly dueAt: Instant;
  /** It isn't used from then on. */
  readonly endsAt: Instant;
  /** A handshake completed with it. */
  readonly confirmed: boolean;
}

/** A key that waits for the identity's signature. */
export interface Draft {
  readonly fields: CredentialFields;
  readonly privateKey: Secret;
  readonly madeAt: Moment;
}

export interface DraftParts {
  readonly identity: Identity;
  readonly epoch: bigint;
  readonly dating: Dating;
  readonly boot: Instant;
  readonly entropy: Entropy;
}

export function draftKey({ identity, epoch, dating, boot, entropy }: DraftParts): Draft {
  const privateKey = new Secret(x25519.generate(entropy));
  const { notBefore, wall } = dating;
  const notAfter = wallTime(notBefore + CREDENTIAL_LIFETIME_MAX_MS);
  const tunnelKey = x25519.publicKey(privateKey.expose());
  const fields = { identity, tunnelKey, epoch, notBefore, notAfter };
  return { fields, privateKey, madeAt: { boot, wall } };
}

/** Null if the signature isn't the identity's. Takes the draft's secret over if it is. */
export function signedKey(draft: Draft, signature: Uint8Array): TunnelKey | null {
  const { fields, privateKey, madeAt } = draft;
  if (signature.length !== 64) return null;
  const credential = encodeCredential(fields, signature);
  const verdict = verifyCredential(credential, fields.notBefore);
  return verdict.kind === 'verified'
    ? { epoch: fields.epoch, privateKey, credential, madeAt }
    : null;
}

/** True if the credential is this identity's for this key: a store may outlive an identity. */
export function belongsTo(key: TunnelKey, identity: Identity): boolean {
  const verdict = verifyCredential(key.credential, key.madeAt.wall);
  if (verdict.kind === 'refused') return false;
  const { credential } = verdict;
  return (
    credential.identity.did === identity.did &&
    credential.epoch === key.epoch &&
    equalConstantTime(credential.tunnelKey, x25519.publicKey(key.privateKey.expose()))
  );
}
