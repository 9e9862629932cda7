// What the log says of every tunnel key, and how long each was used.
import type { Transition } from '../../../src/rotation/rotationEvents.js';
import { must } from '../violation.js';

/** What may follow what for one key while the agent runs. */
const FOLLOWERS: Readonly<Record<Transition, readonly Transition[]>> = {
  drawn: ['signed', 'discarded'],
  signed: ['announced', 'activated', 'discarded'],
  announced: ['activated', 'discarded'],
  activated: ['confirmed', 'rolledBack', 'ended'],
  confirmed: ['ended'],
  rolledBack: [],
  ended: [],
  discarded: [],
  unusable: [],
};

/** What the first line about a key may be after a restart. */
const AFTER_RESTART: readonly Transition[] = [
  'drawn',
  'announced',
  'confirmed',
  'rolledBack',
  'ended',
];

export interface KeyUseLimits {
  readonly periodMs: number;
  readonly overlapMs: number;
}

interface Use {
  readonly firstAtMs: number;
  /** How far the wall clock was off at the first use. */
  readonly wallOffsetMs: number;
  /** The last start in another boot at which the wall clock was off by something else. */
  misledAtMs: number | null;
}

/** One device's keys. */
export class KeyUse {
  readonly #name: string;
  readonly #limits: KeyUseLimits;
  readonly #uses = new Map<bigint, Use>();
  #last = new Map<bigint, Transition>();
  #live = new Set<bigint>();
  #shown: readonly bigint[] = [];
  #fresh = true;
  activations = 0;
  longestMs = 0;
  readonly counts = new Map<Transition, number>();

  constructor(name: string, limits: KeyUseLimits) {
    this.#name = name;
    this.#limits = limits;
  }

  /** The agent started. `otherBoot`: the state that it found is another boot's. */
  started(nowMs: number, otherBoot: boolean, wallOffsetMs: number): void {
    this.#last = new Map();
    this.#live = new Set();
    this.#shown = [];
    this.#fresh = true;
    if (!otherBoot) return;
    for (const use of this.#uses.values()) {
      if (use.wallOffsetMs !== wallOffsetMs) use.misledAtMs = nowMs;
    }
  }

  transition(transition: Transition, epoch: bigint): void {
    const before = this.#last.get(epoch);
    const allowed = before === undefined ? AFTER_RESTART : FOLLOWERS[before];
    must(allowed.includes(transition), () => {
      return `${this.#name}: key ${epoch} is ${transition} after ${before ?? 'a restart'}`;
    });
    this.#last.set(epoch, transition);
    this.counts.set(transition, (this.counts.get(transition) ?? 0) + 1);
    if (transition === 'activated') {
      this.#live.add(epoch);
      this.activations++;
      // Again: a crash lost the activation, which couldn't be written (10.41). It counts anew.
      this.#uses.delete(epoch);
    }
    if (transition === 'ended' || transition === 'rolledBack') this.#live.delete(epoch);
  }

  /** The list of keys in use changed. The first one after a start is what the disk had. */
  shown(epochs: readonly bigint[]): void {
    if (this.#fresh) for (const epoch of epochs) this.#live.add(epoch);
    this.#fresh = false;
    for (const epoch of epochs) {
      must(
        this.#live.has(epoch),
        () => `${this.#name}: key ${epoch} is in use, unknown to the log`,
      );
    }
    for (const epoch of this.#shown) {
      const gone = !epochs.includes(epoch) && this.#live.has(epoch);
      must(!gone, () => `${this.#name}: key ${epoch} isn't in use any more, unknown to the log`);
    }
    this.#shown = epochs;
  }

  used(epoch: bigint, nowMs: number, wallOffsetMs: number): void {
    const use = this.#uses.get(epoch) ?? { firstAtMs: nowMs, wallOffsetMs, misledAtMs: null };
    this.#uses.set(epoch, use);
    const { periodMs, overlapMs } = this.#limits;
    const usedMs = nowMs - use.firstAtMs;
    const afterMisledMs = use.misledAtMs === null ? Infinity : nowMs - use.misledAtMs;
    must(usedMs <= periodMs + overlapMs || afterMisledMs <= overlapMs, () => {
      const hours = (usedMs / 3_600_000).toFixed(2);
      return `${this.#name}: key ${epoch} is used for ${hours} h`;
    });
    if (afterMisledMs === Infinity) this.longestMs = Math.max(this.longestMs, usedMs);
  }
}
