// When a message that got no answer is sent again (SPEC.md 11.1).
import type { Instant } from '../../base/time.js';
import { after } from '../../base/time.js';
import type { Entropy } from '../../ports/entropy.js';
import { RETRANSMIT_DELAYS_MS, RETRANSMIT_JITTER } from './beamParameters.js';

export class Retransmission {
  readonly #entropy: Entropy;
  #sent = 0;
  #dueAt: Instant | null = null;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** How often the message has been sent. */
  get sent(): number {
    return this.#sent;
  }

  get dueAt(): Instant | null {
    return this.#dueAt;
  }

  messageSent(now: Instant): void {
    const last = RETRANSMIT_DELAYS_MS.length - 1;
    const delayMs = RETRANSMIT_DELAYS_MS[Math.min(this.#sent, last)]!;
    const jitter = (this.#entropy(1)[0]! / 256) * RETRANSMIT_JITTER;
    this.#sent++;
    this.#dueAt = after(now, Math.floor(delayMs * (1 + jitter)));
  }

  /** For another message, or for none. */
  reset(): void {
    this.#sent = 0;
    this.#dueAt = null;
  }
}
