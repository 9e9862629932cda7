// The sodium engine over fake ports and virtual time.
import { openSodiumEngine } from '../../src/dataPlane/sodiumEngine.js';
import type { Instant } from '../../src/base/time.js';
import type { DataPlane, DataPlaneEvent } from '../../src/ports/dataPlane.js';
import type { Path } from '../../src/ports/udp.js';
import { VirtualClock, VirtualTime } from '../support/virtualTime.js';
import type {
  EngineHarness,
  IncomingDatagram,
  SentDatagram,
  SocketFaults,
} from './engineHarness.js';
import { FakeTun, FakeUdp } from './fakePorts.js';

const REMOTES: readonly Path[] = [
  { remote: { family: 4, address: '192.0.2.1', port: 51820, scopeId: 0 }, local: null },
  { remote: { family: 6, address: '2001:db8::2', port: 51821, scopeId: 0 }, local: null },
];

export class SodiumHarness implements EngineHarness {
  readonly engine: DataPlane;
  readonly tun: FakeTun;
  readonly udp: FakeUdp;
  readonly #time = new VirtualTime(1_000_000);
  readonly #clock = new VirtualClock(this.#time, 1_790_000_000_000);
  #events: DataPlaneEvent[] = [];
  #inCall = false;
  listenerReentered = false;

  private constructor() {
    let tun: FakeTun | null = null;
    let udp: FakeUdp | null = null;
    const engine = openSodiumEngine({
      openTun: (events) => (tun = new FakeTun(events)),
      openUdp: (events) => (udp = new FakeUdp(events)),
      clock: this.#clock,
      listener: (events) => {
        if (this.#inCall) this.listenerReentered = true;
        this.#events.push(...events);
      },
    });
    this.engine = this.#watched(engine);
    this.tun = tun!;
    this.udp = udp!;
  }

  static async open(): Promise<SodiumHarness> {
    const harness = new SodiumHarness();
    harness.engine.bind(0);
    await harness.setMtu(1420);
    await harness.takeEvents();
    return harness;
  }

  /** Notes while a call of the engine is under way. */
  #watched(engine: DataPlane): DataPlane {
    return new Proxy(engine, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          this.#inCall = true;
          try {
            return Reflect.apply(member, target, args);
          } finally {
            this.#inCall = false;
          }
        };
      },
    });
  }

  now = (): Instant => this.#clock.now();

  path(remote: number): Path {
    return REMOTES[remote]!;
  }

  deliverToTun(...packets: readonly Uint8Array[]): Promise<void> {
    this.tun.deliver(packets);
    return Promise.resolve();
  }

  takeFromTun(): Promise<readonly Uint8Array[]> {
    return Promise.resolve(this.tun.written.splice(0));
  }

  deliverUdp(remote: number, ...datagrams: readonly IncomingDatagram[]): Promise<void> {
    const path: Path = {
      remote: REMOTES[remote]!.remote,
      local: { address: remote === 0 ? '198.51.100.1' : '2001:db8::ff', interfaceIndex: 3 },
    };
    this.udp.deliver(datagrams.map(({ bytes, ecn = 0 }) => ({ bytes, path, ecn })));
    return Promise.resolve();
  }

  takeUdp(): Promise<readonly SentDatagram[]> {
    const sent = this.udp.sent.splice(0).map(({ bytes, path, trafficClass }) => ({
      bytes,
      remote: REMOTES.findIndex(({ remote }) => remote.address === path.remote.address),
      trafficClass,
    }));
    return Promise.resolve(sent);
  }

  takeEvents(): Promise<readonly DataPlaneEvent[]> {
    this.#time.advanceTo(this.#time.nowMs);
    const events = this.#events;
    this.#events = [];
    return Promise.resolve(events);
  }

  setMtu(mtu: number): Promise<void> {
    this.tun.link(true, mtu);
    return Promise.resolve();
  }

  advance(ms: number): Promise<void> {
    this.#time.advanceTo(this.#time.nowMs + ms);
    return Promise.resolve();
  }

  readonly faults: SocketFaults = {
    failSends: (failure) => {
      this.udp.failure = failure;
    },
    makeLocalStale: () => {
      this.udp.localStale = true;
    },
    refuseWrites: (refuse) => {
      this.tun.refuseWrites = refuse;
    },
  };

  close(): Promise<void> {
    this.engine.close();
    return Promise.resolve();
  }
}
