// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard uses it (SPEC.md 3.1 to 3.3). Written out
// token by token on SymmetricState, because static-static is precomputed and the responder finds
// the peer in the middle of a message; a test holds it against the general engine.
import { assert } from '../base/assert.js';
import { Secret } from '../base/secret.js';
import { clampX25519, x25519 } from '../crypto/dh.js';
import { blake2s } from '../crypto/hash.js';
import type { Entropy } from '../ports/entropy.js';
import { KEY_BYTES, TIMESTAMP_BYTES } from '../wire/constants.js';
import {
  decodeInitiation,
  decodeResponse,
  encodeInitiation,
  encodeResponse,
} from '../wire/messages.js';
import { NOISE_CIPHERS } from './noise/protocol.js';
import { SymmetricState } from './noise/symmetricState.js';

const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
const IDENTIFIER = new TextEncoder().encode('WireGuard v1 zx2c4 Jason@zx2c4.com');

const NOTHING = new Uint8Array(0);
const NO_PSK = new Uint8Array(KEY_BYTES);

/** Where every handshake starts: construction and identifier are mixed in. SPEC.md 3.1. */
const START = SymmetricState.start(
  { hash: blake2s, cipher: NOISE_CIPHERS.ChaChaPoly },
  CONSTRUCTION,
);
START.mixHash(IDENTIFIER);

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
  /** 32 bytes, or null for 32 zero bytes. Borrowed; a change holds from the next handshake on. */
  presharedKey: Secret | null;
  /**
   * DH of both static keys, owned by this identity. Null where it can't be had: no local key, or
   * a public key of low order. No message is made for such a peer, and none of its accepted.
   */
  readonly staticStatic: Secret | null;
  /** Zeroes static-static; the pre-shared key belongs to its owner. */
  destroy(): void;
}

/** What the initiator keeps between its initiation and the response. */
export class InitiatorState {
  readonly localIndex: number;
  readonly symmetric: SymmetricState;
  readonly ephemeral: Secret;

  constructor(localIndex: number, symmetric: SymmetricState, ephemeral: Secret) {
    this.localIndex = localIndex;
    this.symmetric = symmetric;
    this.ephemeral = ephemeral;
  }

  /** Zeroes the secrets. Harmless when called again. */
  destroy(): void {
    this.symmetric.destroy();
    this.ephemeral.destroy();
  }
}

/** What the responder keeps between an accepted initiation and its response. */
export class ResponderState {
  /** The initiator's index for the session. */
  readonly remoteIndex: number;
  readonly symmetric: SymmetricState;
  /** The initiator's ephemeral public key, 32 bytes. */
  readonly remoteEphemeral: Uint8Array;

  constructor(remoteIndex: number, symmetric: SymmetricState, remoteEphemeral: Uint8Array) {
    this.remoteIndex = remoteIndex;
    this.symmetric = symmetric;
    this.remoteEphemeral = remoteEphemeral;
  }

  /** Zeroes the secrets. Harmless when called again. */
  destroy(): void {
    this.symmetric.destroy();
  }
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

/** Copies 32 bytes of private key and clamps the copy. */
export function createStaticIdentity(privateKey: Uint8Array): StaticIdentity {
  const secret = new Secret(clampX25519(privateKey.slice()));
  return {
    privateKey: secret,
    publicKey: x25519.publicKey(secret.expose()),
    destroy: () => secret.destroy(),
  };
}

/** `publicKey` is 32 bytes, and is copied. One X25519; without a local key the peer is unusable. */
export function createRemoteIdentity(
  local: StaticIdentity | null,
  publicKey: Uint8Array,
  presharedKey: Secret | null,
): RemoteIdentity {
  const shared = local && x25519.agree(local.privateKey.expose(), publicKey);
  const staticStatic = shared && new Secret(shared);
  return {
    publicKey: publicKey.slice(),
    presharedKey,
    staticStatic,
    destroy: () => staticStatic?.destroy(),
  };
}

export interface InitiationRequest {
  readonly local: StaticIdentity;
  readonly remote: RemoteIdentity;
  /** u32 */
  readonly localIndex: number;
  /** 12 bytes, TAI64N; newer than any that this peer has had from us (timestamp.ts). */
  readonly timestamp: Uint8Array;
  readonly entropy: Entropy;
}

/**
 * 148 bytes whose macs are zero (CookieStamper fills them in), and what is needed to read the
 * response; null if the peer is unusable. SPEC.md 3.2.
 */
export function createInitiation(
  request: InitiationRequest,
): { readonly message: Uint8Array; readonly state: InitiatorState } | null {
  const { local, remote, localIndex, timestamp, entropy } = request;
  assert(timestamp.length === TIMESTAMP_BYTES, 'a TAI64N timestamp has 12 bytes');
  if (remote.staticStatic === null) return null;
  const symmetric = startWith(remote.publicKey);
  const ephemeralPrivate = x25519.generate(entropy);
  const state = new InitiatorState(localIndex, symmetric, new Secret(ephemeralPrivate));

  // e
  const ephemeral = x25519.publicKey(ephemeralPrivate);
  mixEphemeral(symmetric, ephemeral);
  // es
  if (!mixDh(symmetric, ephemeralPrivate, remote.publicKey)) {
    state.destroy();
    return null;
  }
  // s
  const encryptedStatic = symmetric.encryptAndHash(local.publicKey);
  // ss
  symmetric.mixKey(remote.staticStatic.expose());
  // payload
  const encryptedTimestamp = symmetric.encryptAndHash(timestamp);

  const message = encodeInitiation({
    sender: localIndex,
    ephemeral,
    encryptedStatic,
    encryptedTimestamp,
  });
  return { message, state };
}

/**
 * Why an initiation was refused. `unusable`: the peer is known, but has no static-static secret.
 * For counters only: the sender is told nothing.
 */
export type InitiationRefusal = 'malformed' | 'lowOrder' | 'forged' | 'unknownPeer' | 'unusable';

/** An authentic initiation. Whether its timestamp is new is for the peer to decide. */
export interface AcceptedInitiation {
  readonly remote: RemoteIdentity;
  /** 12 bytes, TAI64N. */
  readonly timestamp: Uint8Array;
  readonly state: ResponderState;
}

/** Reads an initiation whose mac1 the CookieChecker has accepted. Never throws. SPEC.md 3.3. */
export function consumeInitiation(received: {
  readonly local: StaticIdentity;
  readonly message: Uint8Array;
  /** The peer with this static public key; null if there is none. */
  readonly lookup: (publicKey: Uint8Array) => RemoteIdentity | null;
}): AcceptedInitiation | { readonly refused: InitiationRefusal } {
  const initiation = decodeInitiation(received.message);
  if (initiation === null) return { refused: 'malformed' };
  const symmetric = startWith(received.local.publicKey);
  const refuse = (refused: InitiationRefusal): { refused: InitiationRefusal } => {
    symmetric.destroy();
    return { refused };
  };

  // e
  const ephemeral = initiation.ephemeral.slice();
  mixEphemeral(symmetric, ephemeral);
  // es
  if (!mixDh(symmetric, received.local.privateKey.expose(), ephemeral)) return refuse('lowOrder');
  // s
  const remoteStatic = symmetric.decryptAndHash(initiation.encryptedStatic);
  if (remoteStatic === null) return refuse('forged');
  const remote = received.lookup(remoteStatic);
  if (remote === null) return refuse('unknownPeer');
  if (remote.staticStatic === null) return refuse('unusable');
  // ss
  symmetric.mixKey(remote.staticStatic.expose());
  // payload
  const timestamp = symmetric.decryptAndHash(initiation.encryptedTimestamp);
  if (timestamp === null) return refuse('forged');

  const state = new ResponderState(initiation.sender, symmetric, ephemeral);
  return { remote, timestamp, state };
}

/**
 * 92 bytes whose macs are zero, and the responder's session keys; null if a public key of the
 * initiator is of low order. The state is destroyed either way. SPEC.md 3.3.
 */
export function createResponse(request: {
  readonly state: ResponderState;
  readonly remote: RemoteIdentity;
  /** u32 */
  readonly localIndex: number;
  readonly entropy: Entropy;
}): { readonly message: Uint8Array; readonly keys: TransportKeys } | null {
  const { state, remote, localIndex, entropy } = request;
  const { symmetric } = state;
  const ephemeralPrivate = x25519.generate(entropy);
  try {
    // e
    const ephemeral = x25519.publicKey(ephemeralPrivate);
    mixEphemeral(symmetric, ephemeral);
    // ee
    if (!mixDh(symmetric, ephemeralPrivate, state.remoteEphemeral)) return null;
    // se
    if (!mixDh(symmetric, ephemeralPrivate, remote.publicKey)) return null;
    // psk
    symmetric.mixKeyAndHash(remote.presharedKey?.expose() ?? NO_PSK);
    // payload
    const encryptedNothing = symmetric.encryptAndHash(NOTHING);

    const { initiatorKey, responderKey } = symmetric.split();
    const { remoteIndex } = state;
    return {
      message: encodeResponse({
        sender: localIndex,
        receiver: remoteIndex,
        ephemeral,
        encryptedNothing,
      }),
      keys: { sendKey: responderKey, receiveKey: initiatorKey, remoteIndex },
    };
  } finally {
    ephemeralPrivate.fill(0);
    state.destroy();
  }
}

/**
 * Reads a response. Success destroys the state; a refused response (null) leaves it usable, so
 * that a forger can't end a handshake. Never throws on the peer's bytes. SPEC.md 3.2.
 */
export function consumeResponse(received: {
  readonly local: StaticIdentity;
  readonly remote: RemoteIdentity;
  readonly state: InitiatorState;
  readonly message: Uint8Array;
}): TransportKeys | null {
  const { local, remote, state, message } = received;
  const response = decodeResponse(message);
  if (response === null || response.receiver !== state.localIndex) return null;
  const symmetric = state.symmetric.clone();
  try {
    // e
    mixEphemeral(symmetric, response.ephemeral);
    // ee
    if (!mixDh(symmetric, state.ephemeral.expose(), response.ephemeral)) return null;
    // se
    if (!mixDh(symmetric, local.privateKey.expose(), response.ephemeral)) return null;
    // psk
    symmetric.mixKeyAndHash(remote.presharedKey?.expose() ?? NO_PSK);
    // payload
    if (symmetric.decryptAndHash(response.encryptedNothing) === null) return null;

    const { initiatorKey, responderKey } = symmetric.split();
    state.destroy();
    return { sendKey: initiatorKey, receiveKey: responderKey, remoteIndex: response.sender };
  } finally {
    symmetric.destroy();
  }
}

/** The responder's static key is known before the first message. */
function startWith(responderStatic: Uint8Array): SymmetricState {
  const symmetric = START.clone();
  symmetric.mixHash(responderStatic);
  return symmetric;
}

/** With a psk in the pattern, e is mixed into the key too. Noise section 9.2. */
function mixEphemeral(symmetric: SymmetricState, ephemeral: Uint8Array): void {
  symmetric.mixHash(ephemeral);
  symmetric.mixKey(ephemeral);
}

function mixDh(symmetric: SymmetricState, privateKey: Uint8Array, publicKey: Uint8Array): boolean {
  const shared = x25519.agree(privateKey, publicKey);
  if (shared === null) return false;
  symmetric.mixKey(shared);
  shared.fill(0);
  return true;
}
