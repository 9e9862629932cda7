import test from 'ava';
import { toHex } from '../../../src/base/bytes.js';
import { wallTime } from '../../../src/base/time.js';
import { compareTimestamps, nextTimestamp, tai64n } from '../../../src/handshake/timestamp.js';

const GRANULE = 2 ** 24;

test('TAI64N counts from 2^62 + 10 s, with nanoseconds behind it', (t) => {
  t.is(toHex(tai64n(wallTime(0))), '400000000000000a00000000');
  // cr.yp.to/libtai/tai64.html: 400000002a2b2c2d is 1992-06-02 08:07:09 TAI. WireGuard takes TAI
  // as 10 s ahead of UTC for ever.
  t.is(toHex(tai64n(wallTime(Date.UTC(1992, 5, 2, 8, 7, 9) - 10_000))), '400000002a2b2c2d00000000');
});

test('nanoseconds are rounded down to 2^24, so that no fine clock shows', (t) => {
  for (const ms of [0, 1, 16, 17, 500, 998, 999]) {
    const nanoseconds = new DataView(tai64n(wallTime(1_700_000_000_000 + ms)).buffer).getUint32(8);
    t.is(nanoseconds % GRANULE, 0);
    t.true(nanoseconds <= ms * 1_000_000 && nanoseconds > ms * 1_000_000 - GRANULE);
  }
  t.deepEqual(tai64n(wallTime(1_700_000_000_001)), tai64n(wallTime(1_700_000_000_016)));
});

test('the bytes compare as the times do', (t) => {
  const times = [0, 17, 999, 1000, 255_999, 256_000, 1_700_000_000_000, 2 ** 42];
  for (const [i, a] of times.entries()) {
    for (const [j, b] of times.entries()) {
      const order = compareTimestamps(tai64n(wallTime(a)), tai64n(wallTime(b)));
      t.is(Math.sign(order), Math.sign(i - j), `${a} and ${b}`);
    }
  }
});

test('within one granule the next timestamp is the next granule', (t) => {
  const now = wallTime(1_700_000_000_000);
  let last = nextTimestamp(null, now);
  t.deepEqual(last, tai64n(now));
  for (let i = 0; i < 200; i++) {
    const next = nextTimestamp(last, now);
    t.true(compareTimestamps(next, last) > 0);
    t.is(new DataView(next.buffer).getUint32(8) % GRANULE, 0);
    t.true(new DataView(next.buffer).getUint32(8) < 1_000_000_000);
    last = next;
  }
  // 200 granules are 3.36 s: the clock has caught up a second later than that.
  t.deepEqual(nextTimestamp(last, wallTime(now + 5000)), tai64n(wallTime(now + 5000)));
});

test('after the clock stepped back, timestamps still grow', (t) => {
  const last = tai64n(wallTime(1_700_000_000_000));
  const next = nextTimestamp(last, wallTime(0));
  t.true(compareTimestamps(next, last) > 0);
  t.true(compareTimestamps(nextTimestamp(next, wallTime(0)), next) > 0);
});

test('a timestamp that is a view into a message is read at its place', (t) => {
  const message = new Uint8Array(40).fill(0xff);
  message.set(tai64n(wallTime(1_700_000_000_000)), 20);
  const last = message.subarray(20, 32);
  t.true(compareTimestamps(nextTimestamp(last, wallTime(0)), last) > 0);
  t.is(new DataView(nextTimestamp(last, wallTime(0)).buffer).getUint32(8), GRANULE);
});
