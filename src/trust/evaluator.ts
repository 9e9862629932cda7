// Evaluates peers for one identity, and computes again only what a change can have touched.
// SPEC.md 12.1 and 12.4.
import type { WallTime } from '../base/time.js';
import type { Evaluation, IndirectFinding } from './evaluation.js';
import { estimateByIntroductions, type IndirectQuestion } from './introductions.js';
import { estimateByLiteralMean } from './literalMean.js';
import { NEUTRAL, type Did, type Opinion } from './opinion.js';
import { CREDIT_PRIOR, CREDIT_WRONG, type TrustPolicy } from './policy.js';
import type { Scope, TrustGraph } from './trustGraph.js';

export interface EvaluatorOptions {
  readonly graph: TrustGraph;
  readonly evaluator: Did;
  readonly context: string;
  readonly policy: TrustPolicy;
  /** 0 to 1; null where nothing is known. */
  readonly reputation: (peer: Did, now: WallTime) => number | null;
  readonly isRevoked: (peer: Did) => boolean;
}

/** How long a result may be kept although levels decay. */
export const RESULT_MAX_AGE_MS = 60_000;

export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #indirect = new Map<Did, IndirectFinding>();
  readonly #records = new Map<Did, Record>();
  #since: WallTime | null = null;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
  }

  evaluate(peer: Did, now: WallTime): Evaluation {
    const { graph, evaluator, context, policy, reputation, isRevoked } = this.#options;
    this.#forgetOld(now);
    const scope = { context, now: this.#since ?? now };
    const direct =
      peer === evaluator ? null : graph.level({ truster: evaluator, trustee: peer }, scope);
    const indirect = this.#indirectOf(peer, scope, direct !== null);
    const seen = reputation(peer, now);
    const score = weighted(policy, {
      direct: direct ?? NEUTRAL,
      indirect: indirect.kind === 'known' ? indirect.value : NEUTRAL,
      reputation: seen ?? NEUTRAL,
    });
    const revoked = isRevoked(peer);
    const admitted = !revoked && score >= policy.threshold;
    const found = { direct, indirect, reputation: seen, score, revoked, admitted };
    return { evaluator, peer, context, policy, ...found };
  }

  /** `level × credit` of one whom the evaluator trusts, the peer left out; else 0. SPEC.md 12.6. */
  strength(reporter: Did, peer: Did, now: WallTime): number {
    const { graph, evaluator, context } = this.#options;
    this.#forgetOld(now);
    const scope = { context, now: this.#since ?? now };
    const level = graph.level({ truster: evaluator, trustee: reporter }, scope);
    return level === null || level <= NEUTRAL ? 0 : level * this.#credit(reporter, peer, scope);
  }

  /** An opinion was set in or removed from the graph. */
  changed({ truster, trustee }: Pick<Opinion, 'truster' | 'trustee'>): void {
    const { graph, evaluator } = this.#options;
    if (truster === evaluator) {
      this.#indirect.clear();
      this.#records.clear();
      return;
    }
    this.#indirect.delete(trustee);
    if (!graph.trusteesOf(evaluator).has(truster)) return;
    // He is an introducer: whom he brings has changed, and his credit may have.
    this.#records.delete(truster);
    this.#forgetBehind(trustee);
    for (const known of graph.trusteesOf(truster).keys()) {
      this.#indirect.delete(known);
      this.#forgetBehind(known);
    }
  }

  #forgetBehind(recommender: Did): void {
    for (const peer of this.#options.graph.trusteesOf(recommender).keys()) {
      this.#indirect.delete(peer);
    }
  }

  #forgetOld(now: WallTime): void {
    const age = this.#since === null ? null : now - this.#since;
    if (age !== null && age >= 0 && age < RESULT_MAX_AGE_MS) return;
    this.#since = now;
    this.#indirect.clear();
    this.#records.clear();
  }

  #indirectOf(peer: Did, scope: Scope, hasDirect: boolean): IndirectFinding {
    const kept = this.#indirect.get(peer);
    if (kept !== undefined) return kept;
    const { graph, evaluator, policy } = this.#options;
    const credit = (introducer: Did): number => this.#credit(introducer, peer, scope);
    const question: IndirectQuestion = { graph, evaluator, peer, scope, hasDirect, credit };
    const estimate =
      policy.estimator === 'introductions' ? estimateByIntroductions : estimateByLiteralMean;
    const finding = estimate(question);
    this.#indirect.set(peer, finding);
    return finding;
  }

  #credit(introducer: Did, peer: Did, scope: Scope): number {
    let record = this.#records.get(introducer);
    if (record === undefined) {
      record = this.#recordOf(introducer, scope);
      this.#records.set(introducer, record);
    }
    const right = record.right.size - (record.right.has(peer) ? 1 : 0);
    const wrong = record.wrong.size - (record.wrong.has(peer) ? 1 : 0);
    return (CREDIT_PRIOR + right) / (CREDIT_PRIOR + right + CREDIT_WRONG * wrong);
  }

  /** Whom the introducer trusts, by what the evaluator thinks of them himself. */
  #recordOf(introducer: Did, scope: Scope): Record {
    const { graph, evaluator } = this.#options;
    const record: Record = { right: new Set(), wrong: new Set() };
    const introduced = graph.trusteesOf(introducer);
    const own = graph.trusteesOf(evaluator);
    for (const peer of (introduced.size < own.size ? introduced : own).keys()) {
      const ours = graph.level({ truster: evaluator, trustee: peer }, scope);
      const theirs = graph.level({ truster: introducer, trustee: peer }, scope);
      if (ours === null || theirs === null || theirs <= NEUTRAL) continue;
      if (ours > NEUTRAL) record.right.add(peer);
      if (ours < NEUTRAL) record.wrong.add(peer);
    }
    return record;
  }
}

interface Record {
  readonly right: Set<Did>;
  readonly wrong: Set<Did>;
}

interface Components {
  readonly direct: number;
  readonly indirect: number;
  readonly reputation: number;
}

function weighted({ weights }: TrustPolicy, components: Components): number {
  const sum =
    weights.direct * components.direct +
    weights.indirect * components.indirect +
    weights.reputation * components.reputation;
  return Math.round(sum * 1e9) / 1e9;
}
