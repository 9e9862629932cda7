// The system's clocks. Ages of keys count suspend, so Node's monotonic clock alone won't do.
import { uptime } from 'node:os';
import { performance } from 'node:perf_hooks';
import { instant, wallTime, type Instant } from '../base/time.js';
import type { Clock, Timer } from '../ports/clock.js';
import { loadIoAddon, type IoAddon } from './addon.js';

/** The longest delay that setTimeout takes. */
const MAX_DELAY_MS = 2_147_483_647;

export interface ClockOptions {
  /** For tests: null for the clock without the addon. Default: the one that is loaded. */
  readonly addon?: IoAddon | null;
}

/** CLOCK_BOOTTIME and CLOCK_REALTIME; timers are Node's and stand still during suspend. */
export function systemClock(options: ClockOptions = {}): Clock {
  const addon = options.addon === undefined ? loadIoAddon().addon : options.addon;
  const bootMs =
    addon === null
      ? monotonicWithSuspend(monotonicMs, () => uptime() * 1000)
      : () => addon.bootMs();
  return {
    now: () => instant(bootMs()),
    wallNow: () => wallTime(addon === null ? Date.now() : addon.wallMs()),
    setTimer: (delayMs, callback) => setTimer(bootMs, bootMs() + delayMs, callback),
  };
}

const monotonicMs = (): number => performance.now();

/** How old the offset between the two clocks may grow: suspend is noticed within that time. */
const RESYNC_MS = 1000;

/**
 * Boot time from a fine clock that stops in suspend and a coarse one that doesn't (/proc/uptime,
 * hundredths of a second, one file to read). Never steps back.
 */
export function monotonicWithSuspend(fineMs: () => number, coarseMs: () => number): () => Instant {
  let offsetMs = coarseMs() - fineMs();
  let syncedAtMs = fineMs();
  return () => {
    const fine = fineMs();
    if (fine - syncedAtMs >= RESYNC_MS) {
      syncedAtMs = fine;
      // The coarse clock is late by up to its step: a smaller offset is only that.
      offsetMs = Math.max(offsetMs, coarseMs() - fine);
    }
    return instant(fine + offsetMs);
  };
}

/** Node's timers fire up to a millisecond early, and at once for longer delays than they take. */
function setTimer(bootMs: () => number, dueMs: number, callback: () => void): Timer {
  let handle: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    handle = setTimeout(
      () => {
        const stillMs = dueMs - bootMs();
        if (stillMs > 0) wait(stillMs);
        else callback();
      },
      Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(leftMs))),
    );
  };
  wait(dueMs - bootMs());
  return { cancel: () => clearTimeout(handle) };
}
