import test from 'ava';
import { instant } from '../../../src/base/time.js';
import { DEFAULT_RATE_LIMITS, RateLimiter } from '../../../src/handshake/rateLimiter.js';

const v4 = (address: string): { family: 4; address: string } => ({ family: 4, address });
const v6 = (address: string): { family: 6; address: string } => ({ family: 6, address });
const at = (ms: number) => instant(ms);

/** How many of `count` handshakes pass, one every `everyMs`. */
function passed(limiter: RateLimiter, count: number, everyMs: number, startMs = 0): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    if (limiter.allow(v4('192.0.2.1'), at(startMs + i * everyMs))) sum++;
  }
  return sum;
}

test('a source gets 5 at once, and 20 a second after that', (t) => {
  t.is(passed(new RateLimiter(), 100, 0), 5);
  t.is(passed(new RateLimiter(), 10_001, 1), 5 + 10 * 20);
  t.is(passed(new RateLimiter(), 1000, 50), 1000);
  const limiter = new RateLimiter();
  passed(limiter, 5, 0);
  t.false(limiter.allow(v4('192.0.2.1'), at(49)));
  t.true(limiter.allow(v4('192.0.2.1'), at(50)));
  t.false(limiter.allow(v4('192.0.2.1'), at(51)));
});

test('a refused handshake costs the source nothing', (t) => {
  const limiter = new RateLimiter();
  passed(limiter, 1000, 0.04);
  t.true(limiter.allow(v4('192.0.2.1'), at(90)));
});

test('sources are IPv4 addresses and IPv6 /64 networks', (t) => {
  const limiter = new RateLimiter();
  for (let i = 0; i < 5; i++) t.true(limiter.allow(v6(`2001:db8::${i}`), at(0)));
  t.false(limiter.allow(v6('2001:db8:0:0:ffff:ffff:ffff:ffff'), at(0)));
  t.true(limiter.allow(v6('2001:db8:0:1::'), at(0)));
  t.is(passed(limiter, 5, 0), 5);
  t.true(limiter.allow(v4('192.0.2.2'), at(0)));
  t.is(limiter.sources, 4);
});

test('a full table refuses new sources and serves those it has', (t) => {
  const limiter = new RateLimiter({ ...DEFAULT_RATE_LIMITS, maxSources: 3 });
  for (const host of [1, 2, 3]) t.true(limiter.allow(v4(`192.0.2.${host}`), at(0)));
  t.false(limiter.allow(v4('192.0.2.4'), at(0)));
  t.true(limiter.allow(v4('192.0.2.3'), at(0)));
  t.is(limiter.sources, 3);
});

test('the table stays bounded under a flood from ever new sources', (t) => {
  const limiter = new RateLimiter();
  for (let i = 0; i < 50_000; i++) {
    limiter.allow(v4(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), at(i / 1000));
  }
  t.is(limiter.sources, DEFAULT_RATE_LIMITS.maxSources);
});

test('a source is forgotten when its bucket is full again', (t) => {
  const limiter = new RateLimiter();
  passed(limiter, 5, 0);
  limiter.collect(at(249));
  t.is(limiter.sources, 1);
  limiter.collect(at(250));
  t.is(limiter.sources, 0);
});

test('a new handshake collects what a second has made old, so a full table opens again', (t) => {
  const limiter = new RateLimiter({ ...DEFAULT_RATE_LIMITS, maxSources: 2 });
  limiter.allow(v4('192.0.2.1'), at(0));
  limiter.allow(v4('192.0.2.2'), at(0));
  t.false(limiter.allow(v4('192.0.2.3'), at(999)));
  t.true(limiter.allow(v4('192.0.2.3'), at(1000)));
  t.is(limiter.sources, 1);
});
