// Every limit of a session and of a peer's state, in one place. SPEC.md 4.3; derived ones are
// expressions. Sources: the WireGuard paper, section 6.1, and the Linux module's messages.h.
import type { SessionLimits } from '../ports/dataPlane.js';

/** Specified by the paper. */
export const REKEY_AFTER_MESSAGES = 2n ** 60n;
export const REJECT_AFTER_MESSAGES = 2n ** 64n - 2n ** 13n - 1n;
export const REKEY_AFTER_TIME_MS = 120_000;
export const REJECT_AFTER_TIME_MS = 180_000;
export const REKEY_ATTEMPT_TIME_MS = 90_000;
export const REKEY_TIMEOUT_MS = 5_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;

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

/** What a WireGuard session may do; only the initiator renews by time. SPEC.md 4.3. */
export function wireGuardLimits(role: 'initiator' | 'responder'): SessionLimits {
  const initiates = role === 'initiator';
  return {
    rekeyAfterMessages: REKEY_AFTER_MESSAGES,
    rejectAfterMessages: REJECT_AFTER_MESSAGES,
    rekeyAfterMs: initiates ? REKEY_AFTER_TIME_MS : null,
    rekeyOnReceiveAfterMs: initiates ? REKEY_ON_RECEIVE_AFTER_MS : null,
    rejectAfterMs: REJECT_AFTER_TIME_MS,
  };
}
