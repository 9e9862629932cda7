// Takes a tenth of a network's opinions out, has the estimator say what they were, and compares.
import { TrustGraph } from '../../src/trust/trustGraph.js';
import { Evaluator } from '../../src/trust/evaluator.js';
import { DEFAULT_POLICY, type EstimatorName } from '../../src/trust/policy.js';
import type { Opinion } from '../../src/trust/opinion.js';
import { Random } from '../../test/sim/random.js';
import { BENCH_CONTEXT, TAKEN_AT, type Network } from './networks.js';

const HELD_OUT = 0.1;

export interface Split {
  readonly graph: TrustGraph;
  readonly heldOut: readonly Opinion[];
}

export function split({ opinions }: Network, seed: number): Split {
  const random = new Random(seed);
  const shuffled = [...opinions];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.integer(0, i);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  const count = Math.floor(shuffled.length * HELD_OUT);
  const graph = new TrustGraph();
  for (const opinion of shuffled.slice(count)) graph.set(opinion);
  return { graph, heldOut: shuffled.slice(0, count) };
}

export interface Accuracy {
  /** On the network's own scale, over the pairs of which something was known. */
  readonly rmse: number;
  readonly pearson: number;
  /** Share of the held-out pairs of which something was known. */
  readonly coverage: number;
  /** Of covered pairs whose level is at least 0.7: the share estimated at 0.7 or more. */
  readonly rightlyOver: number;
  /** Of covered pairs whose level is below 0.7: the same share. */
  readonly wronglyOver: number;
  /** Of all true pairs of at least 0.7: the share that the whole score would admit, as strangers. */
  readonly admitted: number;
}

export function accuracy(network: Network, estimator: EstimatorName, parts: Split): Accuracy {
  const pairs: [estimate: number, truth: number][] = [];
  const evaluators = new Map<string, Evaluator>();
  let admitted = 0;
  let trueOnes = 0;
  for (const { truster, trustee, level } of parts.heldOut) {
    let evaluator = evaluators.get(truster);
    if (evaluator === undefined) {
      evaluator = evaluatorFor(parts.graph, truster, estimator);
      evaluators.set(truster, evaluator);
    }
    const found = evaluator.evaluate(trustee, TAKEN_AT);
    if (level >= 0.7) trueOnes++;
    if (level >= 0.7 && found.admitted) admitted++;
    if (found.indirect.kind === 'known') pairs.push([found.indirect.value, level]);
  }
  const over = (truth: boolean): number => {
    const of = pairs.filter(([, level]) => level >= 0.7 === truth);
    return of.filter(([estimate]) => estimate >= 0.7).length / of.length;
  };
  return {
    rmse: network.scale * rootMeanSquare(pairs.map(([estimate, level]) => estimate - level)),
    pearson: pearson(pairs),
    coverage: pairs.length / parts.heldOut.length,
    rightlyOver: over(true),
    wronglyOver: over(false),
    admitted: admitted / trueOnes,
  };
}

export const evaluatorFor = (
  graph: TrustGraph,
  evaluator: string,
  estimator: EstimatorName,
): Evaluator =>
  new Evaluator({
    graph,
    evaluator,
    context: BENCH_CONTEXT,
    policy: { ...DEFAULT_POLICY, estimator },
    reputation: () => null,
    isRevoked: () => false,
  });

const rootMeanSquare = (values: readonly number[]): number =>
  Math.sqrt(mean(values.map((x) => x * x)));

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export function pearson(pairs: readonly (readonly [number, number])[]): number {
  const [meanX, meanY] = [mean(pairs.map(([x]) => x)), mean(pairs.map(([, y]) => y))];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [x, y] of pairs) {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
    yy += (y - meanY) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}
