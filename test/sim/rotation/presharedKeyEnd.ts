// One end of the pre-shared keys' simulation: the real machine, a disk that is slow or fails, and
// crashes at any step.
import { toHex } from '../../../src/base/bytes.js';
import { Secret } from '../../../src/base/secret.js';
import { instant, wallTime } from '../../../src/base/time.js';
import type {
  PresharedKeysEffect,
  PresharedKeysEvent,
} from '../../../src/rotation/presharedKeys.js';
import { PresharedKeys } from '../../../src/rotation/presharedKeys.js';
import {
  decodePresharedKeys,
  encodePresharedKeys,
} from '../../../src/rotation/presharedKeyState.js';
import type { VirtualTime } from '../../support/virtualTime.js';
import type { Random } from '../random.js';
import { must } from '../violation.js';

interface Run {
  readonly machine: PresharedKeys;
  /** What the handshakes use, in hex. */
  accept: readonly string[];
  respond: string;
  timerAtMs: number | null;
}

export interface EndParts {
  readonly name: string;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly configured: Uint8Array;
  readonly send: (bytes: Uint8Array) => void;
  readonly note: (line: string) => void;
}

export class PresharedKeyEnd {
  readonly name: string;
  readonly #parts: EndParts;
  #disk: Uint8Array;
  #diskFreeAtMs = 0;
  #run: Run | null = null;
  diskBroken = false;
  crashRate = 0;
  dropped = 0;

  constructor(parts: EndParts) {
    this.name = parts.name;
    this.#parts = parts;
    const key = new Secret(parts.configured.slice());
    const first = { generation: 0n, key, peerHas: true, peerSwitched: true };
    this.#disk = encodePresharedKeys([first]).expose().slice();
  }

  /** Tells one run from the next; null while the agent is gone. */
  get run(): object | null {
    return this.#run;
  }

  get respond(): string | null {
    return this.#run?.respond ?? null;
  }

  get accept(): readonly string[] {
    return this.#run?.accept ?? [];
  }

  start(): void {
    if (this.#run !== null) return;
    const { local, remote } = this.#parts;
    const keys = decodePresharedKeys(new Secret(this.#disk.slice()));
    must(keys !== null, () => `${this.name}: its keys can't be read`);
    const machine = new PresharedKeys({ local, remote, keys });
    this.#run = { machine, accept: [], respond: '', timerAtMs: null };
    this.#parts.note(`${this.name} starts`);
    this.handle({ kind: 'started' });
  }

  crash(): void {
    if (this.#run === null) return;
    this.#run = null;
    this.#parts.note(`${this.name} crashes`);
    this.#parts.time.schedule(this.#parts.random.between(100, 300_000), () => this.start());
  }

  handle(event: PresharedKeysEvent): void {
    const run = this.#run;
    if (run === null) return;
    this.#apply(run, run.machine.handle(event, this.#now()));
  }

  #now(): { boot: ReturnType<typeof instant>; wall: ReturnType<typeof wallTime> } {
    const { nowMs } = this.#parts.time;
    return { boot: instant(nowMs), wall: wallTime(nowMs) };
  }

  #apply(run: Run, effects: readonly PresharedKeysEffect[]): void {
    for (const effect of effects) {
      if (this.#run !== run) return;
      this.#effect(run, effect);
    }
    if (this.#run === run) this.#schedule(run);
  }

  #schedule(run: Run): void {
    const atMs = run.machine.nextTimeout();
    if (atMs === null || atMs === run.timerAtMs) return;
    run.timerAtMs = atMs;
    const delayMs = atMs - this.#parts.time.nowMs;
    must(delayMs > 0, () => `${this.name} wants to be called again at once`);
    this.#parts.time.schedule(Math.ceil(delayMs), () => {
      if (this.#run !== run || run.timerAtMs !== atMs) return;
      run.timerAtMs = null;
      this.#apply(run, run.machine.handleTimeout(this.#now()));
    });
  }

  #effect(run: Run, effect: PresharedKeysEffect): void {
    const { note, send, random } = this.#parts;
    switch (effect.kind) {
      case 'store': {
        this.#store(run, effect.write, effect.value);
        return;
      }
      case 'send':
        send(effect.bytes);
        if (random.chance(this.crashRate)) this.crash();
        return;
      case 'useKeys':
        run.accept = effect.accept.map((key) => toHex(key.expose()));
        run.respond = toHex(effect.respond.expose());
        must(run.accept.includes(run.respond), () => `${this.name} responds with what it refuses`);
        return;
      case 'refused': {
        note(`${this.name} refuses a message: ${effect.reason}`);
        return;
      }
      case 'alert': {
        note(`${this.name} alert ${effect.alert} ${effect.raised ? 'on' : 'off'}`);
        return;
      }
      case 'transition':
        if (effect.transition === 'dropped') this.dropped++;
        {
          note(`${this.name} generation ${effect.generation} ${effect.transition}`);
          return;
        }
    }
  }

  #store(run: Run, write: number, value: Secret): void {
    const { random, time } = this.#parts;
    const bytes = value.expose().slice();
    value.destroy();
    if (random.chance(this.crashRate)) {
      this.crash();
      return;
    }
    const delayMs = random.chance(0.02) ? 90_000 : random.between(1, 500);
    this.#diskFreeAtMs = Math.max(this.#diskFreeAtMs, time.nowMs) + delayMs;
    time.schedule(this.#diskFreeAtMs - time.nowMs, () => {
      if (this.#run !== run) return;
      if (this.diskBroken) {
        this.handle({ kind: 'storeFailed', write });
        return;
      }
      this.#disk = bytes;
      if (random.chance(this.crashRate)) {
        this.crash();
        return;
      }
      this.handle({ kind: 'stored', write });
    });
  }
}
