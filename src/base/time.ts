// The two clocks, as types that can't be mixed (ARCHITECTURE.md, "Time").

declare const instantBrand: unique symbol;
declare const wallBrand: unique symbol;

/** Milliseconds of boot time, suspend included (CLOCK_BOOTTIME). Never compared across reboots. */
export type Instant = number & { readonly [instantBrand]: true };

/** Milliseconds since 1970-01-01 UTC. May jump; used for TAI64N, certificates and display only. */
export type WallTime = number & { readonly [wallBrand]: true };

export const instant = (bootMs: number): Instant => bootMs as Instant;
export const wallTime = (unixMs: number): WallTime => unixMs as WallTime;

export const after = (start: Instant, delayMs: number): Instant => instant(start + delayMs);

export const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);

/** The earlier of two optional deadlines. */
export function earliest(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null) return b;
  if (b === null) return a;
  return a < b ? a : b;
}

/** Both clocks, read together: what a machine is told. */
export interface Moment {
  readonly boot: Instant;
  readonly wall: WallTime;
}
