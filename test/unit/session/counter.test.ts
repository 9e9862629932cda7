// 64-bit counters in two halves.
import test from 'ava';
import fc from 'fast-check';
import { SendCounter, counterLimit, reached } from '../../../src/session/counter.js';

test('a limit splits into halves that say the same as bigints', (t) => {
  const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
  fc.assert(
    fc.property(u64, u64, (value, limit) => {
      const { high, low } = counterLimit(value);
      return reached(high, low, counterLimit(limit)) === value >= limit;
    }),
  );
  t.pass();
});

test('a limit is reached by itself and not by its predecessor', (t) => {
  for (const limit of [1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    const before = counterLimit(limit - 1n);
    const at = counterLimit(limit);
    t.false(reached(before.high, before.low, at));
    t.true(reached(at.high, at.low, at));
  }
});

test('carries into the high half', (t) => {
  const counter = new SendCounter();
  t.is(counter.taken, 0);
  counter.low = 0xffff_fffe;
  counter.advance();
  t.deepEqual([counter.high, counter.low], [0, 0xffff_ffff]);
  counter.advance();
  t.deepEqual([counter.high, counter.low], [1, 0]);
  t.is(counter.taken, 2 ** 32);
});
