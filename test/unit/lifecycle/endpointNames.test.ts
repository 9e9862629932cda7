// When names are looked up and which address is tried, in virtual time. SPEC.md 8.9.
import test from 'ava';
import type { Endpoint } from '../../../src/base/ip.js';
import { instant, wallTime, type Moment } from '../../../src/base/time.js';
import {
  EndpointNames,
  OBSERVE_EVERY_MS,
  SILENT_AFTER_MS,
  TURN_MS,
  parseStartRetries,
  type EndpointNamesEffect,
  type EndpointNamesSettings,
} from '../../../src/agent/lifecycle/endpointNames.js';

const at = (address: string): Endpoint => ({ family: 4, address, port: 51820, scopeId: 0 });
const [A, B, C] = [at('192.0.2.1'), at('192.0.2.2'), at('192.0.2.3')];
const ROAMED = at('198.51.100.9');
const PEER = { id: 'alice', host: 'vpn.example', port: 51820 };

interface Step {
  readonly atS: number;
  readonly effect: string;
}

/** A peer, a name server and a clock around the machine. */
class World {
  readonly machine: EndpointNames;
  readonly steps: Step[] = [];
  nowMs = 0;
  /** What the name server says; empty for a failure. */
  answer: readonly Endpoint[] = [];
  endpoint: Endpoint | null = null;
  handshakeAtMs: number | null = null;
  pending = false;
  /** Added to the wall clock. */
  wallJumpMs = 0;

  constructor(settings: Partial<EndpointNamesSettings> = {}) {
    const known = settings.known ?? new Map<string, readonly Endpoint[]>();
    this.endpoint = known.get(PEER.id)?.[0] ?? null;
    this.machine = new EndpointNames(
      { peers: [PEER], known, intervalMs: 30_000, startRetries: 15, ...settings },
      this.now,
    );
  }

  get now(): Moment {
    return {
      boot: instant(1_000_000 + this.nowMs),
      wall: wallTime(5_000_000 + this.nowMs + this.wallJumpMs),
    };
  }

  handshake(): void {
    this.handshakeAtMs = this.nowMs + this.wallJumpMs;
    this.pending = false;
  }

  /** Lets time pass; everything that happens lands in `steps`. */
  runTo(seconds: number): void {
    for (;;) {
      const next = this.machine.nextTimeout();
      if (next === null || next - 1_000_000 > seconds * 1000) break;
      this.nowMs = Math.max(this.nowMs, next - 1_000_000);
      this.observe();
      this.apply(this.machine.handleTimeout(this.now));
    }
    this.nowMs = Math.max(this.nowMs, seconds * 1000);
  }

  observe(): void {
    const lastHandshakeAt =
      this.handshakeAtMs === null ? null : wallTime(5_000_000 + this.handshakeAtMs);
    const liveness = { endpoint: this.endpoint, lastHandshakeAt, handshakePending: this.pending };
    this.apply(this.machine.handle({ kind: 'observed', peer: PEER.id, liveness }, this.now));
  }

  apply(effects: readonly EndpointNamesEffect[]): void {
    for (const effect of effects) {
      const atS = Math.round(this.nowMs / 100) / 10;
      if (effect.kind === 'setEndpoint') {
        this.endpoint = effect.endpoint;
        this.steps.push({ atS, effect: effect.endpoint.address });
      } else {
        this.steps.push({ atS, effect: 'lookUp' });
        const event = { kind: 'answered', peer: effect.peer, addresses: this.answer } as const;
        this.apply(this.machine.handle(event, this.now));
      }
    }
  }

  lookUps(): number[] {
    return this.steps.filter(({ effect }) => effect === 'lookUp').map(({ atS }) => atS);
  }

  set(): string[] {
    return this.steps.filter(({ effect }) => effect !== 'lookUp').map(({ effect }) => effect);
  }
}

const knowing = (...endpoints: Endpoint[]): Partial<EndpointNamesSettings> => ({
  known: new Map([[PEER.id, endpoints]]),
});

test('without names nothing is ever due', (t) => {
  t.is(new World({ peers: [] }).machine.nextTimeout(), null);
});

test('a name that has no answer is asked for with a growing delay, at most 20 s apart', (t) => {
  const world = new World();
  world.runTo(60);
  const times = world.lookUps();
  const delays = times.slice(1).map((s, i) => s - times[i]!);
  for (const [i, delay] of delays.entries())
    t.true(Math.abs(delay - 1.2 ** i) <= 0.11 || delay > 19);
  t.true(delays.length > 8 && Math.max(...delays) <= 20.1);
});

test('after the retries of the start it is asked for once a minute', (t) => {
  const world = new World({ startRetries: 2 });
  world.runTo(130);
  t.deepEqual(world.lookUps(), [0, 1, 2.2, 62.2, 122.2]);
  const none = new World({ startRetries: 0 });
  none.runTo(70);
  t.deepEqual(none.lookUps(), [0, 60]);
});

test('the first answer is used, in the order of preference', (t) => {
  const world = new World();
  world.runTo(3);
  world.answer = [A, B];
  world.runTo(10);
  t.deepEqual(world.set(), ['192.0.2.1']);
});

test('a peer that came by itself keeps its address while it is live', (t) => {
  const world = new World();
  world.endpoint = ROAMED;
  world.handshake();
  world.answer = [A];
  world.runTo(100);
  t.deepEqual(world.set(), []);
  t.is(world.lookUps().length, 1);
});

test('a live peer is left alone, whatever the name says and wherever it roamed', (t) => {
  const world = new World(knowing(A));
  world.answer = [B];
  for (let minute = 0; minute < 30; minute++) {
    world.handshake();
    if (minute === 10) world.endpoint = ROAMED;
    world.runTo(minute * 60 + 60);
  }
  t.deepEqual(world.steps, []);
});

test('a peer that fell silent is looked up at once and then every interval', (t) => {
  const world = new World(knowing(A));
  world.handshake();
  world.answer = [A];
  world.runTo(300);
  const [first, second, third] = world.lookUps();
  t.true(
    first! > SILENT_AFTER_MS / 1000 && first! <= SILENT_AFTER_MS / 1000 + OBSERVE_EVERY_MS / 1000,
  );
  t.is(second! - first!, 30);
  t.is(third! - second!, 30);
  t.deepEqual(world.set(), [], 'an answer that still holds the address changes nothing');
});

test('a silent peer follows its name to another address', (t) => {
  const world = new World(knowing(A));
  world.handshake();
  world.answer = [B, C];
  world.runTo(145);
  t.deepEqual(world.set(), ['192.0.2.2']);
});

test('an answer in another order, or with more addresses, changes nothing', (t) => {
  const world = new World(knowing(A, B));
  world.answer = [C, B, A];
  world.runTo(200);
  t.deepEqual(world.set(), []);
});

test('while handshakes go unanswered, the addresses take turns', (t) => {
  const world = new World(knowing(A, B, C));
  world.answer = [A, B, C];
  world.pending = true;
  world.runTo(80);
  t.deepEqual(world.set(), ['192.0.2.2', '192.0.2.3', '192.0.2.1', '192.0.2.2', '192.0.2.3']);
  const times = world.steps.filter(({ effect }) => effect !== 'lookUp').map(({ atS }) => atS);
  for (const [i, s] of times.slice(1).entries()) t.true(s - times[i]! >= TURN_MS / 1000);
});

test('handshakes that go unanswered for 15 s count although the last one is fresh', (t) => {
  const world = new World(knowing(A, B));
  world.answer = [A, B];
  world.handshake();
  world.runTo(50);
  world.pending = true;
  world.runTo(75);
  t.deepEqual(world.set(), ['192.0.2.2']);
  t.is(world.lookUps().length, 1);
});

test('a short renewal of the session is no silence', (t) => {
  const world = new World(knowing(A, B));
  for (let minute = 0; minute < 20; minute++) {
    world.pending = true;
    world.runTo(minute * 120 + 6);
    world.handshake();
    world.runTo(minute * 120 + 120);
  }
  t.deepEqual(world.steps, []);
});

test('the turns end with the handshake that comes', (t) => {
  const world = new World(knowing(A, B, C));
  world.answer = [A, B, C];
  world.pending = true;
  world.runTo(18);
  world.handshake();
  const { length } = world.set();
  world.runTo(140);
  t.is(world.set().length, length);
});

test('a peer that nobody talks to keeps the address it roamed to', (t) => {
  const world = new World(knowing(A, B));
  world.answer = [A, B];
  world.endpoint = ROAMED;
  world.runTo(600);
  t.deepEqual(world.set(), []);
});

test('a roamed address that no longer answers gives way to the name, the one in use first', (t) => {
  const world = new World(knowing(A, B));
  world.answer = [A, B];
  world.handshake();
  world.runTo(10);
  world.endpoint = ROAMED;
  world.runTo(100);
  world.pending = true;
  world.runTo(150);
  t.deepEqual(world.set().slice(0, 2), ['192.0.2.1', '192.0.2.2']);
});

test('a failing look-up keeps the addresses that are known', (t) => {
  const world = new World(knowing(A, B));
  world.pending = true;
  world.runTo(50);
  t.deepEqual(world.set(), ['192.0.2.2', '192.0.2.1', '192.0.2.2']);
  t.is(world.lookUps().length, 1);
});

test('with an interval of 0 nothing is looked up after the first answer', (t) => {
  const world = new World({ intervalMs: 0 });
  world.answer = [A, B];
  world.pending = true;
  world.runTo(1_000);
  t.is(world.lookUps().length, 1);
  t.true(world.set().length > 10, 'the addresses still take turns');
  const known = new World({ ...knowing(A), intervalMs: 0 });
  known.runTo(1_000);
  t.deepEqual(known.steps, []);
});

test('a wall clock that jumps makes no live peer silent, and none live', (t) => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const world = new World(knowing(A));
    world.answer = [B];
    world.handshake();
    world.runTo(20);
    world.wallJumpMs = jumpMs;
    world.runTo(130);
    t.deepEqual(world.steps, [], 'still live');
    world.runTo(150);
    t.deepEqual(world.set(), ['192.0.2.2']);
    world.handshake();
    const { length } = world.steps;
    world.runTo(275);
    t.is(world.steps.length, length, 'live again, by the jumped clock');
  }
});

const configured = (world: World, settings: Partial<EndpointNamesSettings>): void =>
  world.apply(
    world.machine.handle(
      {
        kind: 'configured',
        settings: {
          peers: [PEER],
          known: new Map(),
          intervalMs: 30_000,
          startRetries: 15,
          ...settings,
        },
      },
      world.now,
    ),
  );

test('a reload with the same name keeps what is known', (t) => {
  const world = new World(knowing(A));
  world.handshake();
  world.runTo(20);
  configured(world, {});
  world.runTo(100);
  t.deepEqual(world.steps, []);
});

test('a new name in a reload is used at its first answer, although the peer is live', (t) => {
  const world = new World(knowing(A));
  world.handshake();
  world.runTo(20);
  world.answer = [C];
  configured(world, { peers: [{ ...PEER, host: 'other.example' }] });
  world.runTo(30);
  t.deepEqual(world.set(), ['192.0.2.3']);
  world.runTo(100);
  t.is(world.lookUps().length, 1);
});

test('a peer that is gone from the configuration is not looked up any more', (t) => {
  const world = new World();
  world.runTo(2);
  const { length } = world.steps;
  configured(world, { peers: [] });
  world.runTo(100);
  t.is(world.steps.length, length);
  t.deepEqual(
    world.machine.handle({ kind: 'answered', peer: PEER.id, addresses: [A] }, world.now),
    [],
  );
});

test('WG_ENDPOINT_RESOLUTION_RETRIES is a number or infinity', (t) => {
  t.deepEqual(['3', '0', 'infinity', undefined, '', 'x', '-1', '1e9'].map(parseStartRetries), [
    3,
    0,
    Infinity,
    15,
    15,
    15,
    15,
    15,
  ]);
});
