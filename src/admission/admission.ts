// Who gets in, is kept in quarantine, or is refused; and who has to go. SPEC.md 12.11.
import type { Machine } from '../base/machine.js';
import { after, type Instant, type Moment } from '../base/time.js';
import type { Evaluation } from '../trust/evaluation.js';
import { NEUTRAL, type Did } from '../trust/opinion.js';
import type { WebOfTrust } from '../trust/webOfTrust.js';
import { DAY_MS, DailyBudgets } from './dailyBudgets.js';

/** SPEC.md 12.11. */
export const STRANGERS_PER_INTRODUCER = 4;
export const ADMISSIONS_PER_IDENTITY = 6;
export const INTRODUCERS_NEEDED = 2;
export const QUARANTINED_MAX = 64;
export const REEVALUATE_EVERY_MS = 60_000;
export const FIRST_COOL_DOWN_MS = 60_000;
const LAST_COOL_DOWN_MS = DAY_MS;

export type Outcome = 'admitted' | 'quarantined' | 'refused';

export type DecisionReason =
  | 'scoreReached'
  | 'scoreBelowThreshold'
  | 'scoreBelowNeutral'
  | 'revoked'
  | 'coolingDown'
  | 'introducersExhausted'
  | 'admittedTooOften'
  | 'quarantineFull';

export type AdmissionEvent =
  /** The peer has proved that it holds the identity's key. */
  | { readonly kind: 'identityProved'; readonly peer: Did }
  | { readonly kind: 'peerLeft'; readonly peer: Did }
  | { readonly kind: 'statementsChanged' };

export type AdmissionEffect =
  /** An audit event. */
  | {
      readonly kind: 'decided';
      readonly peer: Did;
      readonly outcome: Outcome;
      readonly reason: DecisionReason;
      readonly evaluation: Evaluation;
    }
  /** The peer was admitted and isn't any more. */
  | { readonly kind: 'endSessions'; readonly peer: Did };

export interface AdmissionOptions {
  readonly web: WebOfTrust;
  readonly context: string;
}

interface Present {
  readonly outcome: 'admitted' | 'quarantined';
  readonly reason: DecisionReason;
}

interface Fall {
  readonly count: number;
  readonly at: Instant;
  readonly coolUntil: Instant;
}

interface Decision {
  readonly outcome: Outcome;
  readonly reason: DecisionReason;
  readonly evaluation: Evaluation;
}

export class Admission implements Machine<AdmissionEvent, AdmissionEffect> {
  readonly #options: AdmissionOptions;
  readonly #present = new Map<Did, Present>();
  readonly #falls = new Map<Did, Fall>();
  readonly #introduced = new DailyBudgets(STRANGERS_PER_INTRODUCER);
  readonly #admissions = new DailyBudgets(ADMISSIONS_PER_IDENTITY);
  #reevaluateAt: Instant | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Null for one who isn't here. */
  outcomeOf(peer: Did): Outcome | null {
    return this.#present.get(peer)?.outcome ?? null;
  }

  handle(event: AdmissionEvent, now: Moment): AdmissionEffect[] {
    switch (event.kind) {
      case 'identityProved':
        return this.#judge(event.peer, now);
      case 'peerLeft':
        this.#present.delete(event.peer);
        return [];
      case 'statementsChanged':
        return this.#reevaluate(now);
    }
  }

  nextTimeout(): Instant | null {
    return this.#present.size === 0 ? null : this.#reevaluateAt;
  }

  handleTimeout(now: Moment): AdmissionEffect[] {
    const due = this.nextTimeout();
    return due !== null && due <= now.boot ? this.#reevaluate(now) : [];
  }

  #reevaluate(now: Moment): AdmissionEffect[] {
    this.#reevaluateAt = after(now.boot, REEVALUATE_EVERY_MS);
    return [...this.#present.keys()].flatMap((peer) => this.#judge(peer, now));
  }

  /** Effects only where something is new: the first decision, or another than before. */
  #judge(peer: Did, now: Moment): AdmissionEffect[] {
    const before = this.#present.get(peer);
    const decision = this.#decide(peer, before, now);
    const { outcome, reason, evaluation } = decision;
    this.#forgetOldFalls(now.boot);
    const wasAdmitted = before?.outcome === 'admitted';
    const fell = wasAdmitted && outcome !== 'admitted';
    if (fell || (outcome === 'refused' && reason === 'scoreBelowNeutral'))
      this.#fall(peer, now.boot);
    if (outcome === 'admitted' && !wasAdmitted) this.#charge(evaluation, now.boot);
    if (outcome === 'refused') this.#present.delete(peer);
    else this.#present.set(peer, { outcome, reason });
    this.#reevaluateAt ??= after(now.boot, REEVALUATE_EVERY_MS);
    if (before?.outcome === outcome && before.reason === reason) return [];
    const effects: AdmissionEffect[] = [{ kind: 'decided', peer, ...decision }];
    if (fell) effects.push({ kind: 'endSessions', peer });
    return effects;
  }

  #decide(peer: Did, before: Present | undefined, { boot, wall }: Moment): Decision {
    const { web, context } = this.#options;
    const evaluation = web.evaluate(peer, context, wall);
    const decided = (outcome: Outcome, reason: DecisionReason): Decision => ({
      outcome,
      reason,
      evaluation,
    });
    const quarantined = (reason: DecisionReason): Decision =>
      before === undefined && this.#quarantinedCount() >= QUARANTINED_MAX
        ? decided('refused', 'quarantineFull')
        : decided('quarantined', reason);
    if (evaluation.revoked) return decided('refused', 'revoked');
    const fall = this.#falls.get(peer);
    const cooling = before === undefined && fall !== undefined && boot < fall.coolUntil;
    if (cooling) return decided('refused', 'coolingDown');
    if (evaluation.score < NEUTRAL) return decided('refused', 'scoreBelowNeutral');
    if (!evaluation.admitted) {
      // One who has just fallen is out, and comes back after his cool-down.
      return before?.outcome === 'admitted'
        ? decided('refused', 'scoreBelowThreshold')
        : quarantined('scoreBelowThreshold');
    }
    if (before?.outcome === 'admitted') return decided('admitted', 'scoreReached');
    if (this.#admissions.left(peer, boot) < 1) return quarantined('admittedTooOften');
    if (!this.#introducersAllow(evaluation, boot)) return quarantined('introducersExhausted');
    return decided('admitted', 'scoreReached');
  }

  #introducersAllow(evaluation: Evaluation, now: Instant): boolean {
    if (evaluation.direct !== null) return true;
    const able = introducersOf(evaluation).filter((one) => this.#introduced.left(one, now) > 0);
    return able.length >= INTRODUCERS_NEEDED;
  }

  #charge(evaluation: Evaluation, now: Instant): void {
    this.#admissions.spend(evaluation.peer, now);
    if (evaluation.direct !== null) return;
    for (const introducer of introducersOf(evaluation)) this.#introduced.spend(introducer, now);
  }

  #fall(peer: Did, now: Instant): void {
    const count = (this.#falls.get(peer)?.count ?? 0) + 1;
    const coolMs = Math.min(LAST_COOL_DOWN_MS, FIRST_COOL_DOWN_MS * 2 ** (count - 1));
    this.#falls.delete(peer);
    this.#falls.set(peer, { count, at: now, coolUntil: after(now, coolMs) });
  }

  #forgetOldFalls(now: Instant): void {
    for (const [peer, { at, coolUntil }] of this.#falls) {
      // The oldest come first.
      if (now < after(at, DAY_MS)) return;
      if (now >= coolUntil) this.#falls.delete(peer);
    }
  }

  #quarantinedCount(): number {
    return [...this.#present.values()].filter(({ outcome }) => outcome === 'quarantined').length;
  }
}

/** Whose voices spoke for the peer. With the literal mean, whoever stands first on a path. */
function introducersOf({ indirect }: Evaluation): Did[] {
  const { basis } = indirect;
  if (basis.estimator === 'literalMean')
    return [...new Set(basis.paths.map(({ over }) => over[0]!))];
  return basis.voices
    .filter(({ parts }) => parts.some(({ level, taken }) => level > NEUTRAL && taken > 0))
    .map(({ introducer }) => introducer);
}
