import test from 'ava';
import { wallTime } from '../../../src/base/time.js';
import { DEFAULT_POLICY } from '../../../src/trust/policy.js';
import { WebOfTrust } from '../../../src/trust/webOfTrust.js';
import type { VerifiedStatement } from '../../../src/trust/statement/signedStatement.js';
import {
  START,
  START_S,
  report,
  revocation,
  signer,
  succession,
  vouch,
  type Signer,
} from '../../support/signers.js';

const names = ['me', 'ann', 'bob', 'cat', 'peer', 'heir', 'thief'] as const;
const who = Object.fromEntries(names.map((name) => [name, signer(name)])) as Record<
  (typeof names)[number],
  Signer
>;
const { me, ann, bob, cat, peer, heir, thief } = who;

function web(...statements: readonly VerifiedStatement[]): WebOfTrust {
  const made = new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY });
  for (const one of statements) made.add(one, null);
  return made;
}
const scoreOf = (of: WebOfTrust, subject: Signer): number =>
  of.evaluate(subject.did, 'net', START).score;
const admits = (of: WebOfTrust, subject: Signer): boolean =>
  of.evaluate(subject.did, 'net', START).admitted;

const introduced = [vouch(me, ann), vouch(me, bob), vouch(ann, peer), vouch(bob, peer)];

test('signed statements make a web: a third gets in because two vouch', (t) => {
  t.true(admits(web(...introduced), peer));
  t.false(admits(web(...introduced.slice(0, 3)), peer));
});

test('a statement that came, was replaced and expired is followed at once', (t) => {
  const made = web(...introduced);
  t.true(admits(made, peer));
  made.add(vouch(bob, peer, { issued: START_S + 1, level: 0 }), null);
  t.false(admits(made, peer));
  made.add(vouch(bob, peer, { issued: START_S + 2 }), null);
  t.true(admits(made, peer));
  made.add(vouch(me, cat, { expires: START_S + 60 }), null);
  t.is(made.evaluate(cat.did, 'net', START).direct, 1);
  t.is(made.expire(wallTime(START + 60_000)).length, 1);
  t.is(made.evaluate(cat.did, 'net', wallTime(START + 60_000)).direct, null);
});

test('no statement of a revoked key counts, whichever came first', (t) => {
  for (const order of [
    [...introduced, revocation(bob, bob)],
    [revocation(bob, bob), ...introduced],
  ]) {
    const made = web(...order);
    t.true(made.isRevoked(bob.did));
    t.is(scoreOf(made, peer), 0.5);
  }
});

test('a revoked key is not admitted whatever is said about it', (t) => {
  const made = web(vouch(me, peer), revocation(peer, peer));
  const { admitted, revoked, score } = made.evaluate(peer.did, 'net', START);
  t.deepEqual([admitted, revoked, score], [false, true, 0.7]);
});

test('others revoke nobody, unless they are enough of his guardians', (t) => {
  const named = succession(peer, peer, { guardians: [ann, bob, cat], needed: 2 });
  t.false(web(revocation(ann, peer), revocation(bob, peer)).isRevoked(peer.did));
  t.false(web(named, revocation(ann, peer)).isRevoked(peer.did));
  t.false(web(named, revocation(ann, peer), revocation(thief, peer)).isRevoked(peer.did));
  t.true(web(named, revocation(ann, peer), revocation(cat, peer)).isRevoked(peer.did));
  t.true(web(revocation(ann, peer), revocation(cat, peer), named).isRevoked(peer.did));
});

test('a guardian who revoked himself counts no more, and a thief’s guardians change nothing', (t) => {
  const named = succession(peer, peer, { guardians: [ann, bob], needed: 2 });
  const both = [revocation(ann, peer), revocation(bob, peer)];
  t.false(web(named, ...both, revocation(ann, ann)).isRevoked(peer.did));
  const others = succession(peer, peer, { guardians: [thief], needed: 1 });
  t.true(web(named, others, ...both).isRevoked(peer.did), 'the first set still revokes');
});

test('what is said about an old key counts for its successor', (t) => {
  const handed = succession(peer, peer, { successor: heir });
  const made = web(...introduced, handed);
  t.true(admits(made, heir));
  t.is(made.successorOf(peer.did), heir.did);
  made.add(vouch(bob, heir, { level: 0 }), null);
  t.false(admits(made, heir), 'an own word about the new key comes first');
});

test('two successors named by the old key cancel each other', (t) => {
  const claims = [
    succession(peer, peer, { successor: heir }),
    succession(peer, peer, { successor: thief }),
  ];
  for (const order of [claims, [...claims].reverse()]) {
    const made = web(...introduced, ...order);
    t.false(admits(made, heir) || admits(made, thief));
  }
});

test('a revoked key names no successor; its guardians do', (t) => {
  const named = succession(peer, peer, { guardians: [ann, bob, cat], needed: 2 });
  const stolen = [revocation(peer, peer), succession(peer, peer, { successor: thief })];
  t.is(web(...introduced, named, ...stolen).successorOf(peer.did), null);
  const made = web(...introduced, named, ...stolen, succession(ann, peer, { successor: heir }));
  t.is(made.successorOf(peer.did), null, 'one of two');
  made.add(succession(cat, peer, { successor: heir }), null);
  t.is(made.successorOf(peer.did), heir.did);
  t.true(admits(made, heir));
  t.false(admits(made, peer));
});

test('a thief who names guardians of his own takes nothing over', (t) => {
  const named = succession(peer, peer, { guardians: [ann, bob], needed: 2 });
  const own = [
    succession(peer, peer, { guardians: [thief], needed: 1 }),
    succession(thief, peer, { successor: thief }),
  ];
  t.is(web(named, ...own).successorOf(peer.did), null);
  t.is(web(...own, named).successorOf(peer.did), null);
});

test('a successor’s own word about the old key does not vouch for himself', (t) => {
  const made = web(vouch(me, heir), vouch(heir, peer), succession(peer, peer, { successor: heir }));
  t.is(made.evaluate(heir.did, 'net', START).indirect.kind, 'unknown');
});

test('reports of trusted ones move the reputation by a bounded amount; strangers’ and own ones don’t', (t) => {
  const bad = { positive: 0, negative: 1_000 };
  const reputation = (of: WebOfTrust): number | null =>
    of.evaluate(peer.did, 'net', START).reputation;
  t.is(reputation(web(report(ann, peer, bad))), null, 'a stranger');
  const one = web(vouch(me, ann), report(ann, peer, bad));
  t.is(reputation(one), 5 / 18, 'eight counts at most');
  t.is(
    reputation(
      web(vouch(me, ann, { level: 0.75 }), report(ann, peer, { positive: 4, negative: 0 })),
    ),
    8 / 13,
  );
  one.add(revocation(ann, ann), null);
  t.is(reputation(one), null);
});
