// Link changes, retries and silence, through the device.
import test from 'ava';
import type { PeerActivity } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import { TestDevice, connected, kinds, of, path, sentTo, shakeHands } from './deviceHarness.js';

function report(device: TestDevice, change: Partial<PeerActivity>): void {
  device.handle({
    kind: 'activity',
    peer: peerId(0),
    dataSentAt: null,
    authenticatedSentAt: null,
    dataReceivedAt: null,
    authenticatedReceivedAt: null,
    ...change,
  });
}

test('a retry forgets the local address and sends a new initiation', (t) => {
  const { alice } = connected();
  const first = sentTo(alice.keysNeeded());
  const effects = alice.advance(5_400);
  t.deepEqual(kinds(effects), ['clearLocalAddress', 'sendToPeer']);
  const second = sentTo(effects);
  t.notDeepEqual(second.subarray(4, 8), first.subarray(4, 8), 'another index');
  t.notDeepEqual(second.subarray(8, 40), first.subarray(8, 40), 'another ephemeral key');
});

test('twenty unanswered initiations, then the waiting packets are dropped', (t) => {
  const { alice } = connected();
  alice.keysNeeded();
  alice.advance(200_000);
  const effects = alice.take();
  t.is(of(effects, 'sendToPeer').length, 20);
  t.is(of(effects, 'dropStaged').length, 1);
  t.is(kinds(effects).at(-1), 'dropStaged');
  t.is(of(alice.keysNeeded(), 'sendToPeer').length, 1, 'the next packet starts over');
});

test('silence after data sent starts a handshake and forgets the local address', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  alice.take();
  report(alice, { dataSentAt: alice.boot, authenticatedSentAt: alice.boot });
  const effects = alice.advance(15_400);
  t.deepEqual(kinds(effects), ['clearLocalAddress', 'sendToPeer']);
});

test('data received and nothing sent brings a keepalive', (t) => {
  const { alice } = connected();
  report(alice, { dataReceivedAt: alice.boot, authenticatedReceivedAt: alice.boot });
  t.deepEqual(kinds(alice.advance(9_999)), []);
  t.deepEqual(kinds(alice.advance(1)), ['sendKeepalive']);
});

test('keys are dropped 540 s after the last handshake', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  alice.take();
  t.deepEqual(kinds(alice.advance(539_999)), []);
  t.deepEqual(kinds(alice.advance(1)), ['dropKeys']);
  bob.advance(539_999);
  t.is(of(bob.take(), 'dropKeys').length, 0);
  t.deepEqual(kinds(bob.advance(1)), ['dropKeys'], 'the responder counts from its response');
});

test('the link coming up sends a keepalive where one is configured', (t) => {
  const { alice, bob } = connected();
  alice.peer(bob.publicKey, { persistentKeepaliveS: 25 });
  alice.peer(new Uint8Array(32).fill(9));
  alice.link(false);
  const effects = alice.link(true);
  t.deepEqual(kinds(effects), ['sendKeepalive']);
  t.is(of(effects, 'sendKeepalive')[0]?.peer, peerId(0));
});

test('a persistent keepalive goes on although nothing can be sent', (t) => {
  const device = TestDevice.running('one');
  device.peer(new Uint8Array(32).fill(9), { persistentKeepaliveS: 1 });
  device.take();
  t.is(of(device.advance(600_000), 'sendKeepalive').length, 600);
});

test('the link going down drops keys, handshakes and waiting packets, and stops the timers', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  alice.advance(6_000);
  alice.keysNeeded();
  const effects = alice.link(false);
  t.deepEqual(kinds(effects), ['dropStaged', 'dropKeys']);
  t.is(alice.device.nextTimeout(), null);
  t.false(alice.device.health(bob.publicKey)?.handshakePending);
});

test('while the link is down nothing is answered or initiated', (t) => {
  const { alice, bob } = connected();
  alice.link(false);
  t.deepEqual(kinds(alice.control(sentTo(bob.keysNeeded()), path(1))), []);
  t.deepEqual(alice.refusals(), { linkDown: 1 });
  t.deepEqual(alice.keysNeeded(), []);
});

test('after the link comes up again a handshake need not wait 5 s', (t) => {
  const { alice } = connected();
  alice.keysNeeded();
  alice.link(false);
  alice.link(true);
  t.is(of(alice.keysNeeded(), 'sendToPeer').length, 1);
});

test('a repeated link report changes nothing', (t) => {
  const { alice, bob } = connected();
  alice.peer(bob.publicKey, { persistentKeepaliveS: 25 });
  t.deepEqual(alice.link(true), []);
});

test('a handshake is pending until it is answered', (t) => {
  const { alice, bob } = connected();
  t.false(alice.device.health(bob.publicKey)?.handshakePending);
  const initiation = sentTo(alice.keysNeeded());
  t.true(alice.device.health(bob.publicKey)?.handshakePending);
  alice.control(sentTo(bob.control(initiation, path(2))), path(1));
  t.false(alice.device.health(bob.publicKey)?.handshakePending);
});

test('retries are spread over a third of a second', (t) => {
  const { alice } = connected();
  alice.keysNeeded();
  const gaps = new Set<number>();
  let last = alice.bootMs;
  for (let i = 0; i < 19; i++) {
    const next = alice.device.nextTimeout()!;
    gaps.add(next - last);
    t.true(next - last >= 5_000 && next - last <= 5_333);
    alice.advance(next - last);
    last = next;
  }
  t.true(gaps.size > 10);
});
