// The writes of one machine's state: one under way at a time, the newest content next, and which
// content is on the disk. SPEC.md 10.43.
import type { Instant } from '../base/time.js';
import { after } from '../base/time.js';
import { ANSWER_TIMEOUT_MS, backOffMs } from './limits.js';

/** A state of the content; each change is one more. */
export type Version = number;

export type WriteOutcome = 'stored' | 'failed';

export class Writes {
  #version: Version = 0;
  #durable: Version = 0;
  #settled: Version = 0;
  #write = 0;
  #underWay: { readonly covers: Version; readonly deadline: Instant } | null = null;
  #failures = 0;
  #retryAt: Instant | null = null;

  /** The last write ended in failure, or has taken too long. */
  get failing(): boolean {
    return this.#failures > 0;
  }

  /** The content changed; the version that it has now. */
  changed(): Version {
    return ++this.#version;
  }

  get version(): Version {
    return this.#version;
  }

  isDurable(version: Version): boolean {
    return this.#durable >= version;
  }

  /** On the disk, or tried and failed. */
  isSettled(version: Version): boolean {
    return this.#settled >= version;
  }

  /** The number of a write that is to start now, of the content as it is; null if none is. */
  begin(now: Instant): number | null {
    const waits = this.#retryAt !== null && this.#retryAt > now;
    if (this.#underWay !== null || waits || this.#durable === this.#version) return null;
    this.#underWay = { covers: this.#version, deadline: after(now, ANSWER_TIMEOUT_MS) };
    return ++this.#write;
  }

  /** False for a write that was already given up. */
  ended(write: number, outcome: WriteOutcome, now: Instant): boolean {
    if (this.#underWay === null || write !== this.#write) return false;
    const { covers } = this.#underWay;
    this.#underWay = null;
    this.#settled = covers;
    if (outcome === 'stored') {
      this.#durable = covers;
      this.#failures = 0;
      this.#retryAt = null;
    } else {
      this.#failures++;
      this.#retryAt = after(now, backOffMs(this.#failures));
    }
    return true;
  }

  /** Gives up a write that takes too long. */
  expire(now: Instant): void {
    if (this.#underWay !== null && this.#underWay.deadline <= now) {
      this.ended(this.#write, 'failed', now);
    }
  }

  nextTimeout(): Instant | null {
    return this.#underWay?.deadline ?? this.#retryAt;
  }
}
