// Keeps key material out of core files, ptrace and swap, as far as this process is allowed to.
import { setFlagsFromString } from 'node:v8';
import { errnoName, loadIoAddon, type IoAddon } from './addon.js';

export interface HardenReport {
  /** PR_SET_DUMPABLE 0: no ptrace and no /proc/PID/mem for the same user, no core file. */
  readonly undumpable: boolean;
  /** RLIMIT_CORE 0. */
  readonly noCoreFiles: boolean;
  /** Why something could not be had; null if all could. */
  readonly reason: string | null;
}

/** For the whole process. A child that is executed later becomes dumpable again, but keeps the limit. */
export function hardenProcess(addon: IoAddon | null = loadIoAddon().addon): HardenReport {
  if (addon === null) {
    return { undumpable: false, noCoreFiles: false, reason: 'needs native/beam_io' };
  }
  const dumps = addon.denyDumps();
  const cores = addon.denyCoreFiles();
  const reasons = [
    ...(dumps < 0 ? [`prctl PR_SET_DUMPABLE: ${errnoName(dumps)}`] : []),
    ...(cores < 0 ? [`setrlimit RLIMIT_CORE: ${errnoName(cores)}`] : []),
  ];
  return {
    undumpable: dumps === 0,
    noCoreFiles: cores === 0,
    reason: reasons.length > 0 ? reasons.join('; ') : null,
  };
}

/**
 * Locks the pages that hold `bytes` (mlock), so that they are never written to swap. False if that
 * isn't allowed (RLIMIT_MEMLOCK) or there is no addon. `bytes` must not be resized or transferred.
 */
export const lockMemory = (
  bytes: Uint8Array,
  addon: IoAddon | null = loadIoAddon().addon,
): boolean => addon !== null && addon.lockMemory(bytes) === 0;

/** Undoes `lockMemory`. A page counts once: unlock nothing that shares pages with a locked array. */
export const unlockMemory = (
  bytes: Uint8Array,
  addon: IoAddon | null = loadIoAddon().addon,
): boolean => addon !== null && addon.unlockMemory(bytes) === 0;

/**
 * Keeps V8's young generation at its first size, about 2 MB: a daemon makes little garbage that
 * lives, and a flood of handshakes would otherwise make it 32 MB larger for good. V8 reads this flag
 * each time it thinks of growing; a V8 that doesn't know it ignores it.
 */
export const keepYoungGenerationSmall = (): void =>
  setFlagsFromString('--semi-space-growth-factor=1');
