// A rotation whose signer and store answer when a test says so.
import { assert } from '../../../src/base/assert.js';
import { Secret } from '../../../src/base/secret.js';
import type { Moment } from '../../../src/base/time.js';
import { instant, wallTime } from '../../../src/base/time.js';
import { ed25519PublicKey, signEd25519 } from '../../../src/crypto/signature.js';
import { identityOf } from '../../../src/identity/identity.js';
import { Rotation } from '../../../src/rotation/rotation.js';
import type { RotationEffect, RotationEvent } from '../../../src/rotation/rotationEvents.js';
import type { RotationState } from '../../../src/rotation/rotationState.js';
import { decodeRotationState } from '../../../src/rotation/rotationState.js';
import type { TunnelKey } from '../../../src/rotation/tunnelKey.js';
import { seededEntropy } from '../../support/seededEntropy.js';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const WALL_MS = 1_790_000_000_000;
export const SEED = new Uint8Array(32).fill(9);
export const IDENTITY = identityOf('ed25519', ed25519PublicKey(SEED))!;
export const BOOT = new Uint8Array(16).fill(1);

/** Boot time in hours, and how far the wall clock is off. */
export const at = (hours: number, wallOffsetHours = 0): Moment => ({
  boot: instant(hours * HOUR_MS),
  wall: wallTime(WALL_MS + (hours + wallOffsetHours) * HOUR_MS),
});

export interface HarnessOptions {
  readonly disk?: Uint8Array | null;
  readonly bootId?: Uint8Array;
}

export class Harness {
  readonly rotation: Rotation;
  /** All effects so far, as short words in their order. */
  readonly log: string[] = [];
  inUse: bigint[] = [];
  keys: readonly TunnelKey[] = [];
  announced: Uint8Array | null = null;
  disk: Uint8Array | null;
  /** What the signer and the store do. */
  signer: 'works' | 'fails' | 'isSilent' | 'liesInOneBit' = 'works';
  store: 'works' | 'fails' | 'isSilent' = 'works';

  constructor({ disk = null, bootId = BOOT }: HarnessOptions = {}) {
    const saved = disk === null ? null : decodeRotationState(new Secret(disk.slice()));
    assert(disk === null || saved !== null, 'the disk holds a state');
    this.disk = disk;
    const options = { identity: IDENTITY, bootId, periodMs: DAY_MS, saved };
    this.rotation = new Rotation({ ...options, entropy: seededEntropy('rotation') });
  }

  /** The state on the disk. */
  get saved(): RotationState {
    return decodeRotationState(new Secret(this.disk!.slice()))!;
  }

  handle(event: RotationEvent, now: Moment): void {
    this.#apply(this.rotation.handle(event, now), now);
  }

  /** Calls the machine at every time that it asks for until then; the wall clock stays as far off. */
  runUntil(hours: number, wallOffsetHours = 0): void {
    for (;;) {
      const next = this.rotation.nextTimeout();
      if (next === null || next > hours * HOUR_MS) return;
      const now = at(next / HOUR_MS, wallOffsetHours);
      this.#apply(this.rotation.handleTimeout(now), now);
    }
  }

  /** The words since the last call. */
  take(): string[] {
    return this.log.splice(0);
  }

  #apply(effects: readonly RotationEffect[], now: Moment): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'sign':
          this.#sign(effect.request, effect.input, now);
          break;
        case 'store':
          this.#store(effect.write, effect.value, now);
          break;
        case 'announce':
          this.announced = effect.credential;
          break;
        case 'useKeys':
          this.keys = effect.keys;
          this.inUse = effect.keys.map(({ epoch }) => epoch);
          this.log.push(`use ${this.inUse.length}`);
          break;
        case 'alert':
          this.log.push(`${effect.alert} ${effect.raised ? 'on' : 'off'}`);
          break;
        case 'transition':
          this.log.push(effect.transition);
      }
    }
  }

  #sign(request: number, input: Uint8Array, now: Moment): void {
    if (this.signer === 'isSilent') return;
    if (this.signer === 'fails') {
      this.handle({ kind: 'signFailed', request }, now);
      return;
    }
    const signature = signEd25519(SEED, input);
    if (this.signer === 'liesInOneBit') signature[5]! ^= 1;
    this.handle({ kind: 'signed', request, signature }, now);
  }

  #store(write: number, value: Secret, now: Moment): void {
    const bytes = value.expose().slice();
    value.destroy();
    if (this.store === 'isSilent') return;
    if (this.store === 'fails') {
      this.handle({ kind: 'storeFailed', write }, now);
      return;
    }
    this.disk = bytes;
    this.handle({ kind: 'stored', write }, now);
  }
}

/** With a first key that peers have taken, made at hour 0. */
export function confirmed(): Harness {
  const harness = new Harness();
  harness.handle({ kind: 'started' }, at(0));
  harness.handle({ kind: 'handshakeCompleted', epoch: harness.inUse[0]! }, at(0));
  harness.take();
  return harness;
}
