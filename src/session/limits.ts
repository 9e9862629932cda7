// Every limit of a session and of a peer's state, in one place. SPEC.md 4.3; derived ones are
// expressions. Sources: the WireGuard paper, section 6.1, and the Linux module's messages.h.
import type { SessionLimits, Suite } from '../ports/dataPlane.js';

/** Specified by the paper. */
export const REKEY_AFTER_MESSAGES = 2n ** 60n;
export const REJECT_AFTER_MESSAGES = 2n ** 64n - 2n ** 13n - 1n;
export const REKEY_AFTER_TIME_MS = 120_000;
export const REJECT_AFTER_TIME_MS = 180_000;
export const REKEY_ATTEMPT_TIME_MS = 90_000;
export const REKEY_TIMEOUT_MS = 5_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** RFC 9001 6.6 and B.1: AES-GCM bears 2^28 packets of up to 2^11 bytes; beyond, it is blocks. */
const GCM_MESSAGES = 2n ** 28n;
const GCM_SHORT_MESSAGE_BYTES = 2 ** 11;
const AES_BLOCK_BYTES = 16;
const GCM_BLOCKS = (GCM_MESSAGES * BigInt(GCM_SHORT_MESSAGE_BYTES)) / BigInt(AES_BLOCK_BYTES);
/** RFC 9001 6.6, integrity. */
const FORGERIES: Readonly<Record<Suite, bigint>> = {
  'chacha20-poly1305': 2n ** 36n,
  'aes-256-gcm': 2n ** 52n,
};

/** The Linux module's: jitter of a third of a second, drawn as whole milliseconds from 0. */
export const REKEY_TIMEOUT_JITTER_MS = 333;
/** The Linux module's: initiations consumed per peer. */
export const INITIATIONS_PER_SECOND = 50;
/** The Linux module's MAX_STAGED_PACKETS. */
export const MAX_STAGED_PACKETS = 128;
/** AF41, ECN 0, on initiations and responses. The Linux module's HANDSHAKE_DSCP. */
export const HANDSHAKE_TRAFFIC_CLASS = 0x88;

/** Derived. An attempt gives up when a retry is due and this many were counted already. */
export const MAX_HANDSHAKE_RETRIES = Math.floor(REKEY_ATTEMPT_TIME_MS / REKEY_TIMEOUT_MS);
export const NEW_HANDSHAKE_AFTER_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;
export const REKEY_ON_RECEIVE_AFTER_MS =
  REJECT_AFTER_TIME_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;
export const ZERO_KEYS_AFTER_MS = 3 * REJECT_AFTER_TIME_MS;
export const INITIATION_INTERVAL_MS = 1000 / INITIATIONS_PER_SECOND;

/** Chosen: how often one peer's need for keys is reported. ports/dataPlane.ts. */
export const KEYS_NEEDED_INTERVAL_MS = 100;
/** Chosen: valid-mac1 handshake messages within a second that mean load. SPEC.md 5.4. */
export const LOAD_MESSAGES_PER_SECOND = 256;
/** The Linux module's: load outlasts its cause by this much. */
export const LOAD_HYSTERESIS_MS = 1000;
/** wireguard-go's MaxPeers. */
export const MAX_PEERS = 65_536;

/** Packets of up to `packetBytes` that a key of the suite may seal. SPEC.md 4.3. */
function sealableMessages(suite: Suite, packetBytes: number): bigint {
  if (suite === 'chacha20-poly1305') return REJECT_AFTER_MESSAGES;
  if (packetBytes <= GCM_SHORT_MESSAGE_BYTES) return GCM_MESSAGES;
  return GCM_BLOCKS / BigInt(Math.ceil(packetBytes / AES_BLOCK_BYTES));
}

/** What a WireGuard session may do; only the initiator renews by time. SPEC.md 4.3. */
export function wireGuardLimits(role: 'initiator' | 'responder'): SessionLimits {
  return sessionLimits({ role, suite: 'chacha20-poly1305', mtuBytes: 65_535 });
}

/** The same for any suite; `mtuBytes` bounds the packets that are sealed. */
export function sessionLimits(session: {
  readonly role: 'initiator' | 'responder';
  readonly suite: Suite;
  readonly mtuBytes: number;
}): SessionLimits {
  const initiates = session.role === 'initiator';
  const sendAtMostMessages = sealableMessages(session.suite, session.mtuBytes);
  const half = sendAtMostMessages / 2n;
  return {
    rekeyAfterMessages: half < REKEY_AFTER_MESSAGES ? half : REKEY_AFTER_MESSAGES,
    sendAtMostMessages,
    rejectAfterMessages: REJECT_AFTER_MESSAGES,
    dropAfterForgeries: FORGERIES[session.suite],
    rekeyAfterMs: initiates ? REKEY_AFTER_TIME_MS : null,
    rekeyOnReceiveAfterMs: initiates ? REKEY_ON_RECEIVE_AFTER_MS : null,
    rejectAfterMs: REJECT_AFTER_TIME_MS,
  };
}
