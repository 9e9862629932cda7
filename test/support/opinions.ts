// A web of trust written as `'ann>bob': 0.9`, for tests about evaluation.
import { wallTime, type WallTime } from '../../src/base/time.js';
import type { Opinion } from '../../src/trust/opinion.js';
import { DEFAULT_POLICY, type TrustPolicy } from '../../src/trust/policy.js';
import { Evaluator } from '../../src/trust/evaluator.js';
import { TrustGraph } from '../../src/trust/trustGraph.js';
import type { Evaluation } from '../../src/trust/evaluation.js';

export const NOW = wallTime(Date.UTC(2026, 10, 24));
const DAY_MS = 86_400_000;
export const later = (days: number): WallTime => wallTime(NOW + days * DAY_MS);

/** Fresh ones: half of their life is to come. */
export function opinion(pair: string, level: number, more: Partial<Opinion> = {}): Opinion {
  const [truster = '', trustee = ''] = pair.split('>');
  const times = { issuedAt: NOW, expiresAt: later(100) };
  return { truster, trustee, context: 'net', level, ...times, ...more };
}

export function web(levels: Readonly<Record<string, number>>): TrustGraph {
  const graph = new TrustGraph();
  for (const [pair, level] of Object.entries(levels)) graph.set(opinion(pair, level));
  return graph;
}

export interface Question {
  readonly peer?: string;
  readonly policy?: Partial<TrustPolicy>;
  readonly reputation?: number | null;
  readonly at?: WallTime;
  readonly context?: string;
}

/** What `me` thinks of `peer`. */
export function evaluate(graph: TrustGraph, question: Question = {}): Evaluation {
  const { peer = 'peer', policy, reputation = null, at = NOW, context = 'net' } = question;
  const evaluator = new Evaluator({
    graph,
    evaluator: 'me',
    context,
    policy: { ...DEFAULT_POLICY, ...policy },
    reputation: () => reputation,
    isRevoked: () => false,
  });
  return evaluator.evaluate(peer, at);
}

export function indirect(graph: TrustGraph, question: Question = {}): number | null {
  const finding = evaluate(graph, question).indirect;
  return finding.kind === 'known' ? finding.value : null;
}
