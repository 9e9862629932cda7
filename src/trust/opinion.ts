// What one identity says about another, and what is left of it with time. SPEC.md 12 and 12.4.
import type { WallTime } from '../base/time.js';

/** The did:key of an identity that was checked (identity/identity.ts). */
export type Did = string;

/** The context that stands for every one. */
export const ANY_CONTEXT = '*';

/** Neither trust nor distrust; also the value of a component of which nothing is known. */
export const NEUTRAL = 0.5;

export interface Opinion {
  readonly truster: Did;
  readonly trustee: Did;
  readonly context: string;
  /** 0 to 1: above 0.5 trust, below distrust. */
  readonly level: number;
  readonly issuedAt: WallTime;
  /** Later than `issuedAt`. */
  readonly expiresAt: WallTime;
}

/** The level at a time; null once it has expired. One from the future counts as new. */
export function levelAt(opinion: Opinion, now: WallTime): number | null {
  const { level, issuedAt, expiresAt } = opinion;
  if (now >= expiresAt) return null;
  const left = (2 * (expiresAt - now)) / (expiresAt - issuedAt);
  return left >= 1 ? level : NEUTRAL + (level - NEUTRAL) * left;
}
