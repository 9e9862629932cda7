// Messages that no Beam makes, though all their keys are right: one end is written by hand here (SPEC.md
// 11.3 to 11.6, 11.10).
import test from 'ava';
import { instant } from '../../../../src/base/time.js';
import { RESPONSE_LIMITS } from '../../../../src/handshake/beam/beamParameters.js';
import {
  BeamNoise,
  answerMacContext,
  macContext,
} from '../../../../src/handshake/beam/beamSetup.js';
import { IncomingCall } from '../../../../src/handshake/beam/incomingCall.js';
import { IncomingCalls } from '../../../../src/handshake/beam/incomingCalls.js';
import { digestOf } from '../../../../src/handshake/beam/reassembly.js';
import { chooseSuite, localOffer } from '../../../../src/handshake/beam/suiteChoice.js';
import { CookieStamper } from '../../../../src/handshake/cookie.js';
import { HELLO } from '../../../../src/wire/beamLayout.js';
import type { Choice } from '../../../../src/wire/beamMessages.js';
import {
  decodeHello,
  encodeAnswer,
  encodeChoice,
  encodeHello,
} from '../../../../src/wire/beamMessages.js';
import type { BeamNode } from '../../../support/beamNetwork.js';
import { BeamNetwork, NETWORK_ID, endpoint, pathTo } from '../../../support/beamNetwork.js';
import { seededEntropy } from '../../../support/seededEntropy.js';

const now = instant(1_000_000);
const entropy = seededEntropy('crafted');

/** Answers the hello on the wire as b would, but with this choice. */
function answerBy(network: BeamNetwork, b: BeamNode, choice: Choice): void {
  const { bytes, from } = network.take();
  const hello = decodeHello(bytes)!;
  const callee = { networkId: NETWORK_ID, did: b.did };
  const noise = new BeamNoise({
    role: 'responder',
    protocol: 'hybrid',
    callee,
    hello: bytes,
    localStatic: b.tunnel.keyPair,
    psk: null,
    entropy,
  });
  noise.state.readMessage(hello.noise);
  const message = noise.state.writeMessage(encodeChoice(choice))!;
  const answer = encodeAnswer('hybrid', { sender: 77, receiver: hello.sender, noise: message });
  new CookieStamper(answerMacContext(callee, hello.noise)).stamp(answer, now);
  network.deliver({ from: b.at, to: from, bytes: answer });
}

const RIGHT: Choice = { ...localOffer(true), version: 1, suite: 1, index: 77 };

test('an answer that chooses as both must goes on to a finish; any other choice is refused', (t) => {
  const choices: readonly (readonly [string, Choice, boolean])[] = [
    ['right', RIGHT, true],
    ['the other suite', { ...RIGHT, suite: 2 }, false],
    ['both suites', { ...RIGHT, suite: 3 }, false],
    ['no suite', { ...RIGHT, suite: 0 }, false],
    ['another version', { ...RIGHT, version: 0 }, false],
    ['another index than the header', { ...RIGHT, index: 78 }, false],
    ['a slow AES, and yet AES', { ...RIGHT, fast: 2 }, false],
    ['a slow AES', { ...RIGHT, fast: 2, suite: 2 }, true],
    ['AES alone', { ...RIGHT, suites: 1, fast: 0 }, true],
  ];
  for (const [what, choice, isRight] of choices) {
    const network = new BeamNetwork('choices');
    const [a, b] = [network.node(1), network.node(2)];
    a.call(b);
    answerBy(network, b, choice);
    t.deepEqual(a.refusals, isRight ? [] : ['wrongChoice'], what);
    t.is(network.wire.length, isRight ? 1 : 0, what);
    // Whatever answered, 15 s later a new hello goes out.
    network.wire.length = 0;
    network.advance(15_000);
    const hellos = network.wire.filter(({ bytes }) => bytes[0] === 5);
    t.is(hellos.length, 1, what);
  }
});

test('both sides choose the same suite of any two offers, or none', (t) => {
  for (let i = 0; i < 256; i++) {
    const [a, b] = [i & 15, i >> 4].map((bits) => ({
      versions: 1,
      suites: bits & 3,
      fast: (bits >> 2) & bits & 3,
    })) as [ReturnType<typeof localOffer>, ReturnType<typeof localOffer>];
    t.is(chooseSuite(a, b), chooseSuite(b, a));
    t.is(chooseSuite(a, b) === null, (a.suites & b.suites) === 0);
  }
});

test('a hello whose padding isn’t zero is refused', (t) => {
  for (const protocol of ['hybrid', 'classical'] as const) {
    const network = new BeamNetwork('padding');
    const [a, b] = [network.node(1), network.node(2, { allowsClassical: () => true })];
    a.call(b, { protocol });
    const { bytes, from } = network.take();
    const { mac1 } = HELLO[protocol];
    bytes[mac1.start - 1] = 1;
    new CookieStamper(macContext({ networkId: NETWORK_ID, did: b.did })).stamp(bytes, now);
    network.deliver({ from, to: b.at, bytes });
    t.deepEqual(b.refusals, ['malformed'], protocol);
    t.is(b.indices.size, 0);
  }
});

test('an encapsulation key that isn’t below the modulus, and a low-order ephemeral, are refused', (t) => {
  for (const [at, byteLength, value] of [
    [60, 3, 0xff],
    [28, 32, 0],
  ] as const) {
    const network = new BeamNetwork('bad keys');
    const [a, b] = [network.node(1), network.node(2)];
    a.call(b);
    const { bytes, from } = network.take();
    bytes.fill(value, at, at + byteLength);
    new CookieStamper(macContext({ networkId: NETWORK_ID, did: b.did })).stamp(bytes, now);
    network.deliver({ from, to: b.at, bytes });
    t.deepEqual(b.refusals, ['badKey']);
    t.is(b.indices.size, 0);
  }
});

test('a finish by another index, or another one after the welcome, is refused', (t) => {
  for (const isWelcomed of [false, true]) {
    const network = new BeamNetwork('finish');
    const [a, b] = [network.node(1), network.node(2)];
    a.call(b);
    network.run(2);
    const finish = network.take();
    if (isWelcomed) network.deliver(finish);
    network.wire.length = 0;
    const changed = finish.bytes.slice();
    changed[isWelcomed ? 100 : 4]! ^= 1;
    new CookieStamper(macContext({ networkId: NETWORK_ID, did: b.did })).stamp(changed, now);
    network.deliver({ ...finish, bytes: changed });
    t.deepEqual(b.refusals, [isWelcomed ? 'outOfPlace' : 'unknownIndex']);
    t.deepEqual(network.wire, []);
    network.deliver(finish);
    t.is(network.wire.length, 1, 'the true one is answered all the same');
    t.is(b.sessions.length, 1);
  }
});

test('a full table takes no more, from whomever', (t) => {
  const network = new BeamNetwork('full');
  const [a, b] = [network.node(1), network.node(2)];
  const table = new IncomingCalls();
  a.call(b);
  const { bytes } = network.take();
  const hello = decodeHello(bytes)!;
  let index = 0;
  const options = {
    entropy,
    networkId: NETWORK_ID,
    did: b.did,
    offer: localOffer(true),
    tunnelCredential: () => b.tunnel,
    verify: () => null,
    inviteKey: () => null,
    allowsClassical: () => false,
    indices: { allocate: () => ++index, release: () => undefined },
    load: { messageReceived: () => false },
  };
  const { handshakes } = RESPONSE_LIMITS;
  for (let i = 0; i < handshakes; i++) {
    const remote = { ...endpoint(1), address: `10.2.${i >> 8}.${i & 255}` };
    t.true(table.makeRoom(remote.address));
    const received = { hello, message: bytes, path: pathTo(remote), isSplit: false };
    const call = IncomingCall.accept(options, received, now);
    if (typeof call === 'string') throw new Error(call);
    table.add(call, digestOf(encodeHello({ ...hello, sender: i })));
  }
  t.is(table.size, handshakes);
  t.false(table.makeRoom('10.9.9.9'));
  table.expire(instant(now + 30_000));
  t.is(table.size, 0);
  t.true(table.makeRoom('10.9.9.9'));
});
