import test from 'ava';
import { wallTime } from '../../../src/base/time.js';
import { STORE_LIMITS, StatementStore } from '../../../src/trust/statementStore.js';
import {
  START,
  START_S,
  revocation,
  sign,
  signer,
  succession,
  vouch,
} from '../../support/signers.js';

const [ann, bob, cat, dan] = ['ann', 'bob', 'cat', 'dan'].map((name) => signer(name)) as [
  ReturnType<typeof signer>,
  ReturnType<typeof signer>,
  ReturnType<typeof signer>,
  ReturnType<typeof signer>,
];

test('a slot holds the statement issued last, whichever came first', (t) => {
  const [older, newer] = [vouch(ann, bob), vouch(ann, bob, { issued: START_S + 1, level: 0.2 })];
  const forward = new StatementStore();
  t.deepEqual(forward.add(older, null), { kind: 'added', replaced: null });
  t.deepEqual(forward.add(newer, null), { kind: 'added', replaced: older });
  const backward = new StatementStore();
  backward.add(newer, null);
  t.is(backward.add(older, null).kind, 'outdated');
  t.deepEqual([...forward.all()], [newer]);
  t.deepEqual([...backward.all()], [newer]);
  t.is(forward.add(newer, 'x').kind, 'known');
  t.false(forward.has(older.id));
});

test('of two issued in the same second the larger id stays', (t) => {
  const pair = [vouch(ann, bob, { level: 0.1 }), vouch(ann, bob, { level: 0.2 })] as const;
  const larger = pair[0].id > pair[1].id ? pair[0] : pair[1];
  for (const order of [pair, [...pair].reverse()]) {
    const store = new StatementStore();
    for (const one of order) store.add(one, null);
    t.deepEqual([...store.all()], [larger]);
  }
});

test('other subjects, contexts, kinds and issuers are other slots, and so are contradicting successions', (t) => {
  const store = new StatementStore();
  const statements = [
    vouch(ann, bob),
    vouch(ann, cat),
    vouch(ann, bob, { context: 'office' }),
    vouch(cat, bob),
    revocation(ann, bob),
    succession(ann, ann, { successor: bob }),
    succession(ann, ann, { successor: cat }),
    succession(ann, ann, { guardians: [bob], needed: 1 }),
  ];
  for (const one of statements) t.is(store.add(one, null).kind, 'added');
  t.is(store.size, statements.length);
});

test('each bound refuses what is too much, and newer statements for taken slots go on', (t) => {
  const full = new StatementStore({ ...STORE_LIMITS, all: 1 });
  full.add(vouch(ann, bob), null);
  t.deepEqual(full.add(vouch(cat, bob), null), { kind: 'refused', reason: 'storeFull' });
  t.is(full.add(vouch(ann, bob, { issued: START_S + 1 }), null).kind, 'added');

  const short = vouch(ann, bob);
  const small = new StatementStore({ ...STORE_LIMITS, bytes: short.text.length + 10 });
  t.is(small.add(short, null).kind, 'added');
  t.deepEqual(small.add(vouch(cat, bob), null), { kind: 'refused', reason: 'storeFull' });
  const longer = vouch(ann, bob, {
    issued: START_S + 1,
    evidence: [{ kind: 'operator', digest: 'ab'.repeat(32) }],
  });
  t.deepEqual(small.add(longer, null), { kind: 'refused', reason: 'storeFull' });
  t.is(small.add(vouch(ann, bob, { issued: START_S + 1 }), null).kind, 'added');

  const issuer = new StatementStore({ ...STORE_LIMITS, perIssuer: 1 });
  issuer.add(vouch(ann, bob), null);
  t.deepEqual(issuer.add(vouch(ann, cat), null), { kind: 'refused', reason: 'issuerFull' });
  t.is(issuer.add(vouch(bob, cat), null).kind, 'added');

  const carrier = new StatementStore({ ...STORE_LIMITS, perCarrier: 1 });
  carrier.add(vouch(ann, bob), dan.did);
  t.deepEqual(carrier.add(vouch(bob, cat), dan.did), { kind: 'refused', reason: 'carrierFull' });
  t.is(carrier.add(vouch(bob, cat), cat.did).kind, 'added');
  t.is(carrier.add(vouch(bob, dan), null).kind, 'added', 'own statements have no carrier');
});

test('what leaves makes room, and counts are given back exactly', (t) => {
  const store = new StatementStore({ ...STORE_LIMITS, all: 2, perIssuer: 1, perCarrier: 1 });
  const first = vouch(ann, bob, { expires: START_S + 10 });
  store.add(first, dan.did);
  t.deepEqual(store.expire(wallTime(START + 9_999)), []);
  t.deepEqual(store.expire(wallTime(START + 10_000)), [first]);
  t.is(store.size, 0);
  t.is(store.add(vouch(ann, cat), dan.did).kind, 'added');
  t.true(store.remove([...store.all()][0]!.id));
  t.false(store.remove('00'));
  t.is(store.add(vouch(ann, bob), dan.did).kind, 'added');
});

test('revocations and successions stay when everything else has expired', (t) => {
  const store = new StatementStore();
  const lasting = [revocation(ann, ann), succession(bob, bob, { successor: cat })];
  for (const one of [...lasting, vouch(ann, bob)]) store.add(one, null);
  store.expire(wallTime(START + 1e12));
  t.deepEqual([...store.all()], lasting);
});

test('a rotation replaces the one of its tunnel only', (t) => {
  const store = new StatementStore();
  const rotation = (tunnel: string, epoch: number) =>
    sign(ann, {
      v: 1,
      kind: 'rotation',
      issuer: ann.did,
      issued: START_S + epoch,
      expires: START_S + 86_400,
      tunnel,
      key: 'A'.repeat(43),
      epoch,
    });
  for (const one of [rotation('wg0', 1), rotation('wg1', 1), rotation('wg0', 2)])
    store.add(one, null);
  t.is(store.size, 2);
});
