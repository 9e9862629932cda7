// How long one evaluation takes at 10,000 statements, afresh and after a change.
import { TrustGraph } from '../../src/trust/trustGraph.js';
import { wallTime } from '../../src/base/time.js';
import type { EstimatorName } from '../../src/trust/policy.js';
import type { Opinion } from '../../src/trust/opinion.js';
import { Random } from '../../test/sim/random.js';
import { evaluatorFor, mean } from './heldOut.js';
import { BENCH_CONTEXT, TAKEN_AT } from './networks.js';

const STATEMENTS = 10_000;
const PEERS = 500;
/** Of the evaluator: as many friends as a busy one has. */
const OWN_STATEMENTS = 100;

export interface Speed {
  readonly medianMs: number;
  readonly p99Ms: number;
  /** All peers again after one further statement; only what it can have touched is computed. */
  readonly afterChangeMs: number;
}

/** The second of two runs: the first one is the compiler's. */
export function speedAt(estimator: EstimatorName, seed: number): Speed {
  measure(estimator, seed);
  return measure(estimator, seed + 1);
}

function measure(estimator: EstimatorName, seed: number): Speed {
  const random = new Random(seed);
  const graph = new TrustGraph();
  const peer = (): string => `peer${random.integer(0, PEERS - 1)}`;
  for (let i = 0; i < OWN_STATEMENTS; i++) graph.set(opinion('me', peer(), random));
  for (let i = OWN_STATEMENTS; i < STATEMENTS; i++) graph.set(opinion(peer(), peer(), random));
  const evaluator = evaluatorFor(graph, 'me', estimator);
  const times = Array.from({ length: PEERS }, (_, i) =>
    timed(() => evaluator.evaluate(`peer${i}`, TAKEN_AT)),
  );
  const after = Array.from({ length: 20 }, () => {
    const further = opinion(peer(), peer(), random);
    return timed(() => {
      graph.set(further);
      evaluator.changed(further);
      for (let i = 0; i < PEERS; i++) evaluator.evaluate(`peer${i}`, TAKEN_AT);
    });
  });
  times.sort((a, b) => a - b);
  return {
    medianMs: times[PEERS >> 1]!,
    p99Ms: times[Math.floor(PEERS * 0.99)]!,
    afterChangeMs: mean(after),
  };
}

function opinion(truster: string, trustee: string, random: Random): Opinion {
  const times = { issuedAt: TAKEN_AT, expiresAt: wallTime(1e12) };
  const level = random.pick([0.2, 0.6, 0.8, 1]);
  return { truster, trustee, context: BENCH_CONTEXT, level, ...times };
}

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
