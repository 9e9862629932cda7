// From the TUN device to the sockets: route, seal, send. SPEC.md 4.3 to 4.5.
import type { Instant } from '../base/time.js';
import type { AllowedIps } from '../peer/allowedIps.js';
import type { Path, UdpSockets } from '../ports/udp.js';
import { paddedBytes } from '../session/padding.js';
import type { TransportSession } from '../session/transportSession.js';
import { TRANSPORT_OVERHEAD_BYTES } from '../session/transportSession.js';
import { PADDING_BYTES, TRANSPORT_HEADER } from '../wire/constants.js';
import { destinationStart, ipFamily, ipPacketBytes, outerTrafficClass } from '../wire/ip.js';
import type { DropCounters } from './drops.js';
import type { EnginePeer } from './enginePeer.js';
import type { EventQueue } from './eventQueue.js';
import { Views } from './scratch.js';

const MAX_PACKET_BYTES = 65_535;
const SCRATCH_BYTES = MAX_PACKET_BYTES + PADDING_BYTES + TRANSPORT_OVERHEAD_BYTES;
const KEEPALIVE = new Uint8Array(0);

export interface OutboundParts {
  readonly routes: AllowedIps<EnginePeer>;
  readonly udp: UdpSockets;
  readonly drops: DropCounters;
  readonly events: EventQueue;
}

export class Outbound {
  readonly #parts: OutboundParts;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  readonly #datagrams = new Views(this.#scratch, 0);
  readonly #bodies = new Views(this.#scratch, TRANSPORT_HEADER.bytes);
  /** Until the device has told its MTU, padding is not cut. */
  #mtuBytes = MAX_PACKET_BYTES;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
  }

  set mtuBytes(mtuBytes: number) {
    this.#mtuBytes = mtuBytes;
  }

  /** A packet that the system sends into the tunnel. */
  packet(packet: Uint8Array, now: Instant): void {
    const { routes, drops } = this.#parts;
    const family = ipFamily(packet);
    if (family === 0 || ipPacketBytes(packet) === 0) {
      drops.drop('malformed');
      return;
    }
    const peer = routes.lookup(family, packet, destinationStart(family));
    if (peer === null) {
      drops.drop('noPeer');
      return;
    }
    if (peer.path === null) {
      drops.drop('noEndpoint');
      return;
    }
    const session = this.#usableSession(peer, now);
    if (session === null) {
      this.#stage(peer, packet);
      this.#parts.events.keysNeeded(peer, now);
      return;
    }
    if (peer.staged.count > 0) this.sendStaged(peer, now);
    this.#seal(peer, session, packet, now);
  }

  /** What waits for keys or, where nothing does, an empty packet. */
  keepalive(peer: EnginePeer, now: Instant): void {
    if (peer.staged.count === 0) this.#stage(peer, KEEPALIVE);
    this.sendStaged(peer, now);
  }

  /** Asks for keys where there are none and something waits for them. */
  sendStaged(peer: EnginePeer, now: Instant): void {
    const packets = peer.staged.takeAll();
    for (const [i, packet] of packets.entries()) {
      const session = this.#usableSession(peer, now);
      if (session === null) {
        peer.staged.restore(packets.slice(i));
        this.#parts.events.keysNeeded(peer, now);
        return;
      }
      this.#seal(peer, session, packet, now);
    }
  }

  /** A control datagram, counted as the peer's. */
  control(peer: EnginePeer, bytes: Uint8Array, trafficClass: number): void {
    this.#send(peer, bytes, trafficClass);
  }

  /** A control datagram to wherever. */
  reply(path: Path, bytes: Uint8Array, trafficClass: number): void {
    const { failure } = this.#parts.udp.send(path, bytes, trafficClass);
    if (failure !== null) this.#parts.drops.sendFailed(failure);
  }

  /** Zeroes the plaintext of the last packets. */
  close(): void {
    this.#scratch.fill(0);
  }

  #usableSession(peer: EnginePeer, now: Instant): TransportSession | null {
    const session = peer.keyring.current;
    return session?.canSend(now) === true ? session : null;
  }

  #stage(peer: EnginePeer, packet: Uint8Array): void {
    if (peer.staged.add(packet)) this.#parts.drops.drop('stagedOverflow');
  }

  #seal(peer: EnginePeer, session: TransportSession, packet: Uint8Array, now: Instant): void {
    if (peer.path === null) {
      this.#parts.drops.drop('noEndpoint');
      return;
    }
    const bytes = paddedBytes(packet.length, this.#mtuBytes);
    const body = this.#bodies.ofLength(bytes);
    body.set(packet);
    body.fill(0, packet.length);
    const datagram = this.#datagrams.ofLength(bytes + TRANSPORT_OVERHEAD_BYTES);
    const trafficClass = packet.length === 0 ? 0 : outerTrafficClass(packet);
    session.seal(datagram, body, this.#bodies.ofLength(datagram.length - TRANSPORT_HEADER.bytes));
    const sent = this.#send(peer, datagram, trafficClass);
    const activity = this.#parts.events.activity(peer);
    activity.authenticatedSentAt = now;
    if (sent && packet.length > 0) activity.dataSentAt = now;
    if (session.rekeyDueOnSend(now)) this.#parts.events.keysNeeded(peer, now);
  }

  #send(peer: EnginePeer, datagram: Uint8Array, trafficClass: number): boolean {
    const { udp, drops } = this.#parts;
    if (peer.path === null) {
      drops.drop('noEndpoint');
      return false;
    }
    const { failure, localStale } = udp.send(peer.path, datagram, trafficClass);
    if (localStale) peer.clearLocalAddress();
    if (failure === null) peer.sentBytes += datagram.length;
    else drops.sendFailed(failure);
    return failure === null;
  }
}
