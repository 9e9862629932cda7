// What holds for every web of trust. fast-check prints the seed and the smallest web that breaks it.
import fc from 'fast-check';
import test from 'ava';
import { DEFAULT_POLICY } from '../../../src/trust/policy.js';
import { Evaluator } from '../../../src/trust/evaluator.js';
import { TrustGraph } from '../../../src/trust/trustGraph.js';
import type { Opinion } from '../../../src/trust/opinion.js';
import { NOW, evaluate, indirect, opinion } from '../../support/opinions.js';

const NAMES = ['me', 'peer', 'a', 'b', 'c', 'd', 'e', 'f'];
const name = fc.constantFrom(...NAMES);
const level = fc.oneof(
  fc.constantFrom(0, 0.4, 0.5, 0.6, 0.8, 1),
  fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000),
);
const edge = fc
  .record({ truster: name, trustee: name, level })
  .map(({ truster, trustee, level: of }) => opinion(`${truster}>${trustee}`, of));
/** Webs in which `me` trusts somebody and somebody speaks of `peer`, so that there is a path often. */
const opinions = fc
  .tuple(
    fc.array(fc.record({ to: name, level }), { maxLength: 6 }),
    fc.array(fc.record({ from: name, level }), { maxLength: 6 }),
    fc.array(edge, { maxLength: 25 }),
  )
  .map(([mine, about, others]): Opinion[] => [
    ...others,
    ...mine.map(({ to, level: of }) => opinion(`me>${to}`, of)),
    ...about.map(({ from, level: of }) => opinion(`${from}>peer`, of)),
  ]);

function graphOf(list: readonly Opinion[]): TrustGraph {
  const graph = new TrustGraph();
  for (const one of list) graph.set(one);
  return graph;
}

const RUNS = { numRuns: 3_000 };

test('a further or higher positive statement about a peer, at least at his indirect level, never lowers his score', (t) => {
  let raised = 0;
  const property = fc.property(opinions, name, level, (list, speaker, of) => {
    const graph = graphOf(list);
    const before = evaluate(graph);
    const old = graph.level({ truster: speaker, trustee: 'peer' }, { context: 'net', now: NOW });
    const base = before.indirect.kind === 'known' ? before.indirect.value : 0.5;
    if (speaker === 'me' || of <= 0.5 || of < base || (old !== null && of < old)) return;
    graph.set(opinion(`${speaker}>peer`, of));
    const after = evaluate(graph);
    if (after.score > before.score) raised++;
    if (after.score < before.score - 1e-9) throw new Error(`${before.score} -> ${after.score}`);
  });
  fc.assert(property, RUNS);
  t.true(raised > 50, `only ${raised} webs in which it mattered`);
});

test('an own statement of a higher level never lowers the score of its subject', (t) => {
  fc.assert(
    fc.property(opinions, level, level, (list, one, other) => {
      const [low, high] = one < other ? [one, other] : [other, one];
      const lower = evaluate(graphOf([...list, opinion('me>peer', low)]));
      const higher = evaluate(graphOf([...list, opinion('me>peer', high)]));
      return higher.score >= lower.score;
    }),
    RUNS,
  );
  t.pass();
});

test('what the peer says himself changes nothing about his indirect level', (t) => {
  fc.assert(
    fc.property(
      opinions,
      fc.array(fc.record({ to: name, level }), { maxLength: 8 }),
      (list, said) => {
        const silent = list.filter(({ truster }) => truster !== 'peer');
        const loud = [...silent, ...said.map(({ to, level: of }) => opinion(`peer>${to}`, of))];
        for (const estimator of ['introductions', 'literalMean'] as const) {
          const policy = { estimator };
          const [before, after] = [
            indirect(graphOf(silent), { policy }),
            indirect(graphOf(loud), { policy }),
          ];
          if (before !== after) throw new Error(`${estimator}: ${before} -> ${after}`);
        }
      },
    ),
    RUNS,
  );
  t.pass();
});

test('the order of arrival does not matter, to the last bit', (t) => {
  fc.assert(
    fc.property(opinions, fc.integer(), (list, seed) => {
      const latest = [
        ...new Map(list.map((one) => [`${one.truster}>${one.trustee}`, one])).values(),
      ];
      const shuffled = latest
        .map((one, i) => ({ one, key: Math.imul(seed ^ i, 0x9e37_79b1) >>> 3 }))
        .sort((a, b) => a.key - b.key)
        .map(({ one }) => one);
      for (const estimator of ['introductions', 'literalMean'] as const) {
        const policy = { estimator };
        const a = evaluate(graphOf(latest), { policy });
        const b = evaluate(graphOf(shuffled), { policy });
        if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(estimator);
      }
    }),
    RUNS,
  );
  t.pass();
});

test('after any change, what is kept equals what is computed anew', (t) => {
  const steps = fc.array(fc.record({ edge, remove: fc.boolean() }), {
    minLength: 1,
    maxLength: 15,
  });
  fc.assert(
    fc.property(opinions, steps, (list, changes) => {
      const graph = graphOf(list);
      const options = {
        graph,
        evaluator: 'me',
        context: 'net',
        policy: DEFAULT_POLICY,
        reputation: () => null,
        isRevoked: () => false,
      };
      const kept = new Evaluator(options);
      for (const peer of NAMES) kept.evaluate(peer, NOW);
      for (const { edge: changed, remove } of changes) {
        if (remove) graph.remove(changed);
        else graph.set(changed);
        kept.changed(changed);
        for (const peer of NAMES) {
          const fresh = new Evaluator(options).evaluate(peer, NOW);
          if (JSON.stringify(kept.evaluate(peer, NOW)) !== JSON.stringify(fresh))
            throw new Error(peer);
        }
      }
    }),
    { numRuns: 600 },
  );
  t.pass();
});
