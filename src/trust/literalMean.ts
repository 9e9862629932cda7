// The formula as it was asked for: the mean over all short paths of the product. SPEC.md 12.2.
import { NEUTRAL, type Did } from './opinion.js';
import type { IndirectFinding, LiteralPath } from './evaluation.js';
import { compareNames, type IndirectQuestion } from './introductions.js';

export function estimateByLiteralMean(question: IndirectQuestion): IndirectFinding {
  const paths = allPaths(question).sort((a, b) => compareNames(a.over.join(' '), b.over.join(' ')));
  const basis = { estimator: 'literalMean', paths } as const;
  if (paths.length === 0) return { kind: 'unknown', reason: 'nobodySpoke', basis };
  const sum = paths.reduce((total, { product }) => total + product, 0);
  return { kind: 'known', value: sum / paths.length, limited: false, basis };
}

function allPaths({ graph, evaluator, peer, scope }: IndirectQuestion): LiteralPath[] {
  const level = (truster: Did, trustee: Did): number | null =>
    graph.level({ truster, trustee }, scope);
  const trusted = (truster: Did, trustee: Did): number | null => {
    const found = level(truster, trustee);
    return found !== null && found > NEUTRAL ? found : null;
  };
  const paths: LiteralPath[] = [];
  const trustees = graph.trusteesOf(evaluator);
  for (const last of graph.trustersOf(peer).keys()) {
    const final = level(last, peer);
    if (last === evaluator || final === null) continue;
    const straight = trusted(evaluator, last);
    if (straight !== null) {
      paths.push({ over: [last], levels: [straight, final], product: straight * final });
    }
    const trusters = graph.trustersOf(last);
    for (const between of (trusters.size < trustees.size ? trusters : trustees).keys()) {
      if (between === evaluator || between === peer) continue;
      const first = trusted(evaluator, between);
      const second = trusted(between, last);
      if (first === null || second === null) continue;
      const levels = [first, second, final];
      paths.push({ over: [between, last], levels, product: first * second * final });
    }
  }
  return paths;
}
