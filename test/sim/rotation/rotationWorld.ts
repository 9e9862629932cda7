// Thirty days of devices that rotate their tunnel keys over a lossy network, sleep, crash, lose
// power, and have clocks that step. SPEC.md 10.40 to 10.44.
import { keyOfAttempt } from '../../../src/rotation/rotationEvents.js';
import { VirtualTime } from '../../support/virtualTime.js';
import { Random } from '../random.js';
import { must } from '../violation.js';
import { RotationNode } from './rotationNode.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
export const DURATION_MS = 30 * DAY_MS;

/** Two devices that are awake and can reach each other get through within this time. */
export const TALK_WITHIN_MS = 10 * MINUTE_MS;
const ATTEMPT_EVERY_MS = 10_000;
const LOSS_MAX = 0.2;

interface Pair {
  readonly a: RotationNode;
  readonly b: RotationNode;
  /** Since when nothing is between them; null while they are apart. */
  connectedSinceMs: number | null;
}

export interface RotationResult {
  readonly calls: number;
  readonly attempts: number;
  readonly activations: number;
  readonly rolledBack: number;
  readonly crashes: number;
  /** The longest use of a key whose device's clock was never wrong at a boot. */
  readonly longestUseMs: number;
  readonly slowestCallMs: number;
}

export class RotationWorld {
  readonly trace: string[] = [];
  readonly #time = new VirtualTime(0);
  readonly #random: Random;
  readonly #nodes: readonly RotationNode[];
  readonly #pairs: readonly Pair[];
  readonly #lossRate: number;
  #calls = 0;
  #attempts = 0;
  #slowestMs = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    const count = this.#random.integer(2, 4);
    this.#lossRate = this.#random.chance(0.3) ? 0 : this.#random.between(0, LOSS_MAX);
    this.#nodes = Array.from({ length: count }, (_, i) => this.#node(`node${i + 1}`));
    this.#pairs = this.#nodes.flatMap((a, i) =>
      this.#nodes.slice(i + 1).map((b): Pair => ({ a, b, connectedSinceMs: 0 })),
    );
  }

  /** Throws Violation if an invariant breaks. */
  run(): RotationResult {
    for (const node of this.#nodes) {
      node.crashRate = this.#random.chance(0.5) ? this.#random.between(0, 0.15) : 0;
      this.#after(this.#random.between(0, HOUR_MS), () => node.start());
      this.#restartsWhatCrashed(node);
      this.#after(this.#random.between(DAY_MS, 3 * DAY_MS), () => this.#trouble(node));
    }
    for (const pair of this.#pairs) {
      this.#after(this.#random.between(HOUR_MS, 2 * HOUR_MS), () => this.#callNow(pair));
      this.#after(this.#random.between(0, 4 * DAY_MS), () => this.#partition(pair));
    }
    this.#time.advanceTo(DURATION_MS);
    return this.#result();
  }

  #result(): RotationResult {
    const sum = (of: (node: RotationNode) => number): number =>
      this.#nodes.reduce((total, node) => total + of(node), 0);
    const activations = sum(({ use }) => use.activations);
    // Even who is off or asleep for half of the time rotates every other day.
    must(activations >= 10 * this.#nodes.length, () => `only ${activations} rotations in 30 days`);
    return {
      calls: this.#calls,
      attempts: this.#attempts,
      activations,
      rolledBack: sum(({ use }) => use.counts.get('rolledBack') ?? 0),
      crashes: sum(({ crashes }) => crashes),
      longestUseMs: Math.max(...this.#nodes.map(({ use }) => use.longestMs)),
      slowestCallMs: this.#slowestMs,
    };
  }

  #node(name: string): RotationNode {
    return new RotationNode({
      name,
      time: this.#time,
      random: this.#random.fork(),
      note: (line) => this.#note(line),
      announce: (from, credential) => {
        for (const to of this.#nodes) if (to !== from) this.#announce(from, to, credential);
      },
    });
  }

  #note(line: string): void {
    const days = (this.#time.nowMs / DAY_MS).toFixed(5);
    this.trace.push(`day ${days}: ${line}`);
  }

  #after(delayMs: number, work: () => void): void {
    this.#time.schedule(delayMs, work);
  }

  #pairOf(a: RotationNode, b: RotationNode): Pair {
    return this.#pairs.find(
      (pair) => (pair.a === a && pair.b === b) || (pair.a === b && pair.b === a),
    )!;
  }

  /** A message from one to the other, if it gets there. */
  #send(from: RotationNode, to: RotationNode, arrive: () => void): void {
    const pair = this.#pairOf(from, to);
    const copies = this.#random.chance(0.05) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (pair.connectedSinceMs === null || this.#random.chance(this.#lossRate)) continue;
      this.#after(this.#random.between(1, 400), () => {
        if (to.awake && pair.connectedSinceMs !== null) arrive();
      });
    }
  }

  #announce(from: RotationNode, to: RotationNode, credential: Uint8Array): void {
    this.#send(from, to, () => to.accepts(credential, 'announcement', from.identity));
  }

  /** Calls every half an hour or so, until one gets through. */
  #callNow(pair: Pair): void {
    const [from, to] = this.#random.chance(0.5) ? [pair.a, pair.b] : [pair.b, pair.a];
    this.#calls++;
    const startedAtMs = this.#time.nowMs;
    let ended = false;
    const next = (): void =>
      this.#after(this.#random.between(15, 120) * MINUTE_MS, () => this.#callNow(pair));
    const attempt = (): void => {
      if (ended) return;
      const elapsedMs = this.#time.nowMs - startedAtMs;
      if (elapsedMs > TALK_WITHIN_MS) {
        ended = true;
        this.#mustHaveTroubles(pair, startedAtMs);
        next();
        return;
      }
      this.#handshake(from, to, () => {
        if (ended) return;
        ended = true;
        this.#slowestMs = Math.max(this.#slowestMs, this.#time.nowMs - startedAtMs);
        next();
      });
      this.#after(ATTEMPT_EVERY_MS, attempt);
    };
    attempt();
  }

  /** The lockout check: a call that failed for so long has a reason outside of the rotation. */
  #mustHaveTroubles({ a, b, connectedSinceMs }: Pair, sinceMs: number): void {
    const since = [connectedSinceMs, a.awakeSinceMs, b.awakeSinceMs];
    if (since.some((atMs) => atMs === null || atMs > sinceMs)) return;
    // Without the identity's signature there is no handshake, whatever the tunnel keys.
    if ([a, b].some((node) => node.signerBroken || node.signerBrokenAtMs > sinceMs)) {
      return;
    }
    must(false, () => `${a.name} and ${b.name} can't talk`);
  }

  #handshake(from: RotationNode, to: RotationNode, completed: () => void): void {
    const attempt = from.attempt(to.name);
    const key = from.inUse[keyOfAttempt('initiator', attempt, from.inUse.length)];
    if (!from.awake || key === undefined) return;
    this.#attempts++;
    from.setAttempt(to.name, attempt + 1);
    from.use.used(key.epoch, this.#time.nowMs, from.wallOffsetMs);
    let answered = false;
    this.#send(from, to, () => {
      if (to.accepts(key.credential, 'handshake', from.identity)) {
        this.#answer(from, to, () => {
          if (answered || !from.awake) return false;
          answered = true;
          from.setAttempt(to.name, 0);
          from.handle({ kind: 'handshakeCompleted', epoch: key.epoch });
          completed();
          return true;
        });
      }
    });
    this.#after(ATTEMPT_EVERY_MS - 1, () => {
      if (!answered && from.awake) from.handle({ kind: 'handshakeFailed', epoch: key.epoch });
    });
  }

  #answer(from: RotationNode, to: RotationNode, completed: () => boolean): void {
    const attempt = to.attempt(from.name);
    const key = to.inUse[keyOfAttempt('responder', attempt, to.inUse.length)];
    if (key === undefined) return;
    to.setAttempt(from.name, attempt + 1);
    to.use.used(key.epoch, this.#time.nowMs, to.wallOffsetMs);
    let confirmed = false;
    this.#send(to, from, () => {
      if (!from.accepts(key.credential, 'handshake', to.identity) || !completed()) return;
      const announced = from.announcement;
      if (announced !== null) this.#announce(from, to, announced);
      this.#send(from, to, () => {
        if (confirmed) return;
        confirmed = true;
        to.setAttempt(from.name, 0);
        to.handle({ kind: 'handshakeCompleted', epoch: key.epoch });
      });
    });
    this.#after(30_000, () => {
      if (!confirmed && to.awake) to.handle({ kind: 'handshakeFailed', epoch: key.epoch });
    });
  }

  #restartsWhatCrashed(node: RotationNode): void {
    let restarting = false;
    const look = (): void => {
      this.#after(MINUTE_MS, look);
      if (node.running || restarting || this.#off.has(node)) return;
      restarting = true;
      this.#after(this.#random.between(1_000, 10 * MINUTE_MS), () => {
        restarting = false;
        if (!this.#off.has(node)) node.start();
      });
    };
    this.#after(2 * HOUR_MS, look);
  }

  readonly #off = new Set<RotationNode>();

  #partition(pair: Pair): void {
    pair.connectedSinceMs = null;
    this.#note(`${pair.a.name} and ${pair.b.name} are apart`);
    this.#after(this.#lasting(MINUTE_MS, 2 * DAY_MS), () => {
      pair.connectedSinceMs = this.#time.nowMs;
      this.#note(`${pair.a.name} and ${pair.b.name} are connected`);
      this.#after(this.#random.between(0, 5 * DAY_MS), () => this.#partition(pair));
    });
  }

  /** From the shortest to the longest, each order of magnitude as likely as another. */
  #lasting(minMs: number, maxMs: number): number {
    return minMs * (maxMs / minMs) ** this.#random.fraction();
  }

  #trouble(node: RotationNode): void {
    this.#after(this.#random.between(0, 2 * DAY_MS), () => this.#trouble(node));
    if (this.#off.has(node)) return;
    const kind = this.#random.pick(['sleep', 'crash', 'power', 'clock', 'signer', 'disk'] as const);
    if (kind === 'sleep' && node.awake) {
      node.sleep();
      this.#after(this.#lasting(MINUTE_MS, 3 * DAY_MS), () => node.wake());
    } else if (kind === 'crash') node.crash();
    else if (kind === 'power') this.#powerOff(node);
    else if (kind === 'clock') this.#step(node);
    else if (kind === 'signer') {
      node.signerBroken = true;
      this.#note(`${node.name}: the signer fails`);
      this.#after(this.#lasting(MINUTE_MS, 6 * HOUR_MS), () => {
        node.signerBroken = false;
        node.signerBrokenAtMs = this.#time.nowMs;
        this.#note(`${node.name}: the signer works`);
      });
    } else if (kind === 'disk' && Math.abs(node.wallOffsetMs) < 30 * DAY_MS) {
      node.diskBroken = true;
      this.#note(`${node.name}: the disk fails`);
      this.#after(this.#lasting(MINUTE_MS, 2 * DAY_MS), () => {
        node.diskBroken = false;
        this.#note(`${node.name}: the disk works`);
      });
    }
  }

  /** Often the clock stands still meanwhile, as that of a board without a battery does. */
  #powerOff(node: RotationNode): void {
    node.powerOff();
    this.#off.add(node);
    const offMs = this.#lasting(MINUTE_MS, 5 * DAY_MS);
    this.#after(offMs, () => {
      this.#off.delete(node);
      if (this.#random.chance(0.4)) {
        node.wallOffsetMs -= offMs;
        this.#healsClock(node);
      }
      node.powerOn();
    });
  }

  #step(node: RotationNode): void {
    const random = this.#random;
    const sign = random.pick([-1, 1]);
    const years = random.chance(0.3) && !node.diskBroken;
    const stepMs = years
      ? random.pick([-40, 10]) * random.between(0.5, 1.2) * 365 * DAY_MS
      : sign * this.#lasting(1_000, 20 * DAY_MS);
    node.wallOffsetMs = stepMs;
    this.#note(`${node.name}: the clock is off by ${(stepMs / HOUR_MS).toFixed(2)} h`);
    this.#healsClock(node);
  }

  #healsClock(node: RotationNode): void {
    this.#after(this.#lasting(MINUTE_MS, 3 * DAY_MS), () => {
      node.wallOffsetMs = 0;
      this.#note(`${node.name}: the clock is right`);
    });
  }
}
