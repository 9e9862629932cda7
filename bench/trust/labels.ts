// Bitcoin OTC's labels, with the leak removed. They were made from the ratings of the founder and of
// the users whom he rated highly, who are the benign ones: all their ratings are taken out, or the
// labels would be given back to us.
import { TrustGraph } from '../../src/trust/trustGraph.js';
import { DEFAULT_POLICY } from '../../src/trust/policy.js';
import { NEUTRAL, type Opinion } from '../../src/trust/opinion.js';
import { Random } from '../../test/sim/random.js';
import { evaluatorFor, mean } from './heldOut.js';
import { TAKEN_AT, type Network } from './networks.js';

/** Whose eyes the labelled users are seen with, per seed. */
const EVALUATORS = 100;
const MIN_OPINIONS = 10;

export interface LabelResult {
  readonly auc: number;
  /** Labelled users of whom some evaluator knew something. */
  readonly covered: number;
  readonly labelled: number;
  readonly ratingsLeft: number;
}

export function labelAuc(
  network: Network,
  labels: ReadonlyMap<string, boolean>,
  seed: number,
): LabelResult {
  const founder = founderOf(network.opinions, labels);
  const kept = network.opinions.filter(
    ({ truster }) => truster !== founder && labels.get(truster) !== true,
  );
  const graph = new TrustGraph();
  for (const opinion of kept) graph.set(opinion);
  const eyes = pickEvaluators(graph, seed);
  const found: { score: number; benign: boolean }[] = [];
  for (const [user, benign] of labels) {
    const seen = eyes.flatMap((evaluator) => {
      const { indirect } = evaluator.evaluate(user, TAKEN_AT);
      return indirect.kind === 'known' ? [indirect.value] : [];
    });
    if (user !== founder && seen.length > 0) found.push({ score: mean(seen), benign });
  }
  return {
    auc: areaUnderCurve(found),
    covered: found.length,
    labelled: labels.size,
    ratingsLeft: kept.length,
  };
}

/** Who rated the most benign users well. */
function founderOf(opinions: readonly Opinion[], labels: ReadonlyMap<string, boolean>): string {
  const counts = new Map<string, number>();
  for (const { truster, trustee, level } of opinions) {
    if (labels.get(trustee) !== true || level <= NEUTRAL) continue;
    counts.set(truster, (counts.get(truster) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
}

function pickEvaluators(graph: TrustGraph, seed: number): ReturnType<typeof evaluatorFor>[] {
  const random = new Random(seed);
  const able = [...graph.trusters()].filter((who) => graph.trusteesOf(who).size >= MIN_OPINIONS);
  return Array.from({ length: EVALUATORS }, () =>
    evaluatorFor(graph, random.pick(able), DEFAULT_POLICY.estimator),
  );
}

/** The chance that a benign user's score is above a fraudulent one's; equal ones count half. */
function areaUnderCurve(found: readonly { score: number; benign: boolean }[]): number {
  const scores = (benign: boolean): number[] =>
    found.filter((one) => one.benign === benign).map(({ score }) => score);
  const [good, bad] = [scores(true), scores(false)];
  const wins = good.map((a) => mean(bad.map((b) => (a > b ? 1 : a === b ? 0.5 : 0))));
  return mean(wins);
}
