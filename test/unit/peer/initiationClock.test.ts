// Timestamps of initiations when the wall clock does what it likes.
import test from 'ava';
import { wallTime } from '../../../src/base/time.js';
import { compareTimestamps, tai64n } from '../../../src/handshake/timestamp.js';
import { InitiationClock } from '../../../src/peer/initiationClock.js';

const NOON = 1_790_000_000_000;

test('one peer gets strictly increasing timestamps, also when the clock steps back', (t) => {
  const clock = new InitiationClock();
  let last: Uint8Array | null = null;
  for (const now of [
    NOON,
    NOON,
    NOON + 1,
    NOON - 3_600_000,
    NOON - 3_600_000,
    NOON + 5,
    NOON - 1,
  ]) {
    const next = clock.next(last, wallTime(now));
    if (last !== null) t.true(compareTimestamps(next, last) > 0, `at ${now - NOON}`);
    last = next;
  }
});

test('a peer that is added after the clock stepped back starts no earlier than the others', (t) => {
  const clock = new InitiationClock();
  const before = clock.next(null, wallTime(NOON));
  const after = clock.next(null, wallTime(NOON - 86_400_000));
  t.is(compareTimestamps(after, before), 0);
});

test('ten thousand peers at once do not push the clock ahead', (t) => {
  const clock = new InitiationClock();
  let last = clock.next(null, wallTime(NOON));
  for (let i = 0; i < 10_000; i++) last = clock.next(null, wallTime(NOON));
  t.deepEqual(last, tai64n(wallTime(NOON)));
});
