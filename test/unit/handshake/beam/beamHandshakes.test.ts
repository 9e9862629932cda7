// The Beam handshake between two machines: that it works, and what each end refuses (SPEC.md 11).
import test from 'ava';
import { equalConstantTime } from '../../../../src/base/bytes.js';
import { Secret } from '../../../../src/base/secret.js';
import type { BeamOptions, Call } from '../../../../src/handshake/beam/beamEvents.js';
import { localOffer } from '../../../../src/handshake/beam/suiteChoice.js';
import type { BeamProtocol } from '../../../../src/wire/beamMessages.js';
import { classifyBeam } from '../../../../src/wire/beamMessages.js';
import type { BeamNode } from '../../../support/beamNetwork.js';
import { BeamNetwork, endpoint } from '../../../support/beamNetwork.js';

interface Ends {
  readonly network: BeamNetwork;
  readonly a: BeamNode;
  readonly b: BeamNode;
}

function ends(seed: string, changes: Partial<BeamOptions> = {}): Ends {
  const network = new BeamNetwork(seed);
  return { network, a: network.node(1, changes), b: network.node(2, changes) };
}

/** One session at each end, with matching keys and indices. */
function areConnected({ a, b }: Ends): boolean {
  const [ours, theirs] = [a.sessions.at(-1), b.sessions.at(-1)];
  if (ours === undefined || theirs === undefined) return false;
  return (
    equalConstantTime(ours.sendKey, theirs.receiveKey) &&
    equalConstantTime(ours.receiveKey, theirs.sendKey) &&
    !equalConstantTime(ours.sendKey, ours.receiveKey) &&
    ours.localIndex === theirs.remoteIndex &&
    ours.remoteIndex === theirs.localIndex &&
    ours.suite === theirs.suite &&
    ours.peer.did === b.did &&
    theirs.peer.did === a.did
  );
}

const kinds = (network: BeamNetwork): (string | null)[] =>
  network.wire.map(({ bytes }) => classifyBeam(bytes));

test('two ends get one session each, in four datagrams, and nothing is left over', (t) => {
  const both = ends('plain');
  both.a.call(both.b);
  t.is(both.network.run(), 4);
  t.true(areConnected(both));
  t.deepEqual([both.a.sessions.length, both.b.sessions.length], [1, 1]);
  t.deepEqual([both.a.sessions[0]!.role, both.b.sessions[0]!.role], ['initiator', 'responder']);
  t.deepEqual([both.a.refusals, both.b.refusals, both.a.ended], [[], [], []]);
  t.is(both.a.machine.nextTimeout(), null);
  both.network.advance(30_000);
  t.is(both.b.machine.nextTimeout(), null);
  t.deepEqual(both.b.machine.stats(), {
    calls: 0,
    incoming: 0,
    fragments: 0,
    rateLimitedSources: 0,
  });
  // The sessions own the indices now.
  t.deepEqual([both.a.indices.size, both.b.indices.size], [1, 1]);
});

test('in fragments it takes six datagrams, none above 1,232 bytes', (t) => {
  const both = ends('fragments');
  both.a.call(both.b, { pathTakesWhole: false });
  let largest = 0;
  for (let i = 0; i < 6; i++) {
    const datagram = both.network.take();
    largest = Math.max(largest, datagram.bytes.length);
    both.network.deliver(datagram);
  }
  t.true(areConnected(both));
  t.true(largest <= 1232);
  t.is(both.network.wire.length, 0);
});

test('every protocol works where its policy has it, with the psk of its invite', (t) => {
  const psk = new Secret(new Uint8Array(32).fill(5));
  const id = new Uint8Array(16).fill(6);
  const options: Partial<BeamOptions> = {
    allowsClassical: () => true,
    inviteKey: (asked) => (equalConstantTime(asked, id) ? psk : null),
  };
  for (const protocol of ['hybrid', 'hybridPsk', 'classical', 'classicalPsk'] as BeamProtocol[]) {
    const both = ends(protocol, options);
    const invite = protocol.endsWith('Psk') ? { id, key: psk } : null;
    both.a.call(both.b, { protocol, invite });
    both.network.run();
    t.true(areConnected(both), protocol);
    t.is(both.b.sessions[0]!.protocol, protocol);
  }
});

test('another psk makes no session, nor does an invite that nobody gave', (t) => {
  const id = new Uint8Array(16).fill(6);
  const ours = new Secret(new Uint8Array(32).fill(5));
  const both = ends('psk', { inviteKey: (asked) => (asked[0] === 6 ? ours : null) });
  const invite = { id, key: new Secret(new Uint8Array(32).fill(4)) };
  both.a.call(both.b, { protocol: 'hybridPsk', invite });
  both.network.run();
  t.deepEqual(both.b.refusals, ['forged']);
  both.a.handle({ kind: 'forget', did: both.b.did });
  const unknown = { id: new Uint8Array(16).fill(9), key: ours };
  both.a.call(both.b, { protocol: 'hybridPsk', invite: unknown });
  both.network.run();
  t.deepEqual(both.b.refusals, ['forged', 'unknownInvite']);
  t.deepEqual([both.a.sessions, both.b.sessions], [[], []]);
});

test('AES-256-GCM where both ends do it fast, else ChaCha20-Poly1305', (t) => {
  for (const [here, there, suite] of [
    [true, true, 'aes-256-gcm'],
    [true, false, 'chacha20-poly1305'],
    [false, true, 'chacha20-poly1305'],
    [false, false, 'chacha20-poly1305'],
  ] as const) {
    const network = new BeamNetwork('suites');
    const a = network.node(1, { offer: localOffer(here) });
    const b = network.node(2, { offer: localOffer(there) });
    a.call(b);
    network.run();
    t.true(areConnected({ network, a, b }));
    t.is(a.sessions[0]!.suite, suite);
  }
});

test('a classical hello is refused unless some policy has it, a finish unless the peer’s has', (t) => {
  const strict = ends('strict');
  strict.a.call(strict.b, { protocol: 'classical' });
  strict.network.run();
  t.deepEqual(strict.b.refusals, ['classicalNotAllowed']);
  t.is(strict.b.sentBytes, 0);

  const forOthers = ends('for others', { allowsClassical: (did) => did === null });
  forOthers.a.call(forOthers.b, { protocol: 'classical' });
  forOthers.network.run();
  t.deepEqual(forOthers.b.refusals, ['classicalNotAllowed']);
  t.deepEqual(forOthers.b.sessions, []);
  t.is(forOthers.b.indices.size, 0);
});

test('a call that meets silence ends after 90 s, having sent fragments from the second time on', (t) => {
  const { network, a, b } = ends('silence');
  a.call(b);
  t.deepEqual(kinds(network), ['hello']);
  network.advance(89_999);
  t.deepEqual(a.ended, []);
  t.true(
    kinds(network)
      .slice(1)
      .every((kind) => kind === 'fragment'),
  );
  const sendings = (network.wire.length - 1) / 2;
  t.true(sendings > 18 && sendings < 26, `${sendings}`);
  network.advance(1);
  t.deepEqual(a.ended, ['timedOut']);
  t.is(a.indices.size, 0);
  t.is(a.machine.nextTimeout(), null);
});

test('whatever one message is lost, the handshake comes about', (t) => {
  for (const pathTakesWhole of [true, false]) {
    for (let lost = 0; lost < (pathTakesWhole ? 4 : 6); lost++) {
      const both = ends('loss');
      both.a.call(both.b, { pathTakesWhole });
      let sent = 0;
      const deliver = (): void => {
        while (both.network.wire.length > 0) {
          const datagram = both.network.take();
          if (sent++ !== lost) both.network.deliver(datagram);
        }
      };
      deliver();
      both.network.advance(3000, deliver);
      t.true(areConnected(both), `datagram ${lost}`);
      t.deepEqual([both.a.sessions.length, both.b.sessions.length], [1, 1]);
    }
  }
});

test('everything twice makes one session', (t) => {
  const both = ends('twice');
  both.a.call(both.b);
  for (let i = 0; i < 20 && both.network.wire.length > 0; i++) {
    const datagram = both.network.take();
    both.network.deliver(datagram);
    both.network.deliver(datagram);
  }
  t.true(areConnected(both));
  t.deepEqual([both.a.sessions.length, both.b.sessions.length], [1, 1]);
});

test('no packet may pass before admission: a no at either end leaves it without a session', (t) => {
  const responderSaysNo = ends('no');
  responderSaysNo.b.admits = () => false;
  responderSaysNo.a.call(responderSaysNo.b);
  responderSaysNo.network.run();
  t.deepEqual([responderSaysNo.a.sessions, responderSaysNo.b.sessions], [[], []]);
  t.is(responderSaysNo.b.indices.size, 0);
  t.deepEqual(responderSaysNo.network.wire, [], 'nothing is sent to who isn’t admitted');

  const initiatorSaysNo = ends('no');
  initiatorSaysNo.a.admits = () => false;
  initiatorSaysNo.a.call(initiatorSaysNo.b);
  initiatorSaysNo.network.run();
  t.deepEqual(initiatorSaysNo.a.sessions, []);
  t.deepEqual(initiatorSaysNo.a.ended, ['notAdmitted']);
  t.is(initiatorSaysNo.a.indices.size, 0);
});

test('an admission or a signature that never comes makes no session and leaves nothing', (t) => {
  const { network, a, b } = ends('never');
  b.isPrompt = false;
  a.call(b);
  network.run();
  t.deepEqual(
    b.requests.map((request) => request.kind),
    ['admissionWanted'],
  );
  network.advance(125_000, () => network.run());
  t.deepEqual([a.sessions, b.sessions], [[], []]);
  t.deepEqual([a.indices.size, b.indices.size], [0, 0]);
  for (const request of b.requests) b.answer(request);
  t.deepEqual(b.sessions, []);
});

test('slow signatures and admissions delay the handshake and don’t end it', (t) => {
  const both = ends('slow');
  both.a.isPrompt = both.b.isPrompt = false;
  both.a.call(both.b);
  for (let i = 0; i < 8; i++) {
    both.network.advance(900, () => both.network.run());
    both.network.run();
    for (const node of [both.a, both.b]) {
      const request = node.requests.shift();
      if (request !== undefined) node.answer(request);
    }
  }
  t.true(areConnected(both));
});

test('a peer that isn’t the one called is never taken for it', (t) => {
  // Mallory has the network, and B's mac context, and answers in B's place with its own identity.
  const network = new BeamNetwork('mallory');
  const [a, b] = [network.node(1), network.node(2)];
  const mallory = network.node(3);
  const impostor = network.node(4, {
    did: b.did,
    tunnelCredential: () => mallory.tunnel,
  });
  impostor.signer = mallory.identity;
  a.call(b, { path: { remote: impostor.at, local: null } });
  network.run();
  t.deepEqual(a.refusals, ['wrongPeer']);
  t.deepEqual(a.sessions, []);
});

test('a credential that isn’t the tunnel key’s, or a signature of another handshake, is refused', (t) => {
  const { network, a, b } = ends('wrong credential');
  const other = b.identity.tunnelCredential({ epoch: 2n });
  const own = a.tunnel;
  a.tunnel = { keyPair: own.keyPair, credential: other.credential };
  a.call(b);
  network.run();
  t.deepEqual(b.refusals, ['unverified']);

  a.handle({ kind: 'forget', did: b.did });
  a.tunnel = own;
  a.isPrompt = false;
  a.call(b);
  network.run();
  const [request] = a.requests.splice(0);
  if (request?.kind !== 'signatureWanted') throw new Error('a signature is wanted');
  a.answer({ ...request, message: request.message.map((byte, i) => (i === 1 ? byte ^ 1 : byte)) });
  network.run();
  t.deepEqual(b.refusals, ['unverified', 'unverified']);
  t.deepEqual(b.sessions, []);
  t.is(b.indices.size, 0);
});

test('a credential of the right identity for another tunnel key is refused', (t) => {
  const { network, a, b } = ends('other tunnel key');
  const [first, second] = [a.identity.tunnelCredential(), a.identity.tunnelCredential()];
  a.tunnel = { keyPair: first.keyPair, credential: second.credential };
  a.call(b);
  network.run();
  t.deepEqual(b.refusals, ['unverified']);
  t.deepEqual(b.sessions, []);
});

test('who has our own identity is not let in', (t) => {
  const network = new BeamNetwork('ourselves');
  const b = network.node(2);
  const twin = network.node(3, { tunnelCredential: () => b.tunnel });
  twin.signer = b.identity;
  twin.call(b);
  network.run();
  t.deepEqual(b.refusals, ['ourselves']);
  t.deepEqual(b.sessions, []);
});

test('a later handshake of a peer takes the place of one that waits for admission', (t) => {
  const { network, a, b } = ends('later');
  b.isPrompt = false;
  a.call(b);
  network.run();
  a.restart();
  a.call(b);
  network.run();
  const [first, second] = b.requests.splice(0);
  t.is(b.machine.stats().incoming, 1);
  b.answer(first!);
  t.deepEqual(b.requests, []);
  b.answer(second!);
  t.deepEqual(
    b.requests.map(({ kind }) => kind),
    ['signatureWanted'],
  );
});

test('a credential that has ended, or hasn’t begun, is refused', (t) => {
  const { network, a, b } = ends('times');
  const nowMs = network.now.wall;
  for (const times of [{ untilMs: nowMs }, { fromMs: nowMs + 1 }]) {
    a.tunnel = a.identity.tunnelCredential(times);
    a.call(b);
    network.run();
    a.handle({ kind: 'forget', did: b.did });
  }
  t.deepEqual(b.refusals, ['unverified', 'unverified']);
});

test('a tunnel key that changes in the middle of a handshake changes nothing about it', (t) => {
  for (let when = 0; when < 4; when++) {
    const both = ends('epochs');
    both.a.call(both.b);
    for (let i = 0; both.network.wire.length > 0; i++) {
      if (i === when) {
        for (const node of [both.a, both.b]) {
          node.tunnel.keyPair.privateKey.destroy();
          node.tunnel = node.identity.tunnelCredential({ epoch: 2n });
        }
      }
      both.network.deliver(both.network.take());
    }
    t.true(areConnected(both), `before datagram ${when}`);
    const epochs = [both.a.sessions[0]!.peer.epoch, both.b.sessions[0]!.peer.epoch];
    t.deepEqual(epochs, when === 0 ? [2n, 1n] : [1n, 1n]);
  }
});

test('who doesn’t know the network, or the identity, gets no answer at all', (t) => {
  const network = new BeamNetwork('strangers');
  const b = network.node(2);
  const stranger = network.node(1, { networkId: new Uint8Array(32) });
  stranger.call(b);
  network.run();
  const prober = network.node(3);
  prober.call(b, { did: prober.did });
  network.run();
  t.deepEqual(b.refusals, ['wrongMac1', 'wrongMac1']);
  t.is(b.sentBytes, 0);
});

test('under load nothing is computed or kept without a cookie; with it the handshake comes about', (t) => {
  for (const pathTakesWhole of [true, false]) {
    const both = ends('load');
    both.b.isLoaded = true;
    both.a.call(both.b, { pathTakesWhole });
    both.network.run();
    t.deepEqual(both.b.machine.stats().incoming + both.b.machine.stats().fragments, 0);
    t.true(both.b.refusals.every((reason) => reason === 'cookieRequired'));
    both.network.advance(3000, () => both.network.run());
    t.true(areConnected(both));
    t.true(both.b.sentBytes <= both.b.receivedBytes);
  }
});

test('an initiator under load wants a cookie for the answer', (t) => {
  const both = ends('load at the initiator');
  both.a.isLoaded = true;
  both.a.call(both.b);
  both.network.run();
  t.deepEqual(both.a.refusals, ['cookieRequired']);
  both.network.advance(3000, () => both.network.run());
  t.true(areConnected(both));
});

test('the peer may move between the messages', (t) => {
  const both = ends('roaming');
  both.a.call(both.b);
  const hello = both.network.take();
  both.network.deliver({ ...hello, from: endpoint(1, 4444) });
  const answer = both.network.take();
  t.is(answer.to.port, 4444);
  both.network.deliver({ ...answer, to: both.a.at });
  both.network.run();
  t.true(areConnected(both));
});

test('a second call to the same peer while one is under way does nothing', (t) => {
  const { network, a, b } = ends('again');
  a.call(b);
  a.call(b, { protocol: 'classical' } satisfies Partial<Call>);
  t.is(network.wire.length, 1);
});

test('without a tunnel key nothing is called and nothing is answered', (t) => {
  const network = new BeamNetwork('no key');
  const a = network.node(1, { tunnelCredential: () => null });
  const b = network.node(2);
  a.call(b);
  t.deepEqual([a.ended, network.wire], [['noCredential'], []]);
  b.call(a);
  network.run();
  t.deepEqual(a.refusals, ['noCredential']);
  t.is(a.indices.size, 0);
});
