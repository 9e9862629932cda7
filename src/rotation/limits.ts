// The times of rotation, most of them parts of the period. SPEC.md 10.40.
import { assert } from '../base/assert.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const PERIOD_DEFAULT_MS = DAY_MS;
export const PERIOD_MIN_MS = HOUR_MS;
export const PERIOD_MAX_MS = 7 * DAY_MS;

export interface RotationTimes {
  readonly periodMs: number;
  /** From the announcement to the change. */
  readonly leadMs: number;
  /** A period is shorter by up to this. */
  readonly jitterMs: number;
  /** A key is used for at most period and overlap. */
  readonly overlapMs: number;
  readonly trialMs: number;
  /** From a roll-back to the next attempt. */
  readonly retryMs: number;
}

/** `periodMs`: PERIOD_MIN_MS to PERIOD_MAX_MS. */
export function rotationTimes(periodMs: number): RotationTimes {
  assert(periodMs >= PERIOD_MIN_MS && periodMs <= PERIOD_MAX_MS, 'a period is 1 hour to 7 days');
  return {
    periodMs,
    leadMs: periodMs / 24,
    jitterMs: periodMs / 12,
    overlapMs: periodMs / 6,
    trialMs: periodMs / 48,
    retryMs: periodMs / 24,
  };
}

/** A credential begins this long before it is made: issuers' clocks may be ahead. */
export const DATED_BACK_MS = HOUR_MS;

/** Further apart, wall and reckoned time don't fit into one credential. SPEC.md 10.42. */
export const CLOCKS_IN_DOUBT_MS = 21 * DAY_MS;

/** A signature or a write that takes longer counts as failed. */
export const ANSWER_TIMEOUT_MS = 60_000;
export const FIRST_BACK_OFF_MS = 5_000;
export const BACK_OFF_MAX_MS = 60_000;

/** The wait after the `failures`th failure in a row, which counts from 1. */
export const backOffMs = (failures: number): number =>
  Math.min(FIRST_BACK_OFF_MS * 2 ** Math.min(failures - 1, 10), BACK_OFF_MAX_MS);

/** How long a peer accepts older epochs after a newer one's first handshake. SPEC.md 10.44. */
export const OLDER_EPOCHS_MS = 3 * DAY_MS;
export const EPOCHS_REMEMBERED = 8;
export const IDENTITIES_REMEMBERED = 65_536;
/** The lifetime of a credential and a day. */
export const FORGOTTEN_AFTER_MS = 32 * DAY_MS;

/** How long a response may be under way: REJECT_AFTER_TIME. SPEC.md 10.45. */
export const PRESHARED_KEY_GRACE_MS = 180_000;
export const PRESHARED_KEYS_MAX = 4;
