// The native engine over a socket pair in place of the TUN and real UDP sockets on loopback. A
// round trip through the engine's thread (stats) says that it has seen what was there before.
import { constants } from 'node:os';
import { setImmediate as afterPolling, setTimeout as sleep } from 'node:timers/promises';
import type { Instant } from '../../src/base/time.js';
import { IO_CONSTANTS as C, loadIoAddon } from '../../src/platform/addon.js';
import type { IoAddon, UdpHandle } from '../../src/platform/addon.js';
import { systemClock } from '../../src/platform/clock.js';
import type {
  EngineFaults,
  NativeEngine,
  NativeEngineUse,
} from '../../src/platform/nativeEngine.js';
import { openNativeEngine } from '../../src/platform/nativeEngine.js';
import { encodePath } from '../../src/platform/udpPath.js';
import type { DataPlane, DataPlaneEvent } from '../../src/ports/dataPlane.js';
import type { Path } from '../../src/ports/udp.js';
import type {
  EngineHarness,
  IncomingDatagram,
  SentDatagram,
  SocketFaults,
} from './engineHarness.js';

const VNET_HEADER_BYTES = 10;
const EVENTS_SETTLE_MS = 5;
const DATAGRAMS_SETTLE_MS = 5;

/** On a busy machine the time may be over before the loop has looked at any descriptor. */
async function settled(ms: number): Promise<void> {
  await sleep(ms);
  await afterPolling();
}

let turn: Promise<void> = Promise.resolve();

/** Null if there is no addon for the remote ends' sockets. */
export function nativeHarnessAddon(): IoAddon | null {
  return loadIoAddon().addon;
}

export class NativeHarness implements EngineHarness {
  readonly engine: DataPlane;
  readonly #native: NativeEngine;
  readonly #remotes: readonly Remote[];
  readonly #clock = systemClock();
  #events: DataPlaneEvent[] = [];
  #faults: EngineFaults = {};
  #inCall = false;
  #port = 0;
  #closed = false;
  #end = (): void => undefined;
  listenerReentered = false;

  private constructor(io: IoAddon, use: NativeEngineUse) {
    const opened = openNativeEngine({
      source: 'pair',
      use,
      listener: (events) => {
        if (this.#inCall) this.listenerReentered = true;
        this.#events.push(...events);
      },
    });
    if ('unavailable' in opened) throw new Error(opened.unavailable);
    this.#native = opened;
    this.engine = this.#watched(opened);
    this.#remotes = [new Remote(io, 4, '127.0.0.1'), new Remote(io, 6, '::1')];
  }

  /** One at a time: ava runs a file's tests side by side, and these depend on real time. */
  static async open(io: IoAddon, use: NativeEngineUse = {}): Promise<NativeHarness> {
    const before = turn;
    let end = (): void => undefined;
    turn = new Promise((resolve) => (end = resolve));
    await before;
    const harness = new NativeHarness(io, use);
    harness.#end = end;
    harness.engine.bind(0);
    await harness.setMtu(1420);
    await harness.takeEvents();
    return harness;
  }

  /** Notes while a call of the engine is under way, and which port it has. */
  #watched(engine: NativeEngine): DataPlane {
    return new Proxy(engine, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          this.#inCall = true;
          try {
            const result: unknown = Reflect.apply(member, target, args);
            if (name === 'bind') this.#port = result as number;
            if (name === 'close') this.#closed = true;
            return result;
          } finally {
            this.#inCall = false;
          }
        };
      },
    });
  }

  now = (): Instant => this.#clock.now();

  path(remote: number): Path {
    const { family, address, port } = this.#remotes[remote]!;
    return { remote: { family, address, port, scopeId: 0 }, local: null };
  }

  /** The engine has done all that was there when this was called. */
  #settle(): void {
    if (this.#closed) return;
    // One look at the TUN takes up to 64 packets; no test sends more than three such batches.
    for (let i = 0; i < 4; i++) this.#native.stats();
  }

  deliverToTun(...packets: readonly Uint8Array[]): Promise<void> {
    for (const packet of packets)
      this.deliverSuperPacket(new Uint8Array(VNET_HEADER_BYTES), packet);
    this.#settle();
    return Promise.resolve();
  }

  /** As the system hands over what a socket sent with TSO or USO. */
  deliverSuperPacket(vnetHeader: Uint8Array, packet: Uint8Array): void {
    const framed = Buffer.concat([vnetHeader, packet]);
    if (!this.#native.pair.write(framed)) throw new Error('the socket pair is full');
  }

  takeFromTun(): Promise<readonly Uint8Array[]> {
    return Promise.resolve(
      this.takeWrites().map((framed) => new Uint8Array(framed.subarray(VNET_HEADER_BYTES))),
    );
  }

  /** With their virtio-net headers. */
  takeWrites(): Buffer[] {
    this.#settle();
    const taken: Buffer[] = [];
    for (let one = this.#native.pair.read(); one !== null; one = this.#native.pair.read()) {
      taken.push(one);
    }
    return taken;
  }

  deliverUdp(remote: number, ...datagrams: readonly IncomingDatagram[]): Promise<void> {
    for (const { bytes, ecn = 0 } of datagrams) {
      this.#remotes[remote]!.send(this.#port, bytes, ecn);
      this.#settle();
    }
    return Promise.resolve();
  }

  /** The same, so that the engine finds them all at once. */
  deliverUdpTogether(remote: number, datagrams: readonly IncomingDatagram[]): Promise<void> {
    for (const { bytes, ecn = 0 } of datagrams) this.#remotes[remote]!.send(this.#port, bytes, ecn);
    this.#settle();
    return Promise.resolve();
  }

  async takeUdp(): Promise<readonly SentDatagram[]> {
    this.#settle();
    const count = (): number =>
      this.#remotes.reduce((sum, { received }) => sum + received.length, 0);
    for (let before = -1; before < count();) {
      before = count();
      await settled(DATAGRAMS_SETTLE_MS);
    }
    return this.#remotes.flatMap((remote, i) =>
      remote.received.splice(0).map((datagram) => ({ ...datagram, remote: i })),
    );
  }

  async takeEvents(): Promise<readonly DataPlaneEvent[]> {
    this.#settle();
    if (!this.#closed) this.#native.pair.report();
    // The report is on its way when the next call comes back.
    this.#settle();
    await settled(EVENTS_SETTLE_MS);
    return this.#events.splice(0);
  }

  setMtu(mtu: number): Promise<void> {
    this.#native.pair.link(true, mtu);
    this.#settle();
    return Promise.resolve();
  }

  async advance(ms: number): Promise<void> {
    await sleep(ms);
  }

  readonly faults: SocketFaults = {
    failSends: (failure) => {
      const send = constants.errno[failure as keyof typeof constants.errno];
      this.#fail({ send: failure === null ? 0 : send });
    },
    makeLocalStale: () => this.#fail({ localOnce: true }),
    refuseWrites: (refuse) => this.#fail({ write: refuse ? constants.errno.EIO : 0 }),
  };

  #fail(change: EngineFaults): void {
    this.#faults = { ...this.#faults, ...change };
    this.#native.pair.fail(this.#faults);
    this.#faults = { ...this.#faults, localOnce: false };
  }

  close(): Promise<void> {
    this.engine.close();
    for (const remote of this.#remotes) remote.close();
    this.#end();
    return Promise.resolve();
  }
}

/** A peer's socket. */
class Remote {
  readonly received: Omit<SentDatagram, 'remote'>[] = [];
  readonly port: number;
  readonly #io: IoAddon;
  readonly #socket: UdpHandle;
  readonly #buffer = Buffer.allocUnsafeSlow(C.udpBatchDatagrams * C.udpSlotBytes);
  readonly #records = Buffer.alloc(C.udpBatchDatagrams * C.recordBytes);

  readonly family: 4 | 6;
  readonly address: string;

  constructor(io: IoAddon, family: 4 | 6, address: string) {
    this.#io = io;
    this.family = family;
    this.address = address;
    const socket = io.udpOpen(family, 0, 0, this.#buffer, this.#records, (count) =>
      this.#take(count),
    );
    if (typeof socket === 'number') throw new Error(`no IPv${family} socket: ${socket}`);
    this.#socket = socket;
    this.port = io.udpPort(socket);
  }

  #take(count: number): void {
    for (let i = 0; i < count; i++) {
      const record = i * C.recordBytes;
      const start = this.#records.readUInt32LE(record + C.recordOffset);
      const end = start + this.#records.readUInt32LE(record + C.recordLength);
      this.received.push({
        bytes: Uint8Array.from(this.#buffer.subarray(start, end)),
        trafficClass: this.#records[record + C.recordTrafficClass]!,
      });
    }
  }

  send(port: number, bytes: Uint8Array, trafficClass: number): void {
    const { family, address } = this;
    const path = encodePath({ remote: { family, address, port, scopeId: 0 }, local: null });
    const outcome = this.#io.udpSend(this.#socket, bytes, path, trafficClass);
    if (outcome !== 0) throw new Error(`send failed: ${outcome}`);
  }

  close(): void {
    this.#io.udpClose(this.#socket);
  }
}
