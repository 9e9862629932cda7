// Two Beams that rotate their pre-shared key while they make WireGuard handshakes, over messages that
// are lost, doubled and late, with crashes at any step. SPEC.md 10.45.
import { toHex } from '../../../src/base/bytes.js';
import { Secret } from '../../../src/base/secret.js';
import { VirtualTime } from '../../support/virtualTime.js';
import { Random } from '../random.js';
import { must } from '../violation.js';
import { PresharedKeyEnd } from './presharedKeyEnd.js';

const MINUTE_MS = 60_000;
const TROUBLE_MS = 2 * 24 * 60 * MINUTE_MS;
/** Both use the newest key, and have no other, so long after an exchange without trouble. */
export const SETTLED_WITHIN_MS = 10 * MINUTE_MS;
/** A response is no older when it is consumed: REKEY_ATTEMPT_TIME. */
const RESPONSE_AGE_MAX_MS = 90_000;

export interface PresharedKeyResult {
  readonly handshakes: number;
  readonly generations: bigint;
  readonly dropped: number;
}

export class PresharedKeyWorld {
  readonly trace: string[] = [];
  readonly #time = new VirtualTime(0);
  readonly #random: Random;
  readonly #ends: readonly [PresharedKeyEnd, PresharedKeyEnd];
  #lossRate: number;
  #delayMaxMs: number;
  #generation = 0n;
  #handshakes = 0;
  #isCalm = false;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#lossRate = this.#random.between(0, 0.6);
    this.#delayMaxMs = this.#random.pick([100, 5_000, 100_000]);
    const configured = this.#random.bytes(32);
    const keys = [this.#random.bytes(32), this.#random.bytes(32)] as const;
    const end = (i: 0 | 1): PresharedKeyEnd =>
      new PresharedKeyEnd({
        name: `end${i + 1}`,
        time: this.#time,
        random: this.#random.fork(),
        local: keys[i],
        remote: keys[1 - i]!,
        configured,
        send: (bytes) => this.#message(this.#ends[1 - i]!, bytes),
        note: (line) => this.#note(line),
      });
    this.#ends = [end(0), end(1)];
  }

  /** Throws Violation if an invariant breaks. */
  run(): PresharedKeyResult {
    const crashRate = this.#random.pick([0, 0.01, 0.1]);
    for (const end of this.#ends) {
      end.crashRate = crashRate;
      end.start();
      this.#crashes(end);
    }
    this.#handshake();
    this.#exchanges();
    this.#time.advanceTo(TROUBLE_MS);
    this.#settle();
    const dropped = this.#ends[0].dropped + this.#ends[1].dropped;
    return { handshakes: this.#handshakes, generations: this.#generation, dropped };
  }

  #note(line: string): void {
    this.trace.push(`${(this.#time.nowMs / 1000).toFixed(3)} s: ${line}`);
  }

  #after(delayMs: number, work: () => void): void {
    this.#time.schedule(delayMs, work);
  }

  #message(to: PresharedKeyEnd, bytes: Uint8Array): void {
    const copies = this.#random.integer(1, 3);
    for (let i = 0; i < copies; i++) {
      if (this.#random.chance(this.#lossRate)) continue;
      this.#after(this.#random.between(1, this.#delayMaxMs), () => {
        to.handle({ kind: 'messageReceived', bytes });
      });
    }
  }

  /** WireGuard's: the responder chooses the key, the initiator must know it. */
  #handshake(): void {
    this.#after(this.#random.between(1_000, 120_000), () => this.#handshake());
    const from = this.#random.pick([0, 1] as const);
    const [initiator, responder] = [this.#ends[from], this.#ends[1 - from]!];
    const { run } = initiator;
    this.#after(this.#random.between(1, this.#delayMaxMs / 2), () => {
      const key = responder.respond;
      if (key === null) return;
      const delayMs = this.#random.between(1, Math.min(this.#delayMaxMs, RESPONSE_AGE_MAX_MS));
      this.#after(delayMs, () => {
        if (run === null || initiator.run !== run) return;
        this.#handshakes++;
        must(initiator.accept.includes(key), () => {
          return `${initiator.name} can't read the response of ${responder.name}`;
        });
      });
    });
  }

  /** An exchange ends on both ends, at different times, or on one only, or goes wrong. */
  #exchange(goesWell: boolean): void {
    const generation = ++this.#generation;
    const key = this.#random.bytes(32);
    this.#note(`exchange ${generation}`);
    const differs = !goesWell && this.#random.chance(0.1);
    for (const end of this.#ends) {
      if (!goesWell && this.#random.chance(0.15)) continue;
      const own = differs ? this.#random.bytes(32) : key.slice();
      this.#after(this.#random.between(0, goesWell ? 1_000 : 90_000), () => {
        end.handle({ kind: 'secretAgreed', generation, key: new Secret(own) });
      });
    }
    if (goesWell) this.#newest = toHex(key);
  }
  #newest = '';

  #exchanges(): void {
    if (this.#isCalm) return;
    this.#exchange(false);
    this.#after(this.#random.between(0, 60 * MINUTE_MS), () => this.#exchanges());
  }

  #crashes(end: PresharedKeyEnd): void {
    this.#after(this.#random.between(0, 120 * MINUTE_MS), () => {
      if (this.#isCalm) return;
      if (this.#random.chance(0.3)) {
        end.diskBroken = true;
        this.#after(this.#random.between(0, 60 * MINUTE_MS), () => (end.diskBroken = false));
      } else end.crash();
      this.#crashes(end);
    });
  }

  /** Without trouble a good exchange brings both to the one newest key. */
  #settle(): void {
    this.#isCalm = true;
    this.#lossRate = 0;
    this.#delayMaxMs = 100;
    for (const end of this.#ends) end.crashRate = 0;
    this.#time.advanceTo(this.#time.nowMs + 75 * MINUTE_MS);
    for (const end of this.#ends) end.diskBroken = false;
    // What was left over by exchanges that went wrong goes at the first one, the list may have been full.
    for (let i = 0; i < 2; i++) {
      this.#exchange(true);
      this.#time.advanceTo(this.#time.nowMs + SETTLED_WITHIN_MS);
    }
    for (const end of this.#ends) {
      must(end.respond === this.#newest, () => `${end.name} doesn't use the newest key`);
      must(end.accept.length === 1, () => `${end.name} still accepts ${end.accept.length} keys`);
    }
  }
}
