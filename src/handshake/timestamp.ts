// TAI64N timestamps of initiations (SPEC.md 3.4). Twelve bytes in big-endian order compare as the
// times do.
import type { WallTime } from '../base/time.js';
import { TIMESTAMP_BYTES } from '../wire/constants.js';

/** TAI64 label of 1970-01-01 TAI, and the 10 s that TAI was ahead of UTC then. */
const TAI64_EPOCH = (1n << 62n) + 10n;
const NANOSECONDS_PER_SECOND = 1_000_000_000;
/**
 * Nanoseconds are rounded down to this power of two (16.8 ms), so that initiations don't tell a
 * fine clock to whoever listens. The largest below 1 s / 50, kernel WireGuard's limit of
 * initiations per peer and second.
 */
const GRANULE_NANOSECONDS = 2 ** 24;

/**
 * TAI64N of the wall clock, 12 bytes. Equal for calls within one granule, and smaller after a
 * step back: whoever sends it keeps the last one and calls `nextTimestamp`.
 */
export function tai64n(now: WallTime): Uint8Array {
  const seconds = Math.floor(now / 1000);
  const nanoseconds = Math.floor((now - seconds * 1000) * 1_000_000);
  return encode(seconds, nanoseconds - (nanoseconds % GRANULE_NANOSECONDS));
}

/** Negative, zero or positive, as `a` is older than, equal to or newer than `b`. 12 bytes each. */
export function compareTimestamps(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < TIMESTAMP_BYTES; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return 0;
}

/**
 * The timestamp for now or, where that isn't newer than `last` (same granule, or the clock
 * stepped back), the next one after `last`. Never equal to `last`, so a responder accepts it.
 */
export function nextTimestamp(last: Uint8Array | null, now: WallTime): Uint8Array {
  const current = tai64n(now);
  if (last === null || compareTimestamps(current, last) > 0) return current;
  const view = new DataView(last.buffer, last.byteOffset, TIMESTAMP_BYTES);
  const seconds = Number(view.getBigUint64(0) - TAI64_EPOCH);
  const nanoseconds = view.getUint32(8) + GRANULE_NANOSECONDS;
  return nanoseconds < NANOSECONDS_PER_SECOND
    ? encode(seconds, nanoseconds)
    : encode(seconds + 1, 0);
}

function encode(unixSeconds: number, nanoseconds: number): Uint8Array {
  const timestamp = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(timestamp.buffer);
  view.setBigUint64(0, TAI64_EPOCH + BigInt(unixSeconds));
  view.setUint32(8, nanoseconds);
  return timestamp;
}
