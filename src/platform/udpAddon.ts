// The tunnel's UDP sockets by the addon: batches in, sticky sources, TOS and marks.
import { BugError } from '../base/assert.js';
import type { IpFamily } from '../base/ip.js';
import type {
  Path,
  ReceivedDatagram,
  SendOutcome,
  UdpEvents,
  UdpFeatures,
  UdpSockets,
} from '../ports/udp.js';
import { errnoName, IO_CONSTANTS, type IoAddon, type UdpHandle } from './addon.js';
import { bindError, markError } from './udpErrors.js';
import { PathReader, PathWriter, readU32 } from './udpPath.js';

const C = IO_CONSTANTS;
/** As many tries as wireguard-go makes for one port that is free in both families. */
const FREE_PORT_TRIES = 100;
/** How socket() or bind() says that the box has no IPv6. */
const NO_FAMILY = new Set(['EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EADDRNOTAVAIL']);
const SENT: SendOutcome = { failure: null, localStale: false };
const SENT_WITHOUT_LOCAL: SendOutcome = { failure: null, localStale: true };
const NO_SOCKET: SendOutcome = { failure: 'ENOSOCK', localStale: false };

type Sockets = Readonly<Partial<Record<IpFamily, UdpHandle>>>;

export class AddonUdpSockets implements UdpSockets {
  readonly features: UdpFeatures = { stickySource: true, ecn: true, mark: true };
  readonly #addon: IoAddon;
  readonly #events: UdpEvents;
  readonly #reader = new PathReader();
  readonly #writer = new PathWriter();
  // One receive buffer serves both sockets: a batch is used up before the next is read.
  readonly #buffer = Buffer.allocUnsafeSlow(C.udpBatchDatagrams * C.udpSlotBytes);
  readonly #records = Buffer.alloc(C.udpBatchDatagrams * C.recordBytes);
  #sockets: Sockets = {};
  #port = 0;
  #mark = 0;
  #closed = false;

  constructor(addon: IoAddon, events: UdpEvents) {
    this.#addon = addon;
    this.#events = events;
  }

  get families(): readonly IpFamily[] {
    return ([4, 6] as const).filter((family) => this.#sockets[family] !== undefined);
  }

  bind(port: number): number {
    if (this.#closed) throw new BugError('bind after close');
    if (port !== 0 && port === this.#port && this.families.length > 0) return this.#bindMissing();
    const opened = this.#openBoth(port);
    this.unbind();
    this.#sockets = opened;
    this.#port = this.#addon.udpPort(opened[4] ?? opened[6]!);
    return this.#port;
  }

  /** The port is ours already: only a family that has come up since is opened. */
  #bindMissing(): number {
    for (const family of [4, 6] as const) {
      if (this.#sockets[family] !== undefined) continue;
      const opened = this.#open(family, this.#port);
      if (typeof opened !== 'number') this.#sockets = { ...this.#sockets, [family]: opened };
    }
    return this.#port;
  }

  #openBoth(port: number): Sockets {
    for (let tries = 1; ; tries++) {
      const v4 = this.#open(4, port);
      if (typeof v4 === 'number' && !NO_FAMILY.has(errnoName(v4))) {
        throw bindError(port, errnoName(v4));
      }
      const v6 = this.#open(6, typeof v4 === 'number' ? port : this.#addon.udpPort(v4));
      if (typeof v6 !== 'number') return typeof v4 === 'number' ? { 6: v6 } : { 4: v4, 6: v6 };
      const failure = errnoName(v6);
      if (typeof v4 !== 'number') {
        if (NO_FAMILY.has(failure)) return { 4: v4 };
        this.#addon.udpClose(v4);
        if (port === 0 && failure === 'EADDRINUSE' && tries < FREE_PORT_TRIES) continue;
      }
      throw bindError(port, failure);
    }
  }

  #open(family: IpFamily, port: number): UdpHandle | number {
    let last: Path | null = null;
    const { udpBatchDatagrams: limit, recordBytes } = C;
    return this.#addon.udpOpen(family, port, this.#mark, this.#buffer, this.#records, (count) => {
      const batch: ReceivedDatagram[] = [];
      for (let i = 0; i < Math.min(count, limit); i++) {
        const start = i * recordBytes;
        if (last === null || this.#records[start + C.recordSamePath] === 0) {
          last = this.#reader.read(this.#records, start);
        }
        batch.push(this.#datagram(start, last));
      }
      this.#events.datagrams(batch);
    });
  }

  #datagram(start: number, path: Path): ReceivedDatagram {
    const offset = readU32(this.#records, start + C.recordOffset);
    const length = readU32(this.#records, start + C.recordLength);
    const ecn = this.#records[start + C.recordTrafficClass]! & 3;
    return { bytes: this.#buffer.subarray(offset, offset + length), path, ecn };
  }

  unbind(): void {
    for (const socket of Object.values(this.#sockets)) this.#addon.udpClose(socket);
    this.#sockets = {};
    this.#port = 0;
  }

  setMark(mark: number): void {
    for (const socket of Object.values(this.#sockets)) {
      const outcome = this.#addon.udpSetMark(socket, mark);
      if (outcome < 0) {
        throw markError(mark, errnoName(outcome), 'SO_MARK needs CAP_NET_ADMIN: run as root');
      }
    }
    this.#mark = mark;
  }

  send(path: Path, bytes: Uint8Array, trafficClass: number): SendOutcome {
    const socket = this.#sockets[path.remote.family];
    if (socket === undefined) return NO_SOCKET;
    const outcome = this.#addon.udpSend(socket, bytes, this.#writer.record(path), trafficClass);
    if (outcome === 0) return SENT;
    if (outcome === C.localStaleFlag) return SENT_WITHOUT_LOCAL;
    return {
      failure: errnoName(outcome & ~C.localStaleFlag),
      localStale: (outcome & C.localStaleFlag) !== 0,
    };
  }

  close(): void {
    this.unbind();
    this.#closed = true;
  }
}
