// Keys from a finished handshake, and the welcome that one of them seals (SPEC.md 11.6, 11.12).
import { concat } from '../../base/bytes.js';
import { TAG_BYTES, aes256Gcm } from '../../crypto/aead.js';
import { sha256 } from '../../crypto/hash.js';
import { hkdfExpand, hkdfExtract } from '../../crypto/hkdf.js';
import { Secret } from '../../base/secret.js';
import type { Suite } from '../../ports/dataPlane.js';
import { IDENTITY_PAYLOAD_BYTES } from '../../wire/beamLayout.js';
import type { Welcome } from '../../wire/beamMessages.js';
import { encodeWelcomeHeader } from '../../wire/beamMessages.js';
import type { HandshakeState } from '../noise/handshakeState.js';

const KEY_BYTES = 32;
/** The welcome key seals one message. */
const WELCOME_NONCE = new Uint8Array(aes256Gcm.nonceBytes);

/** Owned by whoever asked for them; `destroy` zeroes all. */
export interface BeamKeys {
  /** For what the initiator sends, 32 bytes. */
  readonly initiator: Secret;
  /** For what the responder sends, 32 bytes. */
  readonly responder: Secret;
  readonly welcome: Secret;
  /** Noise's handshake hash, 32 bytes. */
  readonly handshakeHash: Uint8Array;
  destroy(): void;
}

/** Ends the handshake: its other secrets are zeroed. SPEC.md 11.12. */
export function deriveKeys(finished: HandshakeState, suite: Suite): BeamKeys {
  const { handshakeHash } = finished;
  const split = finished.splitKeys();
  const [forInitiator, forResponder] = [split.initiatorKey, split.responderKey].map((key) => {
    const extracted = hkdfExtract(sha256, handshakeHash, key);
    key.fill(0);
    return extracted;
  }) as [Uint8Array, Uint8Array];
  const session = `Beam 1 session ${suite}`;
  const initiator = expand(forInitiator, session);
  const responder = expand(forResponder, session);
  const welcome = expand(forResponder, 'Beam 1 welcome');
  forInitiator.fill(0);
  forResponder.fill(0);
  return {
    initiator,
    responder,
    welcome,
    handshakeHash,
    destroy: () => [initiator, responder, welcome].forEach((key) => key.destroy()),
  };
}

/** 796 bytes. The key may be used for this once. */
export function sealWelcome(
  key: Secret,
  indices: Pick<Welcome, 'sender' | 'receiver'>,
  payload: Uint8Array,
): Uint8Array {
  const header = encodeWelcomeHeader(indices);
  const sealed = new Uint8Array(payload.length + TAG_BYTES);
  const input = { key: key.expose(), nonce: WELCOME_NONCE, associated: header };
  aes256Gcm.seal(sealed, payload, input);
  return concat(header, sealed);
}

/** The identity payload, 768 bytes; null if it isn't authentic. */
export function openWelcome(key: Secret, welcome: Welcome): Uint8Array | null {
  const payload = new Uint8Array(IDENTITY_PAYLOAD_BYTES);
  const associated = encodeWelcomeHeader(welcome);
  const input = { key: key.expose(), nonce: WELCOME_NONCE, associated };
  return aes256Gcm.open(payload, welcome.sealed, input) ? payload : null;
}

function expand(key: Uint8Array, label: string): Secret {
  const info = new TextEncoder().encode(label);
  return new Secret(hkdfExpand(sha256, { key, info, byteLength: KEY_BYTES }));
}
