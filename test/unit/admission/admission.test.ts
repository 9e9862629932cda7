import test from 'ava';
import {
  ADMISSIONS_PER_IDENTITY,
  Admission,
  FIRST_COOL_DOWN_MS,
  QUARANTINED_MAX,
  REEVALUATE_EVERY_MS,
  STRANGERS_PER_INTRODUCER,
  type AdmissionEffect,
} from '../../../src/admission/admission.js';
import { DailyBudgets } from '../../../src/admission/dailyBudgets.js';
import { instant, wallTime, type Moment } from '../../../src/base/time.js';
import { DEFAULT_POLICY } from '../../../src/trust/policy.js';
import { WebOfTrust } from '../../../src/trust/webOfTrust.js';
import type { VerifiedStatement } from '../../../src/trust/statement/signedStatement.js';
import {
  START,
  START_S,
  revocation,
  signer,
  succession,
  vouch,
  type Signer,
} from '../../support/signers.js';

const DAY_MS = 86_400_000;
const me = signer('me');
const ann = signer('ann');
const bob = signer('bob');
const cat = signer('cat');
const peer = signer('peer');
const at = (ms: number): Moment => ({ boot: instant(ms), wall: wallTime(START + ms) });

interface Gate {
  readonly web: WebOfTrust;
  readonly machine: Admission;
}

function gate(...statements: readonly VerifiedStatement[]): Gate {
  const web = new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY });
  for (const one of statements) web.add(one, null);
  return { web, machine: new Admission({ web, context: 'net' }) };
}

const proved = ({ machine }: Gate, who: Signer, ms = 0): AdmissionEffect[] =>
  machine.handle({ kind: 'identityProved', peer: who.did }, at(ms));

/** `outcome reason` of each decision, and the ends of sessions. */
const told = (effects: readonly AdmissionEffect[]): string[] =>
  effects.map((one) => (one.kind === 'decided' ? `${one.outcome} ${one.reason}` : one.kind));

function change({ web, machine }: Gate, statement: VerifiedStatement, ms: number): string[] {
  web.add(statement, null);
  return told(machine.handle({ kind: 'statementsChanged' }, at(ms)));
}

test('a direct level of 1 admits, a stranger is quarantined, distrust and revocation refuse', (t) => {
  t.deepEqual(told(proved(gate(vouch(me, peer)), peer)), ['admitted scoreReached']);
  t.deepEqual(told(proved(gate(), peer)), ['quarantined scoreBelowThreshold']);
  t.deepEqual(told(proved(gate(vouch(me, peer, { level: 0.2 })), peer)), [
    'refused scoreBelowNeutral',
  ]);
  t.deepEqual(told(proved(gate(vouch(me, peer), revocation(peer, peer)), peer)), [
    'refused revoked',
  ]);
});

test('a decision carries the evaluation that it came from', (t) => {
  const [decision] = proved(gate(vouch(me, peer)), peer);
  t.is(decision?.kind === 'decided' && decision.evaluation.score, 0.7);
});

test('a peer who falls loses his sessions with the statement, and cools down', (t) => {
  const made = gate(vouch(me, peer));
  proved(made, peer);
  const fallen = change(made, vouch(me, peer, { issued: START_S + 1, level: 0.9 }), 5);
  t.deepEqual(fallen, ['refused scoreBelowThreshold', 'endSessions']);
  t.is(made.machine.outcomeOf(peer.did), null);
  change(made, vouch(me, peer, { issued: START_S + 2 }), 10);
  t.deepEqual(told(proved(made, peer, 5 + FIRST_COOL_DOWN_MS - 1)), ['refused coolingDown']);
  t.deepEqual(told(proved(made, peer, 5 + FIRST_COOL_DOWN_MS)), ['admitted scoreReached']);
});

test('each further fall of a day doubles the cool-down; a day without one forgets them', (t) => {
  const made = gate(vouch(me, peer));
  let now = 0;
  let issued = START_S;
  for (const coolMs of [60_000, 120_000, 240_000]) {
    t.deepEqual(told(proved(made, peer, now)), ['admitted scoreReached']);
    change(made, vouch(me, peer, { issued: ++issued, level: 0.9 }), now);
    change(made, vouch(me, peer, { issued: ++issued }), now);
    t.deepEqual(told(proved(made, peer, now + coolMs - 1)), ['refused coolingDown']);
    now += coolMs;
  }
  now += DAY_MS;
  t.deepEqual(told(proved(made, peer, now)), ['admitted scoreReached']);
  change(made, vouch(me, peer, { issued: issued + 1, level: 0.9 }), now);
  change(made, vouch(me, peer, { issued: issued + 2 }), now);
  t.deepEqual(told(proved(made, peer, now + FIRST_COOL_DOWN_MS)), ['admitted scoreReached']);
});

test('k of n guardians throw a peer out, and nothing brings the key back', (t) => {
  const named = succession(peer, peer, { guardians: [ann, bob, cat], needed: 2 });
  const made = gate(vouch(me, peer), named);
  proved(made, peer);
  t.deepEqual(change(made, revocation(ann, peer), 1), []);
  t.deepEqual(change(made, revocation(bob, peer), 2), ['refused revoked', 'endSessions']);
  t.deepEqual(told(proved(made, peer, DAY_MS * 2)), ['refused revoked']);
});

test('quarantine ends when statements come, without another handshake', (t) => {
  const made = gate(vouch(me, ann), vouch(me, bob), vouch(ann, peer));
  t.deepEqual(told(proved(made, peer)), ['quarantined scoreBelowThreshold']);
  t.deepEqual(change(made, vouch(bob, peer), 5), ['admitted scoreReached']);
});

test('nothing is told again while nothing changes', (t) => {
  const made = gate(vouch(me, peer));
  proved(made, peer);
  t.deepEqual(proved(made, peer, 1), []);
  t.deepEqual(change(made, vouch(ann, bob), 2), []);
});

test('two introducers bring four strangers a day, whatever number stands behind them', (t) => {
  const strangers = Array.from({ length: 12 }, (_, i) => signer(`stranger ${i}`));
  const made = gate(
    vouch(me, ann),
    vouch(me, bob),
    ...strangers.flatMap((one) => [vouch(ann, one), vouch(bob, one)]),
  );
  const outcomes = strangers.map((one, i) => told(proved(made, one, i))[0]);
  t.deepEqual(
    outcomes.slice(0, STRANGERS_PER_INTRODUCER),
    Array(STRANGERS_PER_INTRODUCER).fill('admitted scoreReached'),
  );
  t.deepEqual(
    outcomes.slice(STRANGERS_PER_INTRODUCER),
    Array(12 - STRANGERS_PER_INTRODUCER).fill('quarantined introducersExhausted'),
  );
  const timeout = made.machine.handleTimeout(at(DAY_MS - 1));
  t.deepEqual(told(timeout), [], 'not before a day has passed');
  const nextDay = told(made.machine.handleTimeout(at(DAY_MS + REEVALUATE_EVERY_MS)));
  t.deepEqual(nextDay, Array(STRANGERS_PER_INTRODUCER).fill('admitted scoreReached'));
});

test('the introducers’ budget is no matter for whom we know ourselves, nor for who is in', (t) => {
  const known = Array.from({ length: 10 }, (_, i) => signer(`known ${i}`));
  const made = gate(vouch(me, ann), vouch(me, bob), ...known.map((one) => vouch(me, one)));
  for (const one of known) t.deepEqual(told(proved(made, one)), ['admitted scoreReached']);
  t.deepEqual(told(made.machine.handle({ kind: 'statementsChanged' }, at(1))), []);
});

test('one identity is admitted six times a day', (t) => {
  const made = gate(vouch(me, peer));
  for (let i = 0; i < ADMISSIONS_PER_IDENTITY; i++) {
    t.deepEqual(told(proved(made, peer, i)), ['admitted scoreReached']);
    made.machine.handle({ kind: 'peerLeft', peer: peer.did }, at(i));
  }
  t.deepEqual(told(proved(made, peer, 10)), ['quarantined admittedTooOften']);
});

test('quarantine holds 64; the next one is refused, and comes in when one has left', (t) => {
  const made = gate();
  const crowd = Array.from({ length: QUARANTINED_MAX + 1 }, (_, i) => signer(`crowd ${i}`));
  const outcomes = crowd.map((one) => told(proved(made, one))[0]);
  t.is(outcomes.at(-1), 'refused quarantineFull');
  t.true(outcomes.slice(0, -1).every((one) => one === 'quarantined scoreBelowThreshold'));
  made.machine.handle({ kind: 'peerLeft', peer: crowd[0]!.did }, at(1));
  t.deepEqual(told(proved(made, crowd.at(-1)!, 2)), ['quarantined scoreBelowThreshold']);
});

test('levels that decay throw a peer out without a statement', (t) => {
  const made = gate(vouch(me, peer, { expires: START_S + 3_600 }));
  proved(made, peer);
  t.is(Number(made.machine.nextTimeout()), REEVALUATE_EVERY_MS);
  t.deepEqual(told(made.machine.handleTimeout(at(REEVALUATE_EVERY_MS))), []);
  t.deepEqual(told(made.machine.handleTimeout(at(1_900_000))), [
    'refused scoreBelowThreshold',
    'endSessions',
  ]);
  t.is(made.machine.nextTimeout(), null);
});

test('a daily budget comes back 24 h after each spending', (t) => {
  const budgets = new DailyBudgets(2);
  budgets.spend('ann', instant(0));
  budgets.spend('ann', instant(10));
  t.is(budgets.left('ann', instant(DAY_MS - 1)), 0);
  t.is(budgets.left('ann', instant(DAY_MS)), 1);
  t.is(budgets.left('ann', instant(DAY_MS + 10)), 2);
  t.is(budgets.left('bob', instant(0)), 2);
});
