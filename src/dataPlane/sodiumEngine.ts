// The executable specification of the data plane: every packet in TypeScript, over the ports.
// SPEC.md 4.
import { assert } from '../base/assert.js';
import type { Instant } from '../base/time.js';
import { AllowedIps } from '../peer/allowedIps.js';
import type { Clock } from '../ports/clock.js';
import type {
  AllowedIpsChange,
  DataPlane,
  DataPlaneListener,
  DataPlaneStats,
  PeerId,
  PeerTraffic,
  SessionKeys,
} from '../ports/dataPlane.js';
import type { LinkState, TunDevice, TunEvents } from '../ports/tun.js';
import type { Path, ReceivedDatagram, UdpEvents, UdpSockets } from '../ports/udp.js';
import { TransportSession } from '../session/transportSession.js';
import { DropCounters } from './drops.js';
import { EnginePeer } from './enginePeer.js';
import { EventQueue } from './eventQueue.js';
import { Inbound } from './inbound.js';
import { Outbound } from './outbound.js';

export interface SodiumEngineOptions {
  /**
   * Called once, before openSodiumEngine returns; its errors (OperatorError) pass through. The
   * device and the sockets must not call back while they are being called.
   */
  readonly openTun: (events: TunEvents) => TunDevice;
  readonly openUdp: (events: UdpEvents) => UdpSockets;
  readonly clock: Clock;
  /** Never called from inside a call of the engine. */
  readonly listener: DataPlaneListener;
}

/** Opens the TUN device; sockets are open after `bind`. */
export function openSodiumEngine(options: SodiumEngineOptions): DataPlane {
  return new SodiumEngine(options);
}

class SodiumEngine implements DataPlane {
  readonly #clock: Clock;
  readonly #events: EventQueue;
  readonly #drops = new DropCounters();
  readonly #routes = new AllowedIps<EnginePeer>();
  readonly #peers = new Map<PeerId, EnginePeer>();
  readonly #sessions = new Map<number, TransportSession>();
  readonly #tun: TunDevice;
  readonly #udp: UdpSockets;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  #closed = false;

  constructor(options: SodiumEngineOptions) {
    this.#clock = options.clock;
    this.#events = new EventQueue(options.clock, options.listener);
    this.#udp = options.openUdp({ datagrams: (batch) => this.#datagrams(batch) });
    const shared = { routes: this.#routes, drops: this.#drops, events: this.#events };
    this.#outbound = new Outbound({ ...shared, udp: this.#udp });
    this.#tun = this.#openTun(options);
    this.#inbound = new Inbound({
      ...shared,
      sessions: this.#sessions,
      peer: (id) => this.#peer(id),
      tun: this.#tun,
      outbound: this.#outbound,
    });
  }

  #openTun({ openTun }: SodiumEngineOptions): TunDevice {
    try {
      return openTun({
        packets: (batch) => this.#tunPackets(batch),
        link: (state) => this.#linkChanged(state),
        closed: () => this.#events.push({ kind: 'tunClosed' }),
      });
    } catch (error) {
      this.#udp.close();
      throw error;
    }
  }

  bind(port: number): number {
    const bound = this.#udp.bind(port);
    this.#clearLocalAddresses();
    return bound;
  }

  unbind(): void {
    this.#udp.unbind();
  }

  setMark(mark: number): void {
    this.#udp.setMark(mark);
    this.#clearLocalAddresses();
  }

  setLocalPublicKey(): void {
    // This engine leaves mac1 to the control plane.
  }

  addPeer(id: PeerId): void {
    assert(!this.#peers.has(id), `peer slot ${id} is free`);
    this.#peers.set(id, new EnginePeer(id, (session) => this.#dropped(session)));
  }

  removePeer(id: PeerId): void {
    const peer = this.#peer(id);
    peer.keyring.dropAll();
    this.#routes.removeOwner(peer);
    this.#peers.delete(id);
    this.#events.forget(id);
  }

  setPath(id: PeerId, path: Path | null): void {
    this.#peer(id).path = path;
  }

  clearLocalAddress(id: PeerId): void {
    this.#peer(id).clearLocalAddress();
  }

  changeAllowedIps(id: PeerId, change: AllowedIpsChange): void {
    const peer = this.#peer(id);
    if (change.replace) this.#routes.removeOwner(peer);
    for (const prefix of change.add) this.#routes.add(peer, prefix);
    for (const prefix of change.remove) this.#routes.remove(peer, prefix);
  }

  installKeys(keys: SessionKeys): void {
    const peer = this.#peer(keys.peer);
    assert(!this.#sessions.has(keys.localIndex), 'a session index is used once');
    const session = new TransportSession(keys);
    this.#sessions.set(session.localIndex, session);
    peer.keyring.install(session);
    peer.keysNeededAt = null;
    if (session.role === 'initiator') this.#outbound.keepalive(peer, this.#clock.now());
  }

  expireKeys(id: PeerId): void {
    const { current, next } = this.#peer(id).keyring;
    current?.expireSending();
    next?.expireSending();
  }

  dropKeys(id: PeerId): void {
    this.#peer(id).keyring.dropAll();
  }

  dropStaged(id: PeerId): void {
    this.#peer(id).staged.takeAll();
  }

  sendKeepalive(id: PeerId): void {
    this.#outbound.keepalive(this.#peer(id), this.#clock.now());
  }

  sendToPeer(id: PeerId, bytes: Uint8Array, trafficClass: number): void {
    this.#outbound.control(this.#peer(id), bytes, trafficClass);
  }

  sendTo(path: Path, bytes: Uint8Array, trafficClass: number): void {
    this.#outbound.reply(path, bytes, trafficClass);
  }

  countControlReceived(id: PeerId, bytes: number): void {
    this.#peer(id).receivedBytes += bytes;
  }

  traffic(id: PeerId): PeerTraffic {
    const { receivedBytes, sentBytes, path, keyring } = this.#peer(id);
    const { current } = keyring;
    return {
      receivedBytes: BigInt(receivedBytes),
      sentBytes: BigInt(sentBytes),
      path,
      session: current && { suite: current.suite, createdAt: current.createdAt },
    };
  }

  stats(): DataPlaneStats {
    return {
      engine: 'sodium',
      drops: this.#drops.drops(),
      sendErrors: this.#drops.sendErrors(),
      features: {
        ...this.#udp.features,
        ipv4: this.#udp.families.includes(4),
        ipv6: this.#udp.families.includes(6),
      },
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const peer of this.#peers.values()) {
      peer.keyring.dropAll();
      peer.staged.takeAll();
    }
    this.#events.close();
    this.#udp.close();
    this.#tun.close();
    this.#outbound.close();
    this.#inbound.close();
  }

  #peer(id: PeerId): EnginePeer {
    const peer = this.#peers.get(id);
    assert(peer !== undefined, `peer ${id} was added`);
    return peer;
  }

  /** A session left the keyring of its peer. */
  #dropped(session: TransportSession): void {
    this.#sessions.delete(session.localIndex);
    session.destroy();
    const { peer, localIndex } = session;
    this.#events.push({ kind: 'keysDropped', peer, localIndex });
  }

  #clearLocalAddresses(): void {
    for (const peer of this.#peers.values()) peer.clearLocalAddress();
  }

  #tunPackets(batch: readonly Uint8Array[]): void {
    this.#batch(batch, (packet, now) => this.#outbound.packet(packet, now));
  }

  #datagrams(batch: readonly ReceivedDatagram[]): void {
    this.#batch(batch, (datagram, now) => this.#inbound.datagram(datagram, now));
  }

  #batch<Item>(items: readonly Item[], work: (item: Item, now: Instant) => void): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    this.#events.startBatch();
    for (const item of items) work(item, now);
    this.#events.deliver();
  }

  #linkChanged({ up, mtu }: LinkState): void {
    if (this.#closed) return;
    this.#outbound.mtuBytes = mtu;
    this.#events.push({ kind: 'linkChanged', up, mtu });
  }
}
