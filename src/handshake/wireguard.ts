// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard uses it (SPEC.md 3.1 to 3.3).
import type { Secret } from '../base/secret.js';
import type { Entropy } from '../ports/entropy.js';

/** This device's long-lived key pair. */
export interface StaticIdentity {
  /** 32 bytes, clamped. Owned by the identity. */
  readonly privateKey: Secret;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Zeroes the private key. */
  destroy(): void;
}

/** A peer's public key with what can be computed from it once. */
export interface RemoteIdentity {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes, or null for none (32 zero bytes are mixed). Borrowed; a change holds from the next response on. */
  presharedKey: Secret | null;
  /**
   * DH of both static keys, owned by this identity. Null where it can't be had: no local key, or
   * a low-order public key. No message is made for, or accepted from, such a peer.
   */
  readonly staticStatic: Secret | null;
  /** Zeroes the static-static secret; the pre-shared key belongs to its owner. */
  destroy(): void;
}

/** What the initiator keeps between its initiation and the response. */
export interface InitiatorState {
  readonly localIndex: number;
  /** Zeroes the secrets. Harmless when called again. */
  destroy(): void;
}

/** What the responder keeps between an accepted initiation and its response. */
export interface ResponderState {
  /** The initiator's index for the session. */
  readonly remoteIndex: number;
  destroy(): void;
}

/** The keys of a finished handshake. Whoever gets them zeroes them or hands them over. */
export interface TransportKeys {
  /** 32 bytes. */
  readonly sendKey: Uint8Array;
  /** 32 bytes. */
  readonly receiveKey: Uint8Array;
  /** u32: the peer's index for the session. */
  readonly remoteIndex: number;
}

/** Why an initiation was refused. `keyless`: the peer is known but its static-static is unusable. */
export type InitiationRefusal = 'malformed' | 'lowOrder' | 'forged' | 'unknownPeer' | 'keyless';

/** Takes 32 bytes, copies and clamps them. */
export function createStaticIdentity(privateKey: Uint8Array): StaticIdentity {
  throw new Error('not built yet');
}

export function createRemoteIdentity(
  local: StaticIdentity | null,
  publicKey: Uint8Array,
  presharedKey: Secret | null,
): RemoteIdentity {
  throw new Error('not built yet');
}

export interface InitiationRequest {
  readonly local: StaticIdentity;
  readonly remote: RemoteIdentity;
  /** u32 */
  readonly localIndex: number;
  /** 12 bytes, TAI64N (timestamp.ts). */
  readonly timestamp: Uint8Array;
  readonly entropy: Entropy;
}

/** 148 bytes, macs zero (CookieStamper fills them in); null if the remote key is unusable. SPEC.md 3.2. */
export function createInitiation(
  request: InitiationRequest,
): { readonly message: Uint8Array; readonly state: InitiatorState } | null {
  throw new Error('not built yet');
}

/** An authentic initiation. Whether its timestamp is new is the peer's to decide. */
export interface AcceptedInitiation {
  readonly remote: RemoteIdentity;
  /** 12 bytes, TAI64N. */
  readonly timestamp: Uint8Array;
  readonly state: ResponderState;
}

/** Reads an initiation whose mac1 the CookieChecker has accepted. SPEC.md 3.3. */
export function consumeInitiation(received: {
  readonly local: StaticIdentity;
  readonly message: Uint8Array;
  readonly lookup: (publicKey: Uint8Array) => RemoteIdentity | null;
}): AcceptedInitiation | { readonly refused: InitiationRefusal } {
  throw new Error('not built yet');
}

/**
 * 92 bytes, macs zero, and the responder's session keys; null if the initiator's ephemeral is of
 * low order. The state is destroyed either way. SPEC.md 3.3.
 */
export function createResponse(request: {
  readonly state: ResponderState;
  readonly remote: RemoteIdentity;
  readonly localIndex: number;
  readonly entropy: Entropy;
}): { readonly message: Uint8Array; readonly keys: TransportKeys } | null {
  throw new Error('not built yet');
}

/**
 * Reads a response whose mac1 is valid. Success destroys the state; a refused response (null)
 * leaves it usable, so that a forger can't end a handshake. SPEC.md 3.2.
 */
export function consumeResponse(received: {
  readonly local: StaticIdentity;
  readonly remote: RemoteIdentity;
  readonly state: InitiatorState;
  readonly message: Uint8Array;
}): TransportKeys | null {
  throw new Error('not built yet');
}
