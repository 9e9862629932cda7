// The data plane in C++ (native/engine) behind the same port as the sodium engine. Packets never
// come here: this file turns calls into records and records into events. SPEC.md 4 and 5.1.
//
// The engine reads CLOCK_BOOTTIME itself: the control plane beside it must use the system's clock.
import { randomBytes } from 'node:crypto';
import { BugError, assert } from '../base/assert.js';
import type { IpPrefix } from '../base/ip.js';
import { instant, type Instant } from '../base/time.js';
import type {
  AllowedIpsChange,
  DataPlane,
  DataPlaneEvent,
  DataPlaneListener,
  DataPlaneStats,
  PeerId,
  PeerTraffic,
  SessionKeys,
} from '../ports/dataPlane.js';
import { peerId } from '../ports/dataPlane.js';
import type { Logger } from '../ports/log.js';
import type { Path } from '../ports/udp.js';
import { errnoName } from './addon.js';
import type { EngineAddon, EngineHandle, NativeEvent } from './nativeEngineAddon.js';
import {
  ALLOWED_IP_BYTES,
  CIPHER_CHOICES,
  EVENT_KINDS,
  loadEngineAddon,
  SUITES,
} from './nativeEngineAddon.js';
import type { TunSource } from './tun.js';
import { isInterfaceName, tunError } from './tunErrors.js';
import { bindError, markError } from './udpErrors.js';
import { encodePath, PathReader } from './udpPath.js';

export interface NativeEngineOptions {
  /**
   * A descriptor (WG_TUN_FD) may have IFF_VNET_HDR set; without it there are no offloads. `pair`
   * is for tests: a socket pair, whose other end is `NativeEngine.pair`.
   */
  readonly source: TunSource | 'pair';
  /** Never called from inside a call of the engine. */
  readonly listener: DataPlaneListener;
  /** Told when an offload is switched off. */
  readonly logger?: Logger;
  /** Offloads and cipher to use where they are there; for tests and for odd machines. */
  readonly use?: NativeEngineUse;
  /** For tests. Default: the addon that was built. */
  readonly addon?: EngineAddon;
}

export interface NativeEngineUse {
  /** TUN queues, each with a thread and sockets; a descriptor has one. Default 1. */
  readonly queues?: number;
  readonly tunTcp?: boolean;
  readonly tunUdp?: boolean;
  readonly udpSegment?: boolean;
  /** null-for-bench doesn't encrypt: bench/ alone may ask for it, no configuration reaches it. */
  readonly cipher?: keyof typeof CIPHER_CHOICES;
}

export interface NativeEngine extends DataPlane {
  /** The interface's name at creation; it may be renamed or moved afterwards. */
  readonly interfaceName: string;
  /** What the system would do; for an engine on a socket pair only. */
  readonly pair: SystemEnd;
}

/** Packets carry a virtio-net header of 10 bytes. */
export interface SystemEnd {
  /** False if the pair is full. */
  write(framed: Uint8Array): boolean;
  /** null if nothing was written. */
  read(): Buffer | null;
  link(up: boolean, mtu: number): void;
  /** Reports activity now instead of some milliseconds later. */
  report(): void;
  /** Has system calls fail from now on. */
  fail(faults: EngineFaults): void;
}

/** Errno numbers; absent for no failure. */
export interface EngineFaults {
  /** Every write to the TUN; those of joined packets only. */
  readonly write?: number;
  readonly joinedWrite?: number;
  /** Every send; those of more than one segment only. */
  readonly send?: number;
  readonly segmentSend?: number;
  /** The next send from a fixed local address. */
  readonly localOnce?: boolean;
}

export type NativeEngineOpen = NativeEngine | { readonly unavailable: string };

/** The engine, or why there can be none here. Throws OperatorError E_TUN. */
export function openNativeEngine(options: NativeEngineOptions): NativeEngineOpen {
  const load = options.addon === undefined ? loadEngineAddon() : { addon: options.addon };
  if (load.addon === null) return { unavailable: load.reason };
  const { source } = options;
  const place = placeOf(source);
  if (source !== 'pair' && 'name' in source && !isInterfaceName(source.name)) {
    throw tunError(place, 'not a valid name');
  }
  return NativeEngineAdapter.open(load.addon, options, place);
}

function placeOf(source: TunSource | 'pair'): string {
  if (source === 'pair') return 'a socket pair';
  return 'fd' in source ? `descriptor ${source.fd}` : source.name;
}

/** As the addon takes it: descriptor, name, or null for a pair; and the MTU, 0 to leave it. */
function addonSource(source: TunSource | 'pair'): [string | number | null, number] {
  if (source === 'pair') return [null, 0];
  return 'fd' in source ? [source.fd, 0] : [source.name, source.mtu ?? 0];
}

class NativeEngineAdapter implements NativeEngine {
  readonly #addon: EngineAddon;
  readonly #listener: DataPlaneListener;
  readonly #logger: Logger | null;
  readonly #paths = new PathReader();
  /** The generation of each slot's tenant. */
  readonly #peers = new Map<PeerId, number>();
  #nextGeneration = 1;
  #engine: EngineHandle | null = null;

  static open(addon: EngineAddon, options: NativeEngineOptions, place: string): NativeEngineOpen {
    const adapter = new NativeEngineAdapter(addon, options);
    const { source, use = {} } = options;
    const opened = addon.open(
      ...addonSource(source),
      use.queues ?? 1,
      CIPHER_CHOICES[use.cipher ?? 'best'],
      use.tunTcp ?? true,
      use.tunUdp ?? true,
      use.udpSegment ?? true,
      randomBytes(8).readBigUInt64LE(),
      (batch) => adapter.#deliver(batch),
    );
    if (typeof opened === 'string') return { unavailable: opened };
    if (typeof opened === 'number') throw tunError(place, errnoName(opened));
    adapter.#engine = opened;
    return adapter;
  }

  private constructor(addon: EngineAddon, options: NativeEngineOptions) {
    this.#addon = addon;
    this.#listener = options.listener;
    this.#logger = options.logger ?? null;
  }

  get interfaceName(): string {
    return this.#addon.name(this.#open());
  }

  readonly pair: SystemEnd = {
    write: (framed) => this.#addon.pairWrite(this.#open(), framed),
    read: () => this.#addon.pairRead(this.#open()),
    link: (up, mtu) => this.#addon.pairLink(this.#open(), up, mtu),
    report: () => this.#addon.pairReport(this.#open()),
    fail: ({ write = 0, joinedWrite = 0, send = 0, segmentSend = 0, localOnce = false }) =>
      this.#addon.pairFaults(this.#open(), write, joinedWrite, send, segmentSend, localOnce),
  };

  bind(port: number): number {
    const bound = this.#addon.bind(this.#open(), port);
    if (bound < 0) throw bindError(port, errnoName(bound));
    return bound;
  }

  unbind(): void {
    this.#addon.unbind(this.#open());
  }

  setMark(mark: number): void {
    const outcome = this.#addon.setMark(this.#open(), mark);
    if (outcome < 0) {
      throw markError(mark, errnoName(outcome), 'run as root or with CAP_NET_ADMIN');
    }
  }

  setLocalPublicKey(publicKey: Uint8Array | null): void {
    this.#addon.setLocalPublicKey(this.#open(), publicKey);
  }

  addPeer(peer: PeerId): void {
    assert(!this.#peers.has(peer), `peer slot ${peer} is free`);
    const generation = this.#nextGeneration++;
    this.#peers.set(peer, generation);
    this.#addon.addPeer(this.#open(), peer, generation);
  }

  removePeer(peer: PeerId): void {
    this.#addon.removePeer(this.#open(), peer, this.#generation(peer));
    this.#peers.delete(peer);
  }

  setPath(peer: PeerId, path: Path | null): void {
    const record = path === null ? null : encodePath(path);
    this.#addon.setPath(this.#open(), peer, this.#generation(peer), record);
  }

  clearLocalAddress(peer: PeerId): void {
    this.#addon.clearLocalAddress(this.#open(), peer, this.#generation(peer));
  }

  changeAllowedIps(peer: PeerId, { replace, add, remove }: AllowedIpsChange): void {
    const generation = this.#generation(peer);
    const [removed, added] = [encodePrefixes(remove), encodePrefixes(add)];
    this.#addon.changeAllowedIps(this.#open(), peer, generation, replace, removed, added);
  }

  installKeys(keys: SessionKeys): void {
    const { limits } = keys;
    this.#addon.installKeys(
      this.#open(),
      keys.peer,
      this.#generation(keys.peer),
      keys.role === 'initiator',
      keys.localIndex,
      keys.remoteIndex,
      SUITES.indexOf(keys.suite),
      keys.sendKey,
      keys.receiveKey,
      keys.createdAt,
      limits.rekeyAfterMessages,
      limits.sendAtMostMessages,
      limits.rejectAfterMessages,
      limits.dropAfterForgeries,
      limits.rekeyAfterMs ?? -1,
      limits.rekeyOnReceiveAfterMs ?? -1,
      limits.rejectAfterMs,
    );
    keys.sendKey.fill(0);
    keys.receiveKey.fill(0);
  }

  expireKeys(peer: PeerId): void {
    this.#addon.expireKeys(this.#open(), peer, this.#generation(peer));
  }

  dropKeys(peer: PeerId): void {
    this.#addon.dropKeys(this.#open(), peer, this.#generation(peer));
  }

  dropStaged(peer: PeerId): void {
    this.#addon.dropStaged(this.#open(), peer, this.#generation(peer));
  }

  sendKeepalive(peer: PeerId): void {
    this.#addon.sendKeepalive(this.#open(), peer, this.#generation(peer));
  }

  sendToPeer(peer: PeerId, bytes: Uint8Array, trafficClass: number): void {
    this.#addon.sendToPeer(this.#open(), peer, this.#generation(peer), bytes, trafficClass);
  }

  sendTo(path: Path, bytes: Uint8Array, trafficClass: number): void {
    this.#addon.sendTo(this.#open(), encodePath(path), bytes, trafficClass);
  }

  countControlReceived(peer: PeerId, bytes: number): void {
    this.#addon.countControlReceived(this.#open(), peer, this.#generation(peer), bytes);
  }

  traffic(peer: PeerId): PeerTraffic {
    const traffic = this.#addon.traffic(this.#open(), peer, this.#generation(peer));
    assert(traffic !== null, `peer ${peer} was added`);
    const suite = traffic.suite === null ? undefined : SUITES[traffic.suite];
    return {
      receivedBytes: traffic.receivedBytes,
      sentBytes: traffic.sentBytes,
      path: traffic.path === null ? null : this.#paths.read(traffic.path, 0),
      session: suite === undefined ? null : { suite, createdAt: instant(traffic.createdAt) },
    };
  }

  stats(): DataPlaneStats {
    const { drops, sendErrors, features } = this.#addon.stats(this.#open());
    return {
      engine: 'native',
      drops: drops,
      sendErrors: Object.fromEntries(
        Object.entries(sendErrors).map(([errno, count]) => [
          errno === '0' ? 'ENOSOCK' : errnoName(Number(errno)),
          count,
        ]),
      ),
      features: { ...features, stickySource: true, ecn: true, mark: true },
    };
  }

  close(): void {
    if (this.#engine === null) return;
    this.#addon.close(this.#engine);
    this.#engine = null;
  }

  #open(): EngineHandle {
    if (this.#engine === null) throw new BugError('the engine is closed');
    return this.#engine;
  }

  #generation(peer: PeerId): number {
    const generation = this.#peers.get(peer);
    assert(generation !== undefined, `peer ${peer} was added`);
    return generation;
  }

  #deliver(batch: readonly NativeEvent[]): void {
    if (this.#engine === null) return;
    const events: DataPlaneEvent[] = [];
    for (const native of batch) {
      const event = this.#decode(native);
      if (event !== null) events.push(event);
    }
    if (events.length > 0) this.#listener(events);
  }

  /** null for what isn't the control plane's: an earlier tenant's events, and log lines. */
  #decode(native: NativeEvent): DataPlaneEvent | null {
    const kind = EVENT_KINDS[native.kind];
    switch (kind) {
      case 'controlReceived':
        return {
          kind,
          bytes: new Uint8Array(native.bytes),
          path: this.#paths.read(native.path, 0),
        };
      case 'linkChanged':
        return { kind, up: native.up, mtu: native.mtu };
      case 'tunClosed':
        return { kind };
      case 'notice':
        this.#logger?.info(`engine: ${native.text}`);
        return null;
      case undefined:
        throw new BugError(`the engine has no event ${native.kind}`);
      default:
        return this.#decodeOfPeer(kind, native);
    }
  }

  #decodeOfPeer(
    kind: 'activity' | 'keysNeeded' | 'keysConfirmed' | 'keysDropped' | 'roamed',
    native: NativeEvent,
  ): DataPlaneEvent | null {
    const peer = peerId(native.slot);
    if (this.#peers.get(peer) !== native.generation) return null;
    switch (kind) {
      case 'activity':
        return {
          kind,
          peer,
          dataSentAt: orNull(native.dataSentAt),
          authenticatedSentAt: orNull(native.authenticatedSentAt),
          dataReceivedAt: orNull(native.dataReceivedAt),
          authenticatedReceivedAt: orNull(native.authenticatedReceivedAt),
        };
      case 'keysNeeded':
        return { kind, peer };
      case 'keysConfirmed':
      case 'keysDropped':
        return { kind, peer, localIndex: native.localIndex };
      case 'roamed':
        return { kind, peer, path: this.#paths.read(native.path, 0) };
    }
  }
}

const orNull = (bootMs: number | null): Instant | null =>
  bootMs === null ? null : instant(bootMs);

function encodePrefixes(prefixes: readonly IpPrefix[]): Uint8Array {
  const records = new Uint8Array(prefixes.length * ALLOWED_IP_BYTES);
  prefixes.forEach((prefix, i) => {
    const at = i * ALLOWED_IP_BYTES;
    records[at] = prefix.family;
    records[at + 1] = prefix.length;
    records.set(prefix.bytes, at + 2);
  });
  return records;
}
