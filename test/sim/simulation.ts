// One run from one seed: trouble, then peace, then the proof that everybody gets through.
import type { FaultKind } from './faults.js';
import { FAULT_KINDS, Pending, strike } from './faults.js';
import type { Conditions } from './network.js';
import { CALM } from './network.js';
import { guestPrefix } from './operator.js';
import { Random } from './random.js';
import type { UserPacket } from './userTraffic.js';
import { must } from './violation.js';
import { World } from './world.js';

/**
 * After the network is healed, a pair with traffic both ways delivers both ways within this time:
 * silence is noticed after 15 s and a third, an initiation may have to wait another 5 s and a
 * third, and a cookie may cost as much again.
 */
export const CONVERGENCE_MS = 27_000;
/** A packet that waits for an unreachable peer arrives this soon after the peer can be reached. */
export const RETRY_MS = 5_600;

const CHECK_INTERVAL_MS = 500;
const SEND_INTERVAL_MS = 500;

export interface SimulationResult {
  readonly sessions: number;
  readonly packets: number;
  readonly delivered: number;
  /** The slowest pair to get through after the healing. */
  readonly convergedMs: number;
}

export class Simulation {
  readonly world: World;
  readonly #random: Random;
  readonly #isCalm: boolean;
  readonly #pending = new Pending();
  #isOver = false;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#isCalm = this.#random.chance(0.2);
    const count = this.#random.pick([2, 2, 3, 3, 4]);
    const behindNat = Array.from({ length: count }, (_, i) => i > 0 && this.#random.chance(0.4));
    this.world = new World(this.#random.fork(), behindNat);
  }

  /** Throws Violation if an invariant breaks. */
  run(): SimulationResult {
    const { world } = this;
    this.#watch();
    this.#startAgents();
    world.runFor(5_000);
    if (this.#isCalm) this.#calm();
    else this.#trouble();
    const convergedMs = this.#heal();
    this.#roam();
    if (this.#random.chance(0.3)) this.#silence();
    if (this.#random.chance(0.4)) this.#retryAfterPartition();
    this.#isOver = true;
    world.checkInvariants();
    world.checkLog();
    const { packets } = world.traffic;
    const delivered = packets.filter(({ deliveredAtMs }) => deliveredAtMs !== null).length;
    return { sessions: world.ledger.sessions, packets: packets.length, delivered, convergedMs };
  }

  #watch(): void {
    if (this.#isOver) return;
    this.world.checkInvariants();
    this.world.time.schedule(CHECK_INTERVAL_MS, () => this.#watch());
  }

  #startAgents(): void {
    for (const { name } of this.world.machines) {
      const delayMs = this.#random.between(0, 3_000);
      this.world.time.schedule(delayMs, () => this.world.start(name));
    }
  }

  /** Nothing goes wrong: nothing may be lost, and handshakes are as rare as they can be. */
  #calm(): void {
    const { world } = this;
    const durationMs = this.#random.between(200_000, 700_000);
    const delayMs = this.#random.pick([5, 300]);
    const conditions = { minDelayMs: delayMs, maxDelayMs: delayMs, congestionRate: 0.2 };
    world.network.conditions = { ...CALM, ...conditions };
    const sessionsBefore = world.ledger.sessions;
    const stop = this.#users(durationMs);
    world.runFor(durationMs);
    stop();
    world.runFor(3_000);
    const lost = world.traffic.packets.filter((packet) => this.#wasLost(packet));
    must(lost.length === 0, () => `a calm network lost packet ${lost[0]!.id}`);
    // Two ends of a session each; one to begin with, and one that crossed or was late.
    const perPair = 2 * (Math.ceil(durationMs / 120_000) + 2);
    const sessions = world.ledger.sessions - sessionsBefore;
    const most = perPair * world.pairs.length;
    must(sessions <= most, () => `${sessions} sessions in a calm network, not ${most} at most`);
  }

  /** Packets that nobody refuses: to an endpoint that is known, from an address that is allowed. */
  #wasLost({ from, to, source, deliveredAtMs }: UserPacket): boolean {
    if (deliveredAtMs !== null || !this.world.operator.allows(to, from, source)) return false;
    return this.world.machine(from).config.peers.get(to)?.endpoint !== null;
  }

  #trouble(): void {
    const { world } = this;
    const random = this.#random;
    const durationMs = random.between(60_000, 700_000);
    const kinds = FAULT_KINDS.filter(() => random.chance(0.5));
    const intervalMs = random.between(2_000, 40_000);
    const stop = this.#users(durationMs);
    const end = world.nowMs + durationMs;
    const next = (): void => {
      if (world.nowMs >= end) return;
      if (kinds.length > 0) this.#trouble1(kinds);
      world.time.schedule(random.between(0, 2 * intervalMs), next);
    };
    world.network.conditions = this.#conditions();
    next();
    world.runFor(durationMs);
    stop();
  }

  #trouble1(kinds: readonly FaultKind[]): void {
    if (this.#random.chance(0.2)) this.world.network.conditions = this.#conditions();
    strike(this.#random.pick(kinds), this.world, this.#pending);
  }

  #conditions(): Conditions {
    const random = this.#random;
    const sometimes = (rate: number): number => (random.chance(0.5) ? random.between(0, rate) : 0);
    const minDelayMs = random.between(0.1, 100);
    return {
      lossRate: sometimes(0.4),
      duplicateRate: sometimes(0.3),
      corruptionRate: sometimes(0.2),
      congestionRate: sometimes(0.5),
      minDelayMs,
      maxDelayMs: minDelayMs + sometimes(400),
    };
  }

  /** Users on both ends of every pair, each with habits of their own. */
  #users(durationMs: number): () => void {
    const { world } = this;
    const random = this.#random;
    let stopped = false;
    for (const { a, b } of world.pairs) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const pauseMs = random.pick([1_500, 5_000, 20_000, 90_000, 400_000]);
        const burst = random.pick([1, 1, 2, 10]);
        const next = (): void => {
          if (stopped) return;
          for (let i = random.integer(1, burst); i > 0; i--)
            world.send(from, to, this.#source(from));
          world.time.schedule(random.between(0, 2 * pauseMs), next);
        };
        world.time.schedule(random.between(0, Math.min(durationMs, pauseMs)), next);
      }
    }
    return () => {
      stopped = true;
    };
  }

  /** Now and then an inner address that the sender may not use, or only sometimes. */
  #source(from: string): string | undefined {
    if (this.#random.chance(0.9)) return undefined;
    const { number } = this.world.machine(from).config;
    const guest = guestPrefix(number).replace('.0/24', '.7');
    return this.#random.pick([guest, '172.16.0.1', `10.${number + 1}.0.1`, `10.${number - 1}.0.1`]);
  }

  /** Ends all trouble; every pair must get through both ways. */
  #heal(): number {
    const { world } = this;
    world.note('healed');
    this.#pending.finish();
    this.#agree();
    world.network.heal({ ...CALM, maxDelayMs: 25 });
    for (const { agent, clock, name } of world.machines) {
      clock.wallOffsetMs = world.wallOffsetMs;
      agent.resume();
      if (!agent.running) world.start(name);
      agent.link(true);
      agent.configure(() => world.operator.wholeChange(name));
    }
    const healedAtMs = world.nowMs;
    const open = new Map<string, UserPacket[]>();
    for (const { a, b } of world.pairs) open.set(`${a} ${b}`, []).set(`${b} ${a}`, []);
    let convergedMs = 0;
    while (open.size > 0) {
      const elapsedMs = world.nowMs - healedAtMs;
      must(elapsedMs <= CONVERGENCE_MS, () => `not delivered: ${[...open.keys()].join(', ')}`);
      for (const [direction, packets] of open) {
        const [from = '', to = ''] = direction.split(' ');
        const packet = world.send(from, to);
        if (packet !== null) packets.push(packet);
      }
      world.runFor(SEND_INTERVAL_MS);
      for (const [direction, packets] of open) {
        const first = packets.find(({ deliveredAtMs }) => deliveredAtMs !== null);
        if (first === undefined) continue;
        open.delete(direction);
        convergedMs = Math.max(convergedMs, first.deliveredAtMs! - healedAtMs);
      }
    }
    return convergedMs;
  }

  /** Changes that crossed are brought to one end: both sides have the same keys in their files. */
  #agree(): void {
    const { machine, pairs, operator } = this.world;
    for (const { a, b } of pairs) {
      const atA = machine(a).config.peers.get(b)!;
      const atB = machine(b).config.peers.get(a)!;
      atB.presharedKey = atA.presharedKey;
      atA.publicKey = operator.publicKey(b);
      atB.publicKey = operator.publicKey(a);
    }
  }

  /** A NAT gives a machine another port: its next packet tells the peers, which use it at once. */
  #roam(): void {
    const { world } = this;
    world.runFor(1_000);
    for (const { a, b } of world.pairs) {
      for (const [mover, peer] of [
        [a, b],
        [b, a],
      ] as const) {
        const { agent, behindNat } = world.machine(mover);
        if (!behindNat) continue;
        world.note(`${mover} is rebound`);
        agent.endpoint = { ...agent.endpoint, port: this.#random.integer(1024, 65_535) };
        this.#mustFollow(mover, peer);
      }
    }
  }

  /** At once; or, where the session has just expired, as soon as a handshake is retried. */
  #mustFollow(mover: string, peer: string): void {
    const { world } = this;
    for (const startMs = world.nowMs; world.nowMs - startMs < RETRY_MS;) {
      world.send(mover, peer);
      world.runFor(100);
      const answer = world.send(peer, mover);
      world.runFor(100);
      if (answer?.deliveredAtMs !== null) return;
    }
    must(false, () => `${peer} did not follow ${mover}`);
  }

  /** Nobody says anything for so long that old keys must go; checkInvariants looks for them. */
  #silence(): void {
    this.world.note('silence');
    this.world.runFor(600_000);
  }

  /** One packet each while nobody can be reached: the retries alone must bring it through. */
  #retryAfterPartition(): void {
    const { world } = this;
    world.note('all restart, partitioned');
    for (const { name, agent } of world.machines) {
      agent.crash();
      world.start(name);
    }
    for (const { a, b } of world.pairs) world.network.partition(a, b, true);
    world.runFor(100);
    const packets = world.pairs
      .flatMap(({ a, b }) => [world.send(a, b), world.send(b, a)])
      .filter((packet) => packet !== null)
      .filter(({ from, to }) => world.machine(from).config.peers.get(to)?.endpoint !== null);
    world.runFor(this.#random.between(1_000, 80_000));
    world.note('reachable again');
    world.network.heal(CALM);
    world.runFor(RETRY_MS);
    const late = packets.find(({ deliveredAtMs }) => deliveredAtMs === null);
    must(late === undefined, () => `packet ${late!.id} of ${late!.from} was not retried`);
  }
}
