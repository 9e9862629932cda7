// Loads native/beam_io and holds it against the constants that TypeScript was written for. Without
// a build, or with one that doesn't fit, the answer is a reason and the adapters without it take over.
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';

declare const tunHandleBrand: unique symbol;
declare const udpHandleBrand: unique symbol;
export type TunHandle = object & { readonly [tunHandleBrand]: true };
export type UdpHandle = object & { readonly [udpHandleBrand]: true };

/**
 * native/addon. A negative number in an answer is an errno. Nothing here throws on a failing system
 * call; a wrong argument is a TypeError.
 */
export interface IoAddon {
  readonly abi: number;
  readonly constants: Readonly<Record<string, number>>;

  /** Milliseconds of CLOCK_BOOTTIME and CLOCK_REALTIME, with a fraction. */
  bootMs(): number;
  wallMs(): number;

  denyDumps(): number;
  denyCoreFiles(): number;
  lockMemory(bytes: Uint8Array): number;
  unlockMemory(bytes: Uint8Array): number;

  /** One datagram to a Unix socket; a path that begins with NUL is in the abstract namespace. */
  sendUnixDatagram(path: Uint8Array, text: Uint8Array): number;

  /**
   * Creates or attaches to the named interface, or takes over a descriptor. A batch of `count`
   * packets lies in `buffer`; `spans` holds offset and length of each.
   */
  tunOpen(
    source: string | number,
    buffer: Uint8Array,
    spans: Uint32Array,
    onPackets: (count: number) => void,
    /** `watched` false: changes are no longer told, ask `tunLink` from time to time. */
    onLink: (up: boolean, mtu: number, watched: boolean) => void,
    onClosed: () => void,
  ): TunHandle | number;
  tunName(tun: TunHandle): string | number;
  tunWrite(tun: TunHandle, packet: Uint8Array): number;
  /** `2 * mtu + (up ? 1 : 0)`; tries to watch again where it isn't watched. */
  tunLink(tun: TunHandle): number;
  tunWatched(tun: TunHandle): boolean;
  tunSetMtu(tun: TunHandle, mtu: number): number;
  tunClose(tun: TunHandle): void;

  /** A batch of `count` datagrams lies in `buffer`; `records` describes them (udpPath.ts). */
  udpOpen(
    family: 4 | 6,
    port: number,
    mark: number,
    buffer: Uint8Array,
    records: Uint8Array,
    onDatagrams: (count: number) => void,
  ): UdpHandle | number;
  udpPort(socket: UdpHandle): number;
  udpSetMark(socket: UdpHandle, mark: number): number;
  /** 0 or a positive errno, plus `localStaleFlag`. `path` is updated with when its route was checked. */
  udpSend(socket: UdpHandle, bytes: Uint8Array, path: Uint8Array, trafficClass: number): number;
  udpClose(socket: UdpHandle): void;
}

/** What both sides must agree on; native/addon/module.cc exports the same names. */
export const IO_ABI = 2;
export const IO_CONSTANTS = {
  tunBatchPackets: 64,
  tunPacketBytes: 65_535,
  udpBatchDatagrams: 64,
  /** One slot of the receive buffer: the largest datagram, and a stride that is no power of two. */
  udpSlotBytes: 67_648,
  pathBytes: 48,
  pathFamily: 0,
  pathHasLocal: 1,
  pathPort: 2,
  pathScopeId: 4,
  pathRemote: 8,
  pathLocal: 24,
  pathInterfaceIndex: 40,
  pathRouteCheckedS: 44,
  recordBytes: 64,
  recordOffset: 48,
  recordLength: 52,
  recordTrafficClass: 56,
  recordSamePath: 57,
  localStaleFlag: 0x10000,
} as const;

export type AddonLoad =
  | { readonly addon: IoAddon; readonly file: string }
  | { readonly addon: null; readonly reason: string };

let loaded: AddonLoad | null = null;

/** The addon, or why there is none. Tried once. */
export function loadIoAddon(): AddonLoad {
  loaded ??= loadFirst(addonFiles('beam_io'));
  return loaded;
}

/** Exported for tests: the first file that exists decides, unless it can't be loaded. */
export function loadFirst(files: readonly string[]): AddonLoad {
  const reasons: string[] = [];
  for (const file of files.filter((candidate) => existsSync(candidate))) {
    const outcome = loadFile(file);
    if (outcome.addon !== null) return outcome;
    reasons.push(outcome.reason);
  }
  return {
    addon: null,
    reason: reasons.length > 0 ? reasons.join('; ') : 'native/beam_io is not built',
  };
}

function loadFile(file: string): AddonLoad {
  try {
    const addon = createRequire(import.meta.url)(file) as IoAddon;
    const mismatch = abiMismatch(addon);
    return mismatch === null ? { addon, file } : { addon: null, reason: `${file}: ${mismatch}` };
  } catch (cause) {
    return {
      addon: null,
      reason: `${file}: ${cause instanceof Error ? cause.message : 'unknown'}`,
    };
  }
}

/** What differs between the addon's constants and ours; null if nothing does. */
export function abiMismatch(addon: Pick<IoAddon, 'abi' | 'constants'>): string | null {
  if (addon.abi !== IO_ABI) return `ABI ${addon.abi}, this Beam needs ${IO_ABI}`;
  const names = new Set([...Object.keys(IO_CONSTANTS), ...Object.keys(addon.constants)]);
  for (const name of names) {
    const ours = (IO_CONSTANTS as Record<string, number>)[name];
    const theirs = addon.constants[name];
    if (ours !== theirs)
      return `${name} is ${theirs ?? 'missing'}, this Beam needs ${ours ?? 'none'}`;
  }
  return null;
}

/** Where an addon may be. A build made here goes before a prebuilt one (prebuildify's layout). */
export function addonFiles(name: string): string[] {
  const folder = fileURLToPath(new URL('../../../native/', import.meta.url));
  const platform = `${process.platform}-${process.arch}`;
  return [
    `${folder}build/Release/${name}.node`,
    `${folder}prebuilds/${platform}/${name}.${libcName()}.node`,
  ];
}

/** By the program interpreter in Node's own ELF header; both names fit in its first bytes. */
function libcName(): 'glibc' | 'musl' {
  const head = Buffer.alloc(4096);
  try {
    const fd = openSync('/proc/self/exe', 'r');
    try {
      readSync(fd, head, 0, head.length, 0);
    } finally {
      closeSync(fd);
    }
  } catch {
    // No /proc: glibc is the likelier one, and a file that doesn't fit fails to load with a reason.
    return 'glibc';
  }
  return head.includes('ld-musl') ? 'musl' : 'glibc';
}

/** `ENETUNREACH` for 101 or -101. */
export const errnoName = (errno: number): string =>
  getSystemErrorName(-Math.abs(errno)).replace(/^Unknown system error -?/, 'errno ');
