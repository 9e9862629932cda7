// Cookies and rate limits: only under load, and then before any key is computed.
import test from 'ava';
import { LOAD_MESSAGES_PER_SECOND } from '../../../src/session/limits.js';
import type { TestDevice } from './deviceHarness.js';
import { connected, kinds, of, path, sentTo } from './deviceHarness.js';

/** Brings the device under load with replays of an initiation that it has seen. */
function load(device: TestDevice, initiation: Uint8Array): void {
  for (let i = 0; i < LOAD_MESSAGES_PER_SECOND; i++) device.control(initiation, path(1000 + i));
  device.take();
}

test('without load a message needs no cookie', (t) => {
  const { alice, bob } = connected();
  t.deepEqual(kinds(bob.control(sentTo(alice.keysNeeded()), path(2))).slice(0, 1), ['setPath']);
});

test('under load an initiation is answered by a cookie and nothing is kept', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  load(bob, initiation);
  const indices = bob.device.stats().indices;
  const effects = bob.control(initiation, path(77));
  t.deepEqual(kinds(effects), ['sendTo']);
  t.deepEqual(of(effects, 'sendTo')[0]?.path, path(77));
  t.is(of(effects, 'sendTo')[0]?.bytes.length, 64);
  t.is(of(effects, 'sendTo')[0]?.trafficClass, 0);
  t.is(bob.device.stats().indices, indices);
  t.is(bob.device.stats().rateLimitedSources, 0);
});

test('with the cookie the next initiation is answered, from the same address and port only', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  load(bob, initiation);
  const cookie = of(bob.control(initiation, path(2)), 'sendTo')[0]!.bytes;
  t.deepEqual(kinds(alice.control(cookie, path(1))), [], 'a cookie reply moves no endpoint');
  const again = sentTo(alice.advance(5_400));
  t.notDeepEqual(again.slice(-16), new Uint8Array(16));
  bob.advance(5_400);
  load(bob, initiation);
  t.deepEqual(kinds(bob.control(again, path(3))), ['sendTo']);
  t.deepEqual(kinds(bob.control(again, path(2, '192.0.2.9'))), ['sendTo']);
  t.true(kinds(bob.control(again, path(2))).includes('installKeys'));
});

test('a cookie reply stops no timer: the initiation is retried', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  load(bob, initiation);
  alice.control(of(bob.control(initiation, path(2)), 'sendTo')[0]!.bytes, path(1));
  t.true(alice.device.health(bob.publicKey)?.handshakePending);
});

test('under load a source with a cookie gets 5 messages at once', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  load(bob, initiation);
  alice.control(of(bob.control(initiation, path(2)), 'sendTo')[0]!.bytes, path(1));
  const again = sentTo(alice.advance(5_400));
  load(bob, initiation);
  const before = bob.refusals()['rateLimited'] ?? 0;
  for (let i = 0; i < 9; i++) bob.control(again, path(2));
  t.is((bob.refusals()['rateLimited'] ?? 0) - before, 4);
  t.is(bob.device.stats().rateLimitedSources, 1);
  bob.advance(10_000);
  t.is(bob.device.stats().rateLimitedSources, 0, 'the table is swept when it is over');
  t.is(bob.device.nextTimeout() === null || bob.device.nextTimeout()! > bob.bootMs, true);
});

test('a wrong mac1 makes no load and gets no cookie', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  const forged = initiation.slice();
  forged[120]! ^= 1;
  for (let i = 0; i < 3 * LOAD_MESSAGES_PER_SECOND; i++) bob.control(forged, path(i));
  t.deepEqual(of(bob.take(), 'sendTo'), []);
  t.true(kinds(bob.control(initiation, path(2))).includes('installKeys'));
});

test('load passes: two seconds after the flood no cookie is asked for', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  load(bob, initiation);
  alice.advance(5_400);
  const second = sentTo(
    alice
      .take()
      .filter(({ kind }) => kind === 'sendToPeer')
      .slice(-1),
  );
  bob.advance(2_000);
  t.true(kinds(bob.control(second, path(2))).includes('installKeys'));
});

test('a cookie reply that answers nothing is refused', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  load(bob, initiation);
  const cookie = of(bob.control(initiation, path(2)), 'sendTo')[0]!.bytes;
  const bent = cookie.slice();
  bent[40]! ^= 1;
  alice.control(bent, path(1));
  alice.control(cookie, path(1));
  alice.control(cookie, path(1));
  t.deepEqual(alice.refusals(), { unusableCookie: 2 });
});
