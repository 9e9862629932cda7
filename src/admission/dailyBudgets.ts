// So many a day for each identity. SPEC.md 12.11.
import { after, type Instant } from '../base/time.js';
import type { Did } from '../trust/opinion.js';

export const DAY_MS = 86_400_000;

export class DailyBudgets {
  readonly #perDay: number;
  /** When something was spent, oldest first. */
  readonly #spent = new Map<Did, Instant[]>();

  constructor(perDay: number) {
    this.#perDay = perDay;
  }

  left(whose: Did, now: Instant): number {
    return this.#perDay - this.#recent(whose, now).length;
  }

  /** Past the budget, the oldest entry is forgotten: the newest `perDay` are enough to know. */
  spend(whose: Did, now: Instant): void {
    const recent = [...this.#recent(whose, now), now].slice(-this.#perDay);
    this.#spent.delete(whose);
    this.#spent.set(whose, recent);
    this.#forgetIdle(now);
  }

  #recent(whose: Did, now: Instant): Instant[] {
    return (this.#spent.get(whose) ?? []).filter((at) => now < after(at, DAY_MS));
  }

  /** Entries are in the order of their newest time. */
  #forgetIdle(now: Instant): void {
    for (const [whose, times] of this.#spent) {
      if (now < after(times.at(-1)!, DAY_MS)) return;
      this.#spent.delete(whose);
    }
  }
}
