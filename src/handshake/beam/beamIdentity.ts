// How a handshake shows and checks who is there (SPEC.md 11.11). What a credential is and how it is
// verified is handed in.
import { concat, equalConstantTime } from '../../base/bytes.js';
import type { WallTime } from '../../base/time.js';
import { sha256 } from '../../crypto/hash.js';
import { decodeIdentityPayload } from '../../wire/identityPayload.js';

/** A peer whose credential and signature were found right for this handshake. */
export interface VerifiedPeer {
  readonly did: string;
  /** X25519, 32 bytes; equal to the Noise static key. */
  readonly tunnelKey: Uint8Array;
  readonly epoch: bigint;
  /** The credential's end. */
  readonly notAfter: WallTime;
}

/** What a verifier is shown. All of it comes from the peer but `message`. */
export interface ShownIdentity {
  readonly credential: Uint8Array;
  readonly signature: Uint8Array;
  /** What the signature has to be of, for the purpose `handshake`. */
  readonly message: Uint8Array;
}

/** Checks credential, times and signature; null if anything is wrong. Never throws on what is shown. */
export type VerifyIdentity = (shown: ShownIdentity, now: WallTime) => VerifiedPeer | null;

const ROLE_BYTES = { initiator: 1, responder: 2 } as const;

/** The message that an identity signs once per handshake: 65 bytes. */
export function identityMessage(
  role: 'initiator' | 'responder',
  handshakeHash: Uint8Array,
  credential: Uint8Array,
): Uint8Array {
  return concat(Uint8Array.of(ROLE_BYTES[role]), handshakeHash, sha256.hash(credential));
}

/** The peer behind an identity payload that was opened; null if it is not whom Noise talks to. */
export function verifyPayload(
  payload: Uint8Array,
  claim: {
    readonly role: 'initiator' | 'responder';
    readonly handshakeHash: Uint8Array;
    readonly tunnelKey: Uint8Array;
    readonly now: WallTime;
    readonly verify: VerifyIdentity;
  },
): VerifiedPeer | null {
  const shown = decodeIdentityPayload(payload);
  if (shown === null) return null;
  const message = identityMessage(claim.role, claim.handshakeHash, shown.credential);
  const peer = claim.verify({ ...shown, message }, claim.now);
  return peer !== null && equalConstantTime(peer.tunnelKey, claim.tunnelKey) ? peer : null;
}
