// Handshakes through the device: who answers what, and what is refused.
import test from 'ava';
import { CookieStamper } from '../../../src/handshake/cookie.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import { Secret } from '../../../src/base/secret.js';
import { LOW_ORDER_POINTS } from '../../support/lowOrderPoints.js';
import {
  TestDevice,
  connected,
  installed,
  kinds,
  of,
  path,
  sentTo,
  shakeHands,
} from './deviceHarness.js';

test('a handshake gives both ends the same keys, crossed', (t) => {
  const { alice, bob } = connected();
  const { initiatorKeys, responderKeys } = shakeHands(alice, bob);
  t.is(initiatorKeys.role, 'initiator');
  t.is(responderKeys.role, 'responder');
  t.deepEqual(initiatorKeys.sendKey, responderKeys.receiveKey);
  t.deepEqual(initiatorKeys.receiveKey, responderKeys.sendKey);
  t.notDeepEqual(initiatorKeys.sendKey, initiatorKeys.receiveKey);
  t.is(initiatorKeys.localIndex, responderKeys.remoteIndex);
  t.is(initiatorKeys.remoteIndex, responderKeys.localIndex);
  t.is(initiatorKeys.createdAt, alice.boot);
});

test('the responder sets the path, counts, installs, and only then answers', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  const effects = bob.control(initiation, path(7));
  t.deepEqual(kinds(effects), ['setPath', 'countControlReceived', 'installKeys', 'sendToPeer']);
  t.deepEqual(of(effects, 'setPath')[0]?.path, path(7));
  t.is(of(effects, 'countControlReceived')[0]?.bytes, 148);
  t.is(sentTo(effects).length, 92);
});

test('the initiator sets the path, counts and installs', (t) => {
  const { alice, bob } = connected();
  const response = sentTo(bob.control(sentTo(alice.keysNeeded()), path(2)));
  const effects = alice.control(response, path(9));
  t.deepEqual(kinds(effects), ['setPath', 'countControlReceived', 'installKeys']);
  t.deepEqual(of(effects, 'setPath')[0]?.path, path(9));
  t.is(of(effects, 'countControlReceived')[0]?.bytes, 92);
});

test('initiations and responses carry traffic class 0x88', (t) => {
  const { alice, bob } = connected();
  const initiated = alice.keysNeeded();
  const responded = bob.control(sentTo(initiated), path(2));
  t.is(of(initiated, 'sendToPeer')[0]?.trafficClass, 0x88);
  t.is(of(responded, 'sendToPeer')[0]?.trafficClass, 0x88);
});

test('the handshake is the latest one when its response comes, or its first packet', (t) => {
  const { alice, bob } = connected();
  alice.wallMs += 5;
  const { responderKeys } = shakeHands(alice, bob);
  t.is(alice.device.health(bob.publicKey)?.lastHandshakeAt, alice.now.wall);
  t.is(bob.device.health(alice.publicKey)?.lastHandshakeAt, null);
  bob.wallMs += 77;
  bob.handle({ kind: 'keysConfirmed', peer: peerId(0), localIndex: responderKeys.localIndex });
  t.is(bob.device.health(alice.publicKey)?.lastHandshakeAt, bob.now.wall);
});

test('a replayed initiation is refused, and so is an older one', (t) => {
  const { alice, bob } = connected();
  const first = sentTo(alice.keysNeeded());
  alice.advance(5_400);
  const second = sentTo(
    alice
      .take()
      .filter((effect) => effect.kind === 'sendToPeer')
      .slice(-1),
  );
  bob.advance(10_000);
  t.is(of(bob.control(second, path(2)), 'installKeys').length, 1);
  bob.advance(10_000);
  t.deepEqual(kinds(bob.control(second, path(2))), []);
  t.deepEqual(kinds(bob.control(first, path(2))), []);
  t.deepEqual(bob.refusals(), { replayedInitiation: 2 });
});

test('a refused initiation moves no endpoint and leaves the sessions alone', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  bob.control(initiation, path(2));
  bob.advance(10_000);
  bob.take();
  t.deepEqual(kinds(bob.control(initiation, path(666))), []);
});

test('a second initiation within 20 ms is a flood', (t) => {
  const { alice, bob } = connected();
  const first = sentTo(alice.keysNeeded());
  alice.configure({ privateKey: null });
  alice.configure({ privateKey: new Secret(alice.privateKey.slice()) });
  const second = sentTo(
    alice
      .take()
      .filter((effect) => effect.kind === 'sendToPeer')
      .slice(-1),
  );
  t.notDeepEqual(first, second);
  t.is(of(bob.control(first, path(2)), 'installKeys').length, 1);
  bob.advance(19);
  t.deepEqual(kinds(bob.control(second, path(2))), []);
  t.deepEqual(bob.refusals(), { initiationFlood: 1 });
  bob.advance(1);
  t.is(of(bob.control(second, path(2)), 'installKeys').length, 1);
});

test('the clock of the initiator may step back between handshakes', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  alice.advance(6_000);
  bob.advance(6_000);
  alice.wallMs -= 30 * 86_400_000;
  t.notThrows(() => shakeHands(alice, bob));
});

test('an initiation is sent at most every 5 s, whatever asks for it', (t) => {
  const { alice } = connected();
  t.is(of(alice.keysNeeded(), 'sendToPeer').length, 1);
  alice.advance(4_999);
  t.is(of(alice.keysNeeded(), 'sendToPeer').length, 0);
  const { alice: carol, bob: dave } = connected();
  carol.control(sentTo(dave.keysNeeded()), path(1));
  carol.advance(4_999);
  t.is(of(carol.keysNeeded(), 'sendToPeer').length, 0, 'a response counts as well');
});

test('a request right after an answered initiation is put off, not forgotten', (t) => {
  const { alice, bob } = connected();
  bob.control(sentTo(alice.keysNeeded()), path(2));
  bob.advance(1_000);
  t.deepEqual(kinds(bob.keysNeeded()), []);
  const later = bob.advance(4_400);
  t.is(of(later, 'sendToPeer').length, 1);
});

test('a request right after a completed handshake is forgotten: it was made before', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  t.deepEqual(kinds(alice.keysNeeded()), []);
  t.deepEqual(of(alice.advance(60_000), 'sendToPeer'), []);
});

test('when both sides initiate at once, the lower public key’s handshake survives', (t) => {
  const { alice, bob } = connected();
  const isAliceLower = Buffer.compare(alice.publicKey, bob.publicKey) < 0;
  const [lower, greater] = isAliceLower ? [alice, bob] : [bob, alice];
  const fromLower = sentTo(lower.keysNeeded());
  const fromGreater = sentTo(greater.keysNeeded());
  const answeredByGreater = greater.control(fromLower, path(2));
  const answeredByLower = lower.control(fromGreater, path(1));
  const keys = installed(lower.control(sentTo(answeredByGreater), path(1)));
  t.deepEqual(keys.sendKey, installed(answeredByGreater).receiveKey);
  t.deepEqual(kinds(greater.control(sentTo(answeredByLower), path(2))), []);
  t.deepEqual(greater.refusals(), { unknownIndex: 1 });
});

test('a response is taken once, and only for the initiation that was sent last', (t) => {
  const { alice, bob } = connected();
  const early = sentTo(alice.keysNeeded());
  const lateResponse = sentTo(bob.control(early, path(2)));
  alice.advance(5_400);
  alice.take();
  t.deepEqual(kinds(alice.control(lateResponse, path(1))), []);
  t.deepEqual(alice.refusals(), { unknownIndex: 1 });
  const { alice: carol, bob: dave } = connected();
  const { response } = shakeHands(carol, dave);
  t.deepEqual(kinds(carol.control(response, path(1))), []);
  t.deepEqual(carol.refusals(), { unknownIndex: 1 });
});

test('a forged response does not end the handshake', (t) => {
  const { alice, bob } = connected();
  const response = sentTo(bob.control(sentTo(alice.keysNeeded()), path(2)));
  const bent = response.slice();
  bent[20]! ^= 1;
  t.deepEqual(kinds(alice.control(bent, path(1))), []);
  t.deepEqual(alice.refusals(), { wrongMac1: 1 });
  new CookieStamper(alice.publicKey).stamp(bent, alice.boot);
  t.deepEqual(kinds(alice.control(bent, path(1))), []);
  t.deepEqual(alice.refusals(), { wrongMac1: 1, forgedResponse: 1 });
  t.is(installed(alice.control(response, path(1))).role, 'initiator');
});

test('an initiation with a low-order ephemeral key is refused', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(alice.keysNeeded());
  for (const point of LOW_ORDER_POINTS) {
    initiation.set(point, 8);
    new CookieStamper(bob.publicKey).stamp(initiation, bob.boot);
    t.deepEqual(kinds(bob.control(initiation, path(2))), []);
  }
  t.deepEqual(bob.refusals(), { lowOrder: LOW_ORDER_POINTS.length });
});

test('ends with different pre-shared keys get no session', (t) => {
  const { alice, bob } = connected();
  bob.peer(alice.publicKey, { presharedKey: new Secret(new Uint8Array(32).fill(3)) });
  const response = sentTo(bob.control(sentTo(alice.keysNeeded()), path(2)));
  t.deepEqual(kinds(alice.control(response, path(1))), []);
  t.deepEqual(alice.refusals(), { forgedResponse: 1 });
});

test('a new pre-shared key holds from the next handshake and drops no session', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  for (const device of [alice, bob]) {
    const other = device === alice ? bob : alice;
    const psk = new Secret(new Uint8Array(32).fill(5));
    t.deepEqual(kinds(device.peer(other.publicKey, { presharedKey: psk })), []);
    psk.destroy();
    device.advance(6_000);
  }
  const { initiatorKeys, responderKeys } = shakeHands(alice, bob);
  t.deepEqual(initiatorKeys.sendKey, responderKeys.receiveKey);
});

test('an initiation from a stranger is refused without a trace', (t) => {
  const { bob } = connected();
  const stranger = TestDevice.running('stranger');
  stranger.peer(bob.publicKey);
  const before = bob.device.stats();
  t.deepEqual(kinds(bob.control(sentTo(stranger.keysNeeded()), path(3))), []);
  t.deepEqual(bob.refusals(), { unknownPeer: 1 });
  t.is(bob.device.stats().indices, before.indices);
});

test('a peer with a low-order key gets no message at all', (t) => {
  const alice = TestDevice.running('alice');
  for (const [slot, publicKey] of LOW_ORDER_POINTS.entries()) {
    alice.peer(publicKey, { endpoint: path(1).remote, persistentKeepaliveS: 25 });
    t.deepEqual(kinds(alice.keysNeeded(peerId(slot))), []);
  }
  t.is(alice.device.stats().indices, 0);
});

test('indices are unused ones, and free again when their session is dropped', (t) => {
  const { alice, bob } = connected();
  const { initiatorKeys, responderKeys } = shakeHands(alice, bob);
  t.is(alice.device.stats().indices, 1);
  t.is(bob.device.stats().indices, 1);
  for (const [device, keys] of [
    [alice, initiatorKeys],
    [bob, responderKeys],
  ] as const) {
    device.handle({ kind: 'keysDropped', peer: peerId(0), localIndex: keys.localIndex });
    t.is(device.device.stats().indices, 0);
  }
});

test('an initiation that is repeated takes a new index and frees the old one', (t) => {
  const { alice } = connected();
  alice.keysNeeded();
  alice.advance(30_000);
  t.is(alice.device.stats().indices, 1);
});

test('junk is refused by kind, and never throws', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(bob.keysNeeded());
  const response = sentTo(alice.control(initiation, path(1)));
  alice.control(new Uint8Array(0), path(1));
  alice.control(new Uint8Array(148), path(1));
  const unsigned = initiation.slice();
  unsigned.fill(0, 116, 132);
  alice.control(unsigned, path(1));
  alice.control(response, path(1));
  alice.control(
    Uint8Array.from({ length: 64 }, (_, i) => (i === 0 ? 3 : 0)),
    path(1),
  );
  t.deepEqual(alice.refusals(), { malformed: 2, wrongMac1: 2, unknownIndex: 1 });
});

test('refusals are logged ten times in five seconds, and counted always', (t) => {
  const { alice } = connected();
  const logged = (): number => of(alice.take(), 'log').length;
  for (let i = 0; i < 50; i++) alice.control(new Uint8Array(0), path(i));
  t.is(logged(), 10);
  alice.advance(5_000);
  alice.control(new Uint8Array(0), path(1));
  t.is(logged(), 1);
  t.deepEqual(alice.refusals(), { malformed: 51 });
});
