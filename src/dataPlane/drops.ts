// Counts of what was dropped, by reason. SPEC.md 4.2, 4.3.
import type { DropReason } from '../ports/dataPlane.js';
import { DROP_REASONS } from '../ports/dataPlane.js';
import type { SendFailure } from '../ports/udp.js';

export class DropCounters {
  readonly #drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
  readonly #sendErrors = new Map<SendFailure, number>();

  drop(reason: DropReason): void {
    this.#drops[reason]++;
  }

  sendFailed(failure: SendFailure): void {
    this.#drops.sendFailed++;
    this.#sendErrors.set(failure, (this.#sendErrors.get(failure) ?? 0) + 1);
  }

  drops(): Record<DropReason, number> {
    return { ...this.#drops };
  }

  sendErrors(): Record<string, number> {
    return Object.fromEntries(this.#sendErrors);
  }
}
