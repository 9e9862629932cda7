// From the sockets to the TUN device: find the session, open, check, write. SPEC.md 4.2, 4.5.
import type { Instant } from '../base/time.js';
import type { AllowedIps } from '../peer/allowedIps.js';
import type { PeerId } from '../ports/dataPlane.js';
import type { TunDevice } from '../ports/tun.js';
import type { Path, ReceivedDatagram } from '../ports/udp.js';
import type { TransportSession } from '../session/transportSession.js';
import { TRANSPORT_OVERHEAD_BYTES } from '../session/transportSession.js';
import { decapsulateEcn, ipFamily, ipPacketBytes, sourceStart } from '../wire/ip.js';
import { classify, transportReceiver } from '../wire/messages.js';
import type { DropCounters } from './drops.js';
import type { EnginePeer } from './enginePeer.js';
import { samePath } from './enginePeer.js';
import type { EventQueue } from './eventQueue.js';
import type { Outbound } from './outbound.js';
import { Views } from './scratch.js';

const SCRATCH_BYTES = 65_536;

export interface InboundParts {
  readonly sessions: ReadonlyMap<number, TransportSession>;
  readonly peer: (id: PeerId) => EnginePeer;
  readonly routes: AllowedIps<EnginePeer>;
  readonly tun: TunDevice;
  readonly outbound: Outbound;
  readonly drops: DropCounters;
  readonly events: EventQueue;
}

export class Inbound {
  readonly #parts: InboundParts;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  readonly #packets = new Views(this.#scratch, 0);

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  datagram(received: ReceivedDatagram, now: Instant): void {
    const { events, drops } = this.#parts;
    const kind = classify(received.bytes);
    if (kind === null) drops.drop('malformed');
    else if (kind === 'transport') this.#transport(received, now);
    else if (!events.control(received.bytes, received.path)) drops.drop('controlOverflow');
  }

  /** Zeroes the plaintext of the last packets. */
  close(): void {
    this.#scratch.fill(0);
  }

  #transport({ bytes, path, ecn }: ReceivedDatagram, now: Instant): void {
    const { sessions, drops } = this.#parts;
    const session = sessions.get(transportReceiver(bytes));
    if (session === undefined) {
      drops.drop('noSession');
      return;
    }
    const packet = this.#packets.ofLength(bytes.length - TRANSPORT_OVERHEAD_BYTES);
    const refusal = session.open(packet, bytes, now);
    if (refusal !== null) {
      drops.drop(refusal);
      if (refusal === 'forged' && session.isWorn) this.#dropWorn(session, now);
      return;
    }
    const peer = this.#parts.peer(session.peer);
    this.#authenticated(peer, session, path, now);
    if (packet.length === 0) {
      peer.receivedBytes += bytes.length;
      return;
    }
    this.#parts.events.activity(peer).dataReceivedAt = now;
    if (this.#deliver(peer, packet, ecn)) peer.receivedBytes += bytes.length;
  }

  #dropWorn(session: TransportSession, now: Instant): void {
    const peer = this.#parts.peer(session.peer);
    if (peer.keyring.drop(session)) this.#parts.events.keysNeeded(peer, now);
  }

  #authenticated(peer: EnginePeer, session: TransportSession, path: Path, now: Instant): void {
    const { events, outbound } = this.#parts;
    if (!samePath(peer.path, path)) {
      events.push({ kind: 'roamed', peer: peer.id, path });
      peer.path = path;
    }
    if (peer.keyring.confirm(session)) {
      events.push({ kind: 'keysConfirmed', peer: peer.id, localIndex: session.localIndex });
      outbound.sendStaged(peer, now);
    }
    if (peer.keyring.current?.rekeyDueOnReceive(now) === true) events.keysNeeded(peer, now);
    events.activity(peer).authenticatedReceivedAt = now;
  }

  /** Hands what is in the padded packet to the TUN device; false if the peer may not send it. */
  #deliver(peer: EnginePeer, padded: Uint8Array, ecn: number): boolean {
    const { routes, tun, drops } = this.#parts;
    const family = ipFamily(padded);
    const bytes = ipPacketBytes(padded);
    if (family === 0 || bytes === 0) {
      drops.drop('malformed');
      return false;
    }
    if (routes.lookup(family, padded, sourceStart(family)) !== peer) {
      drops.drop('wrongSource');
      return false;
    }
    const packet = this.#packets.ofLength(bytes);
    // Also where RFC 6040 would drop (CE outside, not ECN-capable inside): as the Linux module.
    decapsulateEcn(packet, ecn);
    if (!tun.write(packet)) drops.drop('tunWriteFailed');
    return true;
  }
}
