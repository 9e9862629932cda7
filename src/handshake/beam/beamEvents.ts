// What goes into the Beam handshakes of a device and what comes out of them (SPEC.md 11.13).
import type { Secret } from '../../base/secret.js';
import type { Kem } from '../../crypto/kem.js';
import type { Suite } from '../../ports/dataPlane.js';
import type { Entropy } from '../../ports/entropy.js';
import type { Path } from '../../ports/udp.js';
import type { Instant } from '../../base/time.js';
import type { BeamProtocol, Offer } from '../../wire/beamMessages.js';
import type { KeyPair } from '../noise/handshakeState.js';
import type { VerifiedPeer, VerifyIdentity } from './beamIdentity.js';

/** Names a handshake under way: its local index. */
export type HandshakeId = number;

/** A pre-shared key and its name, 32 and 16 bytes. Borrowed. */
export interface Invite {
  readonly id: Uint8Array;
  readonly key: Secret;
}

export interface Call {
  readonly did: string;
  readonly path: Path;
  /** The one that the policy for this peer says. */
  readonly protocol: BeamProtocol;
  /** Exactly where the protocol has a psk. */
  readonly invite: Invite | null;
  /** The path is known to take a hello in one datagram. */
  readonly pathTakesWhole: boolean;
}

export type BeamEvent =
  /** Starts a handshake with a peer; nothing if one is under way. */
  | { readonly kind: 'call'; readonly call: Call }
  /** Forgets every handshake with the peer. */
  | { readonly kind: 'forget'; readonly did: string }
  /** A datagram of Beam's own types. `bytes` is ours to keep. */
  | { readonly kind: 'received'; readonly bytes: Uint8Array; readonly path: Path }
  | {
      readonly kind: 'signed';
      readonly handshake: HandshakeId;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: 'admissionDecided';
      readonly handshake: HandshakeId;
      readonly admitted: boolean;
    };

export type BeamEffect =
  | {
      readonly kind: 'sendTo';
      readonly path: Path;
      readonly bytes: Uint8Array;
      readonly isCookie: boolean;
    }
  /** The identity is to sign, purpose `handshake`; answered by `signed`. */
  | {
      readonly kind: 'signatureWanted';
      readonly handshake: HandshakeId;
      readonly message: Uint8Array;
    }
  /** The peer is who it says; answered by `admissionDecided`. */
  | {
      readonly kind: 'admissionWanted';
      readonly handshake: HandshakeId;
      readonly role: 'initiator' | 'responder';
      readonly peer: VerifiedPeer;
      readonly protocol: BeamProtocol;
      /** The invite that was used, 16 bytes. */
      readonly inviteId: Uint8Array | null;
    }
  /** Both were verified and admitted here: the session may be installed. Index and keys go with it. */
  | { readonly kind: 'established'; readonly session: BeamSession; readonly path: Path }
  /** A call came to nothing. */
  | { readonly kind: 'callEnded'; readonly did: string; readonly reason: CallEnd }
  /** A datagram led to nothing. */
  | { readonly kind: 'refused'; readonly reason: BeamRefusal; readonly path: Path };

export interface BeamSession {
  readonly peer: VerifiedPeer;
  readonly role: 'initiator' | 'responder';
  readonly protocol: BeamProtocol;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly suite: Suite;
  /** 32 bytes each; the receiver of the effect owns and zeroes them. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** 32 bytes, the same at both ends; not secret. */
  readonly handshakeHash: Uint8Array;
}

export type CallEnd =
  | 'timedOut'
  | 'notAdmitted'
  /** The peer's own call goes on instead. */
  | 'crossed'
  /** There is no tunnel key, or the credential doesn't fit. */
  | 'noCredential';

export type BeamRefusal =
  | 'malformed'
  | 'wrongMac1'
  | 'cookieRequired'
  | 'rateLimited'
  | 'tableFull'
  | 'wrongDigest'
  | 'unusableCookie'
  | 'unknownIndex'
  | 'noCredential'
  | 'noCommonSuite'
  | 'unknownInvite'
  | 'classicalNotAllowed'
  | 'badKey'
  | 'forged'
  | 'wrongChoice'
  | 'unverified'
  | 'wrongPeer'
  | 'ourselves'
  | 'crossed'
  | 'outOfPlace';

export interface TunnelCredential {
  /** Lent for the call. */
  readonly keyPair: KeyPair;
  readonly credential: Uint8Array;
}

export interface BeamOptions {
  readonly entropy: Entropy;
  /** 32 bytes. */
  readonly networkId: Uint8Array;
  /** Our own. */
  readonly did: string;
  readonly offer: Offer;
  /** What handshakes that begin now use; null for none. */
  readonly tunnelCredential: () => TunnelCredential | null;
  readonly verify: VerifyIdentity;
  /** The pre-shared key of an invite, lent; null for one that doesn't exist. */
  readonly inviteKey: (id: Uint8Array) => Secret | null;
  /** The policy for one peer or, asked with null, for any at all. */
  readonly allowsClassical: (did: string | null) => boolean;
  /** Indices that are unique on the device, also among sessions and WireGuard's handshakes. */
  readonly indices: { readonly allocate: () => number; readonly release: (index: number) => void };
  /** Counts a message with a valid mac1, then tells whether there is load (SPEC.md 5.4). */
  readonly load: { readonly messageReceived: (now: Instant) => boolean };
  /** Another ML-KEM-768 than this machine's fastest, for tests. */
  readonly kem?: Kem;
}
