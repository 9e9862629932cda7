// Which time it is, where the wall clock may be wrong. SPEC.md 10.42.
import type { Moment, WallTime } from '../base/time.js';
import { wallTime } from '../base/time.js';
import type { VerifiedCredential, CredentialRefusal } from '../identity/credential.js';
import { CREDENTIAL_LIFETIME_MAX_MS, verifyCredential } from '../identity/credential.js';
import { CLOCKS_IN_DOUBT_MS, DATED_BACK_MS } from './limits.js';

/** How a credential is dated. */
export interface Dating {
  /** Whole seconds. */
  readonly notBefore: WallTime;
  /** What is remembered as the wall time at making. */
  readonly wall: WallTime;
}

/** The year 9000: a credential's times stay below 10.5's greatest. */
const WALL_MAX_MS = 221_845_392_000_000;

const possible = (wall: number): WallTime =>
  wallTime(Math.min(Math.max(Math.floor(wall), 0), WALL_MAX_MS));

/** `reference` is a moment of this boot with a wall time that was good. */
export const reckonedWall = (reference: Moment, now: Moment): WallTime =>
  possible(reference.wall + (now.boot - reference.boot));

/** `attempt` counts keys that nobody took; it chooses where the clocks are too far apart. */
export function dateCredential(reference: Moment, now: Moment, attempt: number): Dating {
  const wall = possible(now.wall);
  const reckoned = reckonedWall(reference, now);
  if (Math.abs(wall - reckoned) <= CLOCKS_IN_DOUBT_MS) {
    return { notBefore: datedBack(Math.min(wall, reckoned)), wall };
  }
  const chosen = attempt % 2 === 0 ? wall : reckoned;
  return { notBefore: datedBack(chosen), wall: chosen };
}

const datedBack = (wall: number): WallTime =>
  possible(Math.floor((wall - DATED_BACK_MS) / 1000) * 1000);

export type PeerCredentialVerdict =
  | { readonly kind: 'verified'; readonly credential: VerifiedCredential }
  | { readonly kind: 'refused'; readonly reason: CredentialRefusal };

/** Whether a peer's credential is accepted at one of the times that it may be. Never throws. */
export function verifyAtPossibleTimes(
  bytes: Uint8Array,
  reference: Moment,
  now: Moment,
): PeerCredentialVerdict {
  const reckoned = reckonedWall(reference, now);
  const atWall = verifyCredential(bytes, now.wall);
  const later = [reckoned, wallTime(reckoned + CREDENTIAL_LIFETIME_MAX_MS)];
  for (const time of later) {
    if (atWall.kind === 'verified' || !TIME_REFUSALS.has(atWall.reason)) return atWall;
    const verdict = verifyCredential(bytes, time);
    if (verdict.kind === 'verified') return verdict;
  }
  return atWall;
}

const TIME_REFUSALS: ReadonlySet<CredentialRefusal> = new Set(['notYet', 'expired']);
