// TUN device and sockets that a test holds in its hands.
import type { TunDevice, TunEvents } from '../../src/ports/tun.js';
import type {
  Path,
  ReceivedDatagram,
  SendOutcome,
  UdpEvents,
  UdpFeatures,
  UdpSockets,
} from '../../src/ports/udp.js';

export class FakeTun implements TunDevice {
  readonly name = 'fake0';
  readonly written: Uint8Array[] = [];
  readonly #events: TunEvents;
  refuseWrites = false;
  closed = false;

  constructor(events: TunEvents) {
    this.#events = events;
  }

  /** In a buffer that is overwritten afterwards, as a real device's. */
  deliver(packets: readonly Uint8Array[]): void {
    const batch = packets.map((packet) => packet.slice());
    this.#events.packets(batch);
    for (const packet of batch) packet.fill(0xee);
  }

  link(up: boolean, mtu: number): void {
    this.#events.link({ up, mtu });
  }

  disappear(): void {
    this.#events.closed();
  }

  write(packet: Uint8Array): boolean {
    if (this.refuseWrites) return false;
    this.written.push(packet.slice());
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

export interface FakeSent {
  readonly path: Path;
  readonly bytes: Uint8Array;
  readonly trafficClass: number;
}

export class FakeUdp implements UdpSockets {
  readonly features: UdpFeatures = { stickySource: true, ecn: true, mark: true };
  readonly families = [4, 6] as const;
  readonly sent: FakeSent[] = [];
  readonly #events: UdpEvents;
  failure: string | null = null;
  localStale = false;
  boundPort: number | null = null;
  mark = 0;
  closed = false;

  constructor(events: UdpEvents) {
    this.#events = events;
  }

  deliver(datagrams: readonly ReceivedDatagram[]): void {
    const batch = datagrams.map((datagram) => ({ ...datagram, bytes: datagram.bytes.slice() }));
    this.#events.datagrams(batch);
    for (const { bytes } of batch) bytes.fill(0xee);
  }

  bind(port: number): number {
    this.boundPort = port === 0 ? 40_000 : port;
    return this.boundPort;
  }

  unbind(): void {
    this.boundPort = null;
  }

  setMark(mark: number): void {
    this.mark = mark;
  }

  send(path: Path, bytes: Uint8Array, trafficClass: number): SendOutcome {
    const localStale = this.localStale && path.local !== null;
    if (localStale) this.localStale = false;
    if (this.failure === null) this.sent.push({ path, bytes: bytes.slice(), trafficClass });
    return { failure: this.failure, localStale };
  }

  close(): void {
    this.closed = true;
  }
}
