// A device of the rotation's simulation: its clocks, its disk, its signer, and the agent that runs,
// sleeps, or is gone. The machines are the real ones.
import { toHex } from '../../../src/base/bytes.js';
import { Secret } from '../../../src/base/secret.js';
import type { Moment } from '../../../src/base/time.js';
import { instant, wallTime } from '../../../src/base/time.js';
import { ed25519PublicKey, signEd25519 } from '../../../src/crypto/signature.js';
import type { Identity } from '../../../src/identity/identity.js';
import { identityOf } from '../../../src/identity/identity.js';
import { rotationTimes } from '../../../src/rotation/limits.js';
import { PeerEpochs } from '../../../src/rotation/peerEpochs.js';
import { Rotation } from '../../../src/rotation/rotation.js';
import type {
  RotationAlert,
  RotationEffect,
  RotationEvent,
} from '../../../src/rotation/rotationEvents.js';
import { decodeRotationState } from '../../../src/rotation/rotationState.js';
import type { Timer } from '../../../src/ports/clock.js';
import type { VirtualTime } from '../../support/virtualTime.js';
import type { Random } from '../random.js';
import { must } from '../violation.js';
import { KeyUse } from './keyUse.js';

export const PERIOD_MS = 24 * 3_600_000;
/** When virtual time 0 is. */
export const WALL_START_MS = 1_790_000_000_000;

export interface ShownKey {
  readonly epoch: bigint;
  readonly credential: Uint8Array;
}

/** An agent from its start to its crash. */
interface Run {
  readonly rotation: Rotation;
  readonly epochs: PeerEpochs;
  readonly alerts: Set<RotationAlert>;
  inUse: readonly ShownKey[];
  timer: Timer | null;
  /** What came while the device slept. */
  readonly backlog: (() => void)[];
  readonly attempts: Map<string, number>;
}

export interface NodeParts {
  readonly name: string;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly note: (line: string) => void;
  readonly announce: (from: RotationNode, credential: Uint8Array) => void;
}

export class RotationNode {
  readonly name: string;
  readonly identity: Identity;
  readonly use: KeyUse;
  readonly #parts: NodeParts;
  readonly #seed: Uint8Array;
  #run: Run | null = null;
  #asleep = false;
  #bootedAtMs = 0;
  #bootId: Uint8Array;
  #disk: Uint8Array | null = null;
  #epochsDisk: Uint8Array | null = null;
  #diskFreeAtMs = 0;
  /** Since when it has been running and awake. */
  awakeSinceMs: number | null = null;
  wallOffsetMs = 0;
  signerBroken = false;
  diskBroken = false;
  /** The last moment at which the signer didn't work. */
  signerBrokenAtMs = -Infinity;
  /** How probable a crash is at each signature and write. */
  crashRate = 0;
  crashes = 0;

  constructor(parts: NodeParts) {
    this.name = parts.name;
    this.#parts = parts;
    this.#seed = parts.random.bytes(32);
    this.identity = identityOf('ed25519', ed25519PublicKey(this.#seed))!;
    this.#bootId = parts.random.bytes(16);
    this.use = new KeyUse(parts.name, rotationTimes(PERIOD_MS));
  }

  get awake(): boolean {
    return this.#run !== null && !this.#asleep;
  }

  get running(): boolean {
    return this.#run !== null;
  }

  get inUse(): readonly ShownKey[] {
    return this.#run?.inUse ?? [];
  }

  get announcement(): Uint8Array | null {
    return this.#run?.rotation.announcement ?? null;
  }

  now(): Moment {
    const { nowMs } = this.#parts.time;
    return {
      boot: instant(nowMs - this.#bootedAtMs),
      wall: wallTime(Math.floor(WALL_START_MS + nowMs + this.wallOffsetMs)),
    };
  }

  start(): void {
    if (this.#run !== null) return;
    const { random, time } = this.#parts;
    const { identity } = this;
    const secret = this.#disk === null ? null : new Secret(this.#disk.slice());
    const saved = secret === null ? null : decodeRotationState(secret);
    must((saved === null) === (secret === null), () => `${this.name}: its state can't be read`);
    const options = { identity, bootId: this.#bootId, periodMs: PERIOD_MS, saved };
    const otherBoot = saved !== null && toHex(saved.bootId) !== toHex(this.#bootId);
    const now = this.now();
    const epochs =
      this.#epochsDisk === null ? new PeerEpochs() : PeerEpochs.decode(this.#epochsDisk, now);
    must(epochs !== null, () => `${this.name}: its memory of peers can't be read`);
    this.#run = {
      rotation: new Rotation({ ...options, entropy: (byteLength) => random.bytes(byteLength) }),
      epochs,
      alerts: new Set(),
      inUse: [],
      timer: null,
      backlog: [],
      attempts: new Map(),
    };
    this.#asleep = false;
    this.awakeSinceMs = time.nowMs;
    this.use.started(time.nowMs, otherBoot, this.wallOffsetMs);
    this.#parts.note(`${this.name} starts${otherBoot ? ' in another boot' : ''}`);
    this.handle({ kind: 'started' });
  }

  /** The agent is gone at once. */
  crash(): void {
    if (this.#run === null) return;
    this.#run.timer?.cancel();
    this.#run = null;
    this.awakeSinceMs = null;
    this.crashes++;
    this.#parts.note(`${this.name} crashes`);
  }

  powerOff(): void {
    this.crash();
    this.#bootId = this.#parts.random.bytes(16);
  }

  powerOn(): void {
    this.#bootedAtMs = this.#parts.time.nowMs;
    this.start();
  }

  sleep(): void {
    this.#asleep = true;
    this.awakeSinceMs = null;
    this.#parts.note(`${this.name} sleeps`);
  }

  wake(): void {
    if (!this.#asleep || this.#run === null) return;
    this.#asleep = false;
    this.awakeSinceMs = this.#parts.time.nowMs;
    this.#parts.note(`${this.name} wakes`);
    for (const work of this.#run.backlog.splice(0)) work();
  }

  handle(event: RotationEvent): void {
    const run = this.#run;
    if (run !== null) this.#apply(run, run.rotation.handle(event, this.now()));
  }

  /** Handshakes since the last one with this peer that completed. */
  attempt(peer: string): number {
    return this.#run?.attempts.get(peer) ?? 0;
  }

  setAttempt(peer: string, attempt: number): void {
    this.#run?.attempts.set(peer, attempt);
  }

  /** True if a credential that a peer shows is accepted. */
  accepts(credential: Uint8Array, by: 'handshake' | 'announcement', identity: Identity): boolean {
    const run = this.#run;
    if (run === null) return false;
    const now = this.now();
    const verdict = run.rotation.verifyPeer(credential, now);
    const outcome = run.epochs.show({ verdict, by, identity }, now);
    if (outcome.kind === 'refused') {
      this.#parts.note(`${this.name} refuses a credential: ${outcome.reason}`);
      return false;
    }
    if (outcome.changed && !this.diskBroken) this.#epochsDisk = run.epochs.encode();
    return true;
  }

  #apply(run: Run, effects: readonly RotationEffect[]): void {
    for (const effect of effects) {
      if (this.#run !== run) return;
      this.#effect(run, effect);
    }
    if (this.#run === run) this.#schedule(run);
  }

  #schedule(run: Run): void {
    run.timer?.cancel();
    run.timer = null;
    const at = run.rotation.nextTimeout();
    if (at === null) return;
    const delayMs = at - this.now().boot;
    must(delayMs > 0, () => `${this.name} wants to be called again at once`);
    run.timer = this.#later(run, Math.ceil(delayMs), () => {
      this.#apply(run, run.rotation.handleTimeout(this.now()));
    });
  }

  /** Work of one run: gone with it, and put off while the device sleeps. */
  #later(run: Run, delayMs: number, work: () => void): Timer {
    return this.#parts.time.schedule(delayMs, () => {
      if (this.#run !== run) return;
      if (this.#asleep) run.backlog.push(work);
      else work();
    });
  }

  #effect(run: Run, effect: RotationEffect): void {
    switch (effect.kind) {
      case 'sign': {
        this.#sign(run, effect.request, effect.input);
        return;
      }
      case 'store': {
        this.#store(run, effect.write, effect.value);
        return;
      }
      case 'announce': {
        const { credential } = effect;
        const saved = this.#saved();
        must(saved?.next?.credential.toString() === credential.toString(), () => {
          return `${this.name} announces a key that isn't on its disk`;
        });
        this.#parts.announce(this, credential);
        return;
      }
      case 'useKeys': {
        this.#useKeys(run, effect.keys);
        return;
      }
      case 'alert':
        if (effect.raised) run.alerts.add(effect.alert);
        else run.alerts.delete(effect.alert);
        this.#parts.note(`${this.name} alert ${effect.alert} ${effect.raised ? 'on' : 'off'}`);
        return;
      case 'transition':
        this.#parts.note(`${this.name} key ${effect.epoch} ${effect.transition}`);
        this.use.transition(effect.transition, effect.epoch);
    }
  }

  #useKeys(
    run: Run,
    keys: readonly { epoch: bigint; credential: Uint8Array; privateKey: Secret }[],
  ): void {
    const saved = this.#saved();
    const onDisk = [saved?.current, saved?.previous].map((key) => key?.epoch);
    for (const { epoch, privateKey } of keys) {
      must(!privateKey.destroyed, () => `${this.name}: key ${epoch} in use is destroyed`);
      must(onDisk.includes(epoch) || this.diskBroken || run.alerts.has('store'), () => {
        return `${this.name} uses key ${epoch} before it is written as such`;
      });
    }
    run.inUse = keys.map(({ epoch, credential }) => ({ epoch, credential }));
    this.use.shown(keys.map(({ epoch }) => epoch));
  }

  #saved(): ReturnType<typeof decodeRotationState> {
    return this.#disk === null ? null : decodeRotationState(new Secret(this.#disk.slice()));
  }

  #sign(run: Run, request: number, input: Uint8Array): void {
    const { random, time } = this.#parts;
    if (this.#strikes()) {
      this.crash();
      return;
    }
    const delayMs = random.chance(0.02) ? 90_000 : random.between(20, 800);
    this.#later(run, delayMs, () => {
      if (this.signerBroken) {
        this.signerBrokenAtMs = time.nowMs;
        this.handle({ kind: 'signFailed', request });
        return;
      }
      this.handle({ kind: 'signed', request, signature: signEd25519(this.#seed, input) });
      if (this.#strikes()) this.crash();
    });
  }

  #store(run: Run, write: number, value: Secret): void {
    const { random, time } = this.#parts;
    const bytes = value.expose().slice();
    value.destroy();
    if (this.#strikes()) {
      this.crash();
      return;
    }
    const delayMs = random.chance(0.02) ? 90_000 : random.between(1, 200);
    this.#diskFreeAtMs = Math.max(this.#diskFreeAtMs, time.nowMs) + delayMs;
    this.#later(run, this.#diskFreeAtMs - time.nowMs, () => {
      if (this.diskBroken) {
        this.handle({ kind: 'storeFailed', write });
        return;
      }
      this.#disk = bytes;
      if (this.#strikes()) {
        this.crash();
        return;
      }
      this.handle({ kind: 'stored', write });
    });
  }

  #strikes(): boolean {
    return this.#parts.random.chance(this.crashRate);
  }
}
