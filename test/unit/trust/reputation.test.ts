import test from 'ava';
import { wallTime, type WallTime } from '../../../src/base/time.js';
import { Reputation, type Observation } from '../../../src/trust/reputation.js';

const DAY_MS = 86_400_000;
const START = wallTime(1_800_000_000_000);
const later = (days: number): WallTime => wallTime(START + days * DAY_MS);
const nobody = (): number => 0;

function seen(...observations: readonly Observation[]): Reputation {
  const made = new Reputation();
  for (const one of observations) made.observe('peer', one, START);
  return made;
}
const value = (of: Reputation, at = START, weightOf = nobody): number | null =>
  of.value('peer', at, weightOf);

test('nothing is known of whom nothing was seen', (t) => {
  t.is(value(seen()), null);
  t.is(seen('replay').value('other', START, nobody), null);
});

test('evidence moves the reputation from 0.5, each kind by its counts', (t) => {
  t.is(value(seen('handshakeKept')), 6 / 11);
  t.is(value(seen('hourPresent')), 6 / 11);
  t.is(value(seen('attested')), 10 / 15);
  t.is(value(seen('brokenOff')), 5 / 11);
  t.is(value(seen('malformed')), 5 / 12);
  t.is(value(seen('replay')), 5 / 15);
});

test('reputation can’t be hurried: 24 positive counts a day', (t) => {
  const hasty = new Reputation();
  for (let i = 0; i < 1_000; i++) hasty.observe('peer', 'handshakeKept', START);
  t.is(value(hasty), (24 + 5) / (24 + 10));
  hasty.observe('peer', 'replay', START);
  t.is(value(hasty), 29 / 39, 'negative ones all count');
  hasty.observe('peer', 'handshakeKept', later(1));
  t.true(hasty.ownCounts('peer', later(1)).positive >= 24);
});

test('what was good is forgotten in 30 days by half, what was bad in 90', (t) => {
  const { positive, negative } = seen('attested', 'replay').ownCounts('peer', later(90));
  t.is(positive, 0);
  t.is(negative, 2);
  t.true(value(seen('attested', 'replay'), later(90))! < value(seen('attested', 'replay'))!);
});

test('a clock that was set back decays nothing and opens no new store of patience', (t) => {
  t.is(value(seen('attested'), later(-10)), 10 / 15);
});

test('a report replaces the same reporter’s, goes when it is taken back, and is never one’s own', (t) => {
  const made = new Reputation();
  const trusted = (): number => 1;
  made.setReport('ann', 'peer', { positive: 0, negative: 8, issuedAt: START });
  t.is(value(made, START, trusted), 5 / 18);
  made.setReport('ann', 'peer', { positive: 8, negative: 0, issuedAt: START });
  t.is(value(made, START, trusted), 13 / 18);
  made.removeReport('ann', 'peer');
  t.is(value(made, START, trusted), null);
  made.setReport('peer', 'peer', { positive: 1_000, negative: 0, issuedAt: START });
  t.is(value(made, START, trusted), null);
});

test('the order of reports does not matter, to the last bit', (t) => {
  const reports = [0.1, 0.7, 0.3, 0.9].map((weight, i) => ({ name: `r${i}`, weight }));
  const of = (list: typeof reports): number | null => {
    const made = new Reputation();
    for (const { name } of list)
      made.setReport(name, 'peer', { positive: 3, negative: 7, issuedAt: START });
    return made.value('peer', later(3), (who) => reports.find(({ name }) => name === who)!.weight);
  };
  t.is(of(reports), of([...reports].reverse()));
});
