import test from 'ava';
import { explain } from '../../../src/trust/explain.js';
import { levelAt } from '../../../src/trust/opinion.js';
import { TrustGraph } from '../../../src/trust/trustGraph.js';
import { evaluate, indirect, later, opinion, web } from '../../support/opinions.js';

const near = (actual: number | null, expected: number): boolean =>
  actual !== null && Math.abs(actual - expected) < 1e-12;

test('a stranger has 0.5 in every component and is not admitted', (t) => {
  const { direct, indirect: found, reputation, score, admitted } = evaluate(web({}));
  t.deepEqual(
    [direct, found.kind, reputation, score, admitted],
    [null, 'unknown', null, 0.5, false],
  );
});

test('a direct level of 1 is 0.7 exactly and admits by itself; anything less does not', (t) => {
  t.is(evaluate(web({ 'me>peer': 1 })).score, 0.7);
  t.true(evaluate(web({ 'me>peer': 1 })).admitted);
  t.false(evaluate(web({ 'me>peer': 0.999 })).admitted);
});

test('two introducers who are sure admit a third', (t) => {
  const both = { 'me>ann': 1, 'me>bob': 0.8, 'ann>peer': 1, 'bob>peer': 1 };
  t.is(evaluate(web(both)).score, 0.7);
  t.true(evaluate(web(both)).admitted);
});

test('the sum is 0.4 direct + 0.4 indirect + 0.2 reputation', (t) => {
  const graph = web({ 'me>peer': 0.9, 'me>ann': 1, 'ann>peer': 0.8 });
  t.is(evaluate(graph, { reputation: 0.6 }).score, 0.8);
});

test('one introducer is not enough without a direct level, however many he brings', (t) => {
  const levels: Record<string, number> = { 'me>ann': 1, 'ann>peer': 1 };
  for (let i = 0; i < 50; i++) {
    levels[`ann>sybil${i}`] = 1;
    levels[`sybil${i}>peer`] = 1;
  }
  const finding = evaluate(web(levels)).indirect;
  t.is(finding.kind, 'unknown');
  t.is(finding.kind === 'unknown' && finding.reason, 'oneIntroductionOnly');
  t.is(indirect(web({ ...levels, 'me>peer': 0.6 })), 1);
});

test('two introducers who bring the same one are one introduction: its last statement is shared', (t) => {
  const shared = { 'me>ann': 1, 'me>bob': 1, 'ann>eve': 1, 'bob>eve': 1, 'eve>peer': 1 };
  t.is(indirect(web(shared)), null);
  t.is(indirect(web({ ...shared, 'bob>fay': 1, 'fay>peer': 1 })), 1);
});

test('a mean by hand: own word half of the voice, one brought 0.1 times his level', (t) => {
  const graph = web({
    'me>ann': 0.9,
    'me>bob': 0.8,
    'ann>peer': 0.7,
    'bob>cat': 0.9,
    'cat>peer': 1,
  });
  const own = 0.5 * 0.9;
  const brought = 0.1 * 0.8 * 0.9;
  t.true(near(indirect(graph), (own * 0.7 + brought * 1) / (own + brought)));
});

test('those whom an introducer brings share half of his voice, the highest level first', (t) => {
  const levels: Record<string, number> = { 'me>ann': 1, 'me>bob': 1, 'bob>peer': 0.8 };
  for (let i = 0; i < 12; i++) {
    Object.assign(levels, { [`ann>c${i}`]: 1, [`c${i}>peer`]: i < 3 ? 0.9 : 0.6 });
  }
  // Three of 0.9 and two of 0.6 fill Ann's half; Bob's word is half of his voice.
  const expected = (0.3 * 0.9 + 0.2 * 0.6 + 0.5 * 0.8) / 1;
  t.true(near(indirect(web(levels)), expected));
});

test('those whom an introducer brings never weigh more than his own distrust', (t) => {
  const levels: Record<string, number> = { 'me>ann': 1, 'ann>peer': 0 };
  for (let i = 0; i < 50; i++) Object.assign(levels, { [`ann>c${i}`]: 1, [`c${i}>peer`]: 1 });
  t.true(near(indirect(web(levels)), 0.5));
});

test('distrust travels one hop, and caps what a single introduction says', (t) => {
  t.is(indirect(web({ 'me>ann': 1, 'ann>bob': 1, 'bob>peer': 0 })), null);
  t.is(indirect(web({ 'me>ann': 1, 'ann>peer': 0 })), 0);
  const mixed = {
    'me>ann': 0.6,
    'me>bob': 1,
    'ann>peer': 0.4,
    'bob>peer': 1,
    'bob>c': 1,
    'c>peer': 1,
    'bob>d': 1,
    'd>peer': 1,
  };
  const finding = evaluate(web(mixed)).indirect;
  t.true(finding.kind === 'known' && finding.value === 0.5 && finding.limited);
});

test('nobody is heard whom the evaluator distrusts or knows nothing of', (t) => {
  t.is(indirect(web({ 'me>ann': 0.5, 'me>bob': 0.2, 'ann>peer': 1, 'bob>peer': 1 })), null);
  t.is(indirect(web({ 'ann>peer': 1, 'bob>peer': 1 })), null);
  const known = { 'me>ann': 1, 'me>bob': 1, 'me>eve': 0.4, 'ann>eve': 1, 'eve>peer': 1 };
  t.is(indirect(web({ ...known, 'bob>peer': 1 })), null, 'an own level is not overruled');
});

test('a recommender whom two introducers know counts once, in the voice that gives him more', (t) => {
  const levels = { 'me>ann': 0.6, 'me>bob': 1, 'ann>cat': 1, 'bob>cat': 0.8, 'cat>peer': 1 };
  const graph = web({ ...levels, 'ann>peer': 0.6, 'bob>peer': 0.6 });
  const brought = 0.1 * 1 * 0.8;
  t.true(near(indirect(graph), (0.3 * 0.6 + 0.5 * 0.6 + brought) / (0.8 + brought)));
});

test('the own level does not come back through those who trust the evaluator', (t) => {
  const graph = web({ 'me>peer': 0.8, 'me>ann': 1, 'ann>me': 1 });
  t.is(indirect(graph), null);
  t.is(indirect(graph, { policy: { estimator: 'literalMean' } }), null);
});

test('nobody vouches for himself, alone or as a step on the way', (t) => {
  const levels = { 'me>ann': 1, 'me>bob': 1, 'ann>peer': 0.6, 'bob>peer': 0.6 };
  const graph = web({ ...levels, 'peer>peer': 1, 'peer>ann': 1, 'me>peer': 0.8 });
  for (const estimator of ['introductions', 'literalMean'] as const) {
    t.true(near(indirect(graph, { policy: { estimator } }), 0.6), estimator);
  }
});

test('an introducer of bad peers loses weight, and the peer in question is left out', (t) => {
  const levels = { 'me>ann': 1, 'me>bob': 1, 'ann>peer': 1, 'bob>peer': 0.6 };
  const before = indirect(web(levels))!;
  const bad = { 'me>crook': 0, 'ann>crook': 1 };
  const after = indirect(web({ ...levels, ...bad }))!;
  t.true(near(before, 0.8));
  t.true(near(after, (0.25 + 0.5 * 0.6) / 0.75), 'credit (2 + 0) / (2 + 0 + 2) = 0.5');
  const trusted = { ...levels, 'me>peer': 0 };
  t.true(near(indirect(web(trusted)), before), 'contradicting us about him is no error here');
});

test('the literal mean by hand: products of two and three levels, averaged', (t) => {
  const graph = web({
    'me>ann': 0.9,
    'ann>peer': 0.8,
    'ann>bob': 0.7,
    'bob>peer': 0.6,
    'bob>ann': 1,
    'me>cat': 0.4,
    'cat>peer': 1,
  });
  const mean = (0.9 * 0.8 + 0.9 * 0.7 * 0.6) / 2;
  t.true(near(indirect(graph, { policy: { estimator: 'literalMean' } }), mean));
});

test('the literal mean is diluted by a further honest path; that is why it is not the default', (t) => {
  const levels = { 'me>ann': 1, 'me>bob': 1, 'ann>peer': 1, 'bob>peer': 1 };
  const further = { ...levels, 'me>cat': 0.6, 'cat>peer': 1 };
  const policy = { estimator: 'literalMean' } as const;
  t.true(indirect(web(further), { policy })! < indirect(web(levels), { policy })!);
  t.is(indirect(web(further)), indirect(web(levels)));
});

test('paths of four statements count nothing', (t) => {
  const levels = { 'me>a1': 1, 'me>b1': 1, 'a1>a2': 1, 'b1>b2': 1, 'a2>a3': 1, 'b2>b3': 1 };
  const graph = web({ ...levels, 'a3>peer': 1, 'b3>peer': 1 });
  t.is(indirect(graph), null);
  t.is(indirect(graph, { policy: { estimator: 'literalMean' } }), null);
});

test('a level counts in its own context; one of every context where there is none', (t) => {
  const graph = new TrustGraph();
  graph.set(opinion('me>peer', 1, { context: 'office' }));
  t.is(evaluate(graph).direct, null);
  graph.set(opinion('me>peer', 0.2, { context: '*' }));
  t.is(evaluate(graph).direct, 0.2);
  t.is(evaluate(graph, { context: 'office' }).direct, 1);
  graph.remove(opinion('me>peer', 1, { context: 'office' }));
  t.is(evaluate(graph, { context: 'office' }).direct, 0.2);
});

test('a level holds for half of its life, then goes to 0.5 in a straight line, and ends', (t) => {
  const full = opinion('me>peer', 0.9);
  t.is(levelAt(full, later(-5)), 0.9, 'a clock that is behind');
  t.is(levelAt(full, later(50)), 0.9);
  t.true(near(levelAt(full, later(75)), 0.7));
  t.true(near(levelAt(opinion('me>peer', 0), later(75)), 0.25));
  t.is(levelAt(full, later(100)), null);
  t.is(
    indirect(web({ 'me>ann': 1, 'ann>peer': 1, 'me>bob': 1, 'bob>peer': 1 }), { at: later(100) }),
    null,
  );
});

test('explain shows every number that goes into the sum', (t) => {
  const graph = web({
    'me>ann': 0.9,
    'me>bob': 0.8,
    'ann>peer': 0.7,
    'bob>cat': 0.9,
    'cat>peer': 1,
    'me>crook': 0,
    'bob>crook': 0.8,
  });
  const lines = explain(evaluate(graph, { reputation: 0.8 }), { name: (did) => did, maxPaths: 20 });
  t.deepEqual(lines, [
    'peer as me sees it, context net',
    'direct      0.5     nothing was said directly',
    'indirect    0.7222  mean of 2 introducers: 0.351 / 0.486',
    '  ann: voice 0.9 x credit 1 = 0.9',
    '    says himself 0.7: part 0.5 x 0.9 = 0.45',
    '  bob: voice 0.8 x credit 0.5 = 0.4',
    '    brings cat, who says 1: part 0.1 x 0.4 x 0.9 = 0.036',
    'reputation  0.8     seen and reported',
    'score       0.4 x 0.5 + 0.4 x 0.7222 + 0.2 x 0.8 = 0.6489',
    'not admitted: 0.6489 is below 0.7',
  ]);
  const literal = evaluate(graph, { policy: { estimator: 'literalMean' } });
  t.deepEqual(explain(literal, { name: (did) => did, maxPaths: 1 }).slice(2, 5), [
    'indirect    0.675   mean over 2 paths: 1.35 / 2',
    '  over ann: 0.9 x 0.7 = 0.63',
    '  and 1 more lines',
  ]);
});
