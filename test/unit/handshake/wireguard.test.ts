import test from 'ava';
import { equalConstantTime, isZero } from '../../../src/base/bytes.js';
import { Secret } from '../../../src/base/secret.js';
import { wallTime } from '../../../src/base/time.js';
import { tai64n } from '../../../src/handshake/timestamp.js';
import type { RemoteIdentity, StaticIdentity } from '../../../src/handshake/wireguard.js';
import {
  consumeInitiation,
  consumeResponse,
  createInitiation,
  createRemoteIdentity,
  createResponse,
  createStaticIdentity,
} from '../../../src/handshake/wireguard.js';
import { INITIATION, RESPONSE } from '../../../src/wire/constants.js';
import { LOW_ORDER_POINTS } from '../../support/lowOrderPoints.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const TIMESTAMP = tai64n(wallTime(1_700_000_000_000));

interface Ends {
  readonly initiator: StaticIdentity;
  readonly responder: StaticIdentity;
  readonly towardsResponder: RemoteIdentity;
  readonly towardsInitiator: RemoteIdentity;
  readonly entropy: ReturnType<typeof seededEntropy>;
}

function ends(presharedKey: Secret | null = null): Ends {
  const entropy = seededEntropy('wireguard handshake');
  const initiator = createStaticIdentity(entropy(32));
  const responder = createStaticIdentity(entropy(32));
  return {
    initiator,
    responder,
    towardsResponder: createRemoteIdentity(initiator, responder.publicKey, presharedKey),
    towardsInitiator: createRemoteIdentity(responder, initiator.publicKey, presharedKey),
    entropy,
  };
}

const initiate = ({ initiator, towardsResponder, entropy }: Ends) =>
  createInitiation({
    local: initiator,
    remote: towardsResponder,
    localIndex: 0x1111_1111,
    timestamp: TIMESTAMP,
    entropy,
  })!;

const consume = (
  { responder, towardsInitiator }: Ends,
  message: Uint8Array,
  lookup: (key: Uint8Array) => RemoteIdentity | null = () => towardsInitiator,
) => consumeInitiation({ local: responder, message, lookup });

function accept(made: Ends, message: Uint8Array) {
  const accepted = consume(made, message);
  if ('refused' in accepted) throw new Error(accepted.refused);
  return accepted;
}

function respond(made: Ends, message: Uint8Array) {
  const { state, remote } = accept(made, message);
  return createResponse({ state, remote, localIndex: 0x2222_2222, entropy: made.entropy })!;
}

test('both ends come to the same keys, with and without a pre-shared key', (t) => {
  for (const presharedKey of [null, new Secret(new Uint8Array(32).fill(5))]) {
    const made = ends(presharedKey);
    const first = initiate(made);
    t.is(first.message.length, INITIATION.bytes);
    const asked: Uint8Array[] = [];
    const accepted = consume(made, first.message, (key) => {
      asked.push(key.slice());
      return made.towardsInitiator;
    });
    if ('refused' in accepted) return t.fail(accepted.refused);
    t.deepEqual(asked, [made.initiator.publicKey]);
    t.is(accepted.remote, made.towardsInitiator);
    t.deepEqual(accepted.timestamp, TIMESTAMP);
    t.is(accepted.state.remoteIndex, 0x1111_1111);

    const second = createResponse({
      ...accepted,
      localIndex: 0x2222_2222,
      entropy: made.entropy,
    })!;
    t.is(second.message.length, RESPONSE.bytes);
    const keys = consumeResponse({
      local: made.initiator,
      remote: made.towardsResponder,
      state: first.state,
      message: second.message,
    })!;
    t.deepEqual(keys.sendKey, second.keys.receiveKey);
    t.deepEqual(keys.receiveKey, second.keys.sendKey);
    t.notDeepEqual(keys.sendKey, keys.receiveKey);
    t.is(keys.remoteIndex, 0x2222_2222);
    t.is(second.keys.remoteIndex, 0x1111_1111);
  }
  return undefined;
});

test('two handshakes of the same peers share no key', (t) => {
  const made = ends();
  const keys = [1, 2].map(() => respond(made, initiate(made).message).keys);
  t.notDeepEqual(keys[0]!.sendKey, keys[1]!.sendKey);
  t.notDeepEqual(keys[0]!.receiveKey, keys[1]!.receiveKey);
});

test('an initiation with any changed byte before the macs is refused', (t) => {
  const made = ends();
  const { message } = initiate(made);
  for (let at = INITIATION.ephemeral.start; at < INITIATION.encryptedTimestamp.end; at++) {
    const changed = message.slice();
    changed[at]! ^= 1;
    const result = consume(made, changed);
    t.true('refused' in result && result.refused === 'forged', `byte ${at}`);
  }
});

test('an initiation is refused by its size and type before any computing', (t) => {
  const made = ends();
  const { message } = initiate(made);
  const wrongType = message.slice();
  wrongType[0] = 2;
  const reserved = message.slice();
  reserved[3] = 1;
  const longer = new Uint8Array(149);
  longer.set(message);
  for (const other of [message.subarray(0, 147), longer, wrongType, reserved, new Uint8Array(0)]) {
    t.deepEqual(consume(made, other), { refused: 'malformed' });
  }
});

test('an initiation for another responder or from an unknown peer is refused', (t) => {
  const made = ends();
  const { message } = initiate(made);
  t.deepEqual(
    consume(made, message, () => null),
    { refused: 'unknownPeer' },
  );
  const stranger = createStaticIdentity(new Uint8Array(32).fill(9));
  t.deepEqual(
    consumeInitiation({ local: stranger, message, lookup: () => made.towardsInitiator }),
    {
      refused: 'forged',
    },
  );
});

test('knowing only the public key of a peer is not enough to speak for it', (t) => {
  const made = ends();
  const thief = createStaticIdentity(new Uint8Array(32).fill(9));
  const pretended: StaticIdentity = { ...thief, publicKey: made.initiator.publicKey };
  const remote = createRemoteIdentity(thief, made.responder.publicKey, null);
  const { message } = createInitiation({
    local: pretended,
    remote,
    localIndex: 1,
    timestamp: TIMESTAMP,
    entropy: made.entropy,
  })!;
  t.deepEqual(consume(made, message), { refused: 'forged' });
});

test('peers with one of the seven low-order keys get no message, and are never accepted', (t) => {
  const made = ends();
  const { message } = initiate(made);
  for (const point of LOW_ORDER_POINTS) {
    const remote = createRemoteIdentity(made.initiator, point, null);
    t.is(remote.staticStatic, null);
    t.is(
      createInitiation({
        local: made.initiator,
        remote,
        localIndex: 1,
        timestamp: TIMESTAMP,
        entropy: made.entropy,
      }),
      null,
    );
    t.deepEqual(
      consume(made, message, () => remote),
      { refused: 'unusable' },
    );
  }
});

test('ephemeral keys of low order are refused in both messages', (t) => {
  const made = ends();
  const first = initiate(made);
  const second = respond(made, first.message);
  for (const point of LOW_ORDER_POINTS) {
    const initiation = first.message.slice();
    initiation.set(point, INITIATION.ephemeral.start);
    t.deepEqual(consume(made, initiation), { refused: 'lowOrder' });

    const response = second.message.slice();
    response.set(point, RESPONSE.ephemeral.start);
    t.is(finish(made, first.state, response), null);
  }
  t.not(finish(made, first.state, second.message), null);
});

test('without a private key a peer is unusable', (t) => {
  const made = ends();
  const remote = createRemoteIdentity(null, made.responder.publicKey, null);
  t.is(remote.staticStatic, null);
  t.notThrows(() => remote.destroy());
});

const finish = (made: Ends, state: ReturnType<typeof initiate>['state'], message: Uint8Array) =>
  consumeResponse({ local: made.initiator, remote: made.towardsResponder, state, message });

test('a refused response leaves the handshake usable: the true one still completes it', (t) => {
  const made = ends();
  const first = initiate(made);
  const second = respond(made, first.message);
  for (let at = 0; at < RESPONSE.mac1.start; at++) {
    // The sender index is not authenticated by Noise: mac1 covers it.
    if (at >= RESPONSE.sender.start && at < RESPONSE.sender.end) continue;
    const changed = second.message.slice();
    changed[at]! ^= 1;
    t.is(finish(made, first.state, changed), null, `byte ${at}`);
  }
  t.is(finish(made, first.state, second.message.subarray(0, 91)), null);
  const keys = finish(made, first.state, second.message);
  t.deepEqual(keys?.sendKey, second.keys.receiveKey);
});

test('a response to an older initiation of the same peer is refused', (t) => {
  const made = ends();
  const older = initiate(made);
  const newer = initiate(made);
  const answer = respond(made, older.message);
  t.is(finish(made, newer.state, answer.message), null);
});

test('with different pre-shared keys no response is accepted; the right key completes it', (t) => {
  const made = ends(new Secret(new Uint8Array(32).fill(5)));
  const first = initiate(made);
  const second = respond(made, first.message);
  for (const wrong of [null, new Secret(new Uint8Array(32).fill(6))]) {
    made.towardsResponder.presharedKey = wrong;
    t.is(finish(made, first.state, second.message), null);
  }
  made.towardsResponder.presharedKey = new Secret(new Uint8Array(32).fill(5));
  t.not(finish(made, first.state, second.message), null);
});

test('a pre-shared key of zeros is the same as none', (t) => {
  const made = ends();
  made.towardsInitiator.presharedKey = new Secret(new Uint8Array(32));
  const first = initiate(made);
  const second = respond(made, first.message);
  t.not(finish(made, first.state, second.message), null);
});

test('a finished or given up handshake has no secrets left', (t) => {
  const made = ends();
  const first = initiate(made);
  const accepted = accept(made, first.message);
  const second = createResponse({ ...accepted, localIndex: 1, entropy: made.entropy })!;
  t.not(finish(made, first.state, second.message), null);
  t.true(first.state.ephemeral.destroyed);
  t.throws(() => accepted.state.symmetric.encryptAndHash(new Uint8Array(1)));
  t.throws(() => first.state.symmetric.encryptAndHash(new Uint8Array(1)));

  const abandoned = initiate(made).state;
  abandoned.destroy();
  abandoned.destroy();
  t.true(abandoned.ephemeral.destroyed);
});

test('identities own copies of what they are made from, and zero them', (t) => {
  const raw = new Uint8Array(32).fill(0xff);
  const identity = createStaticIdentity(raw);
  t.true(raw.every((byte) => byte === 0xff));
  const bytes = identity.privateKey.expose();
  t.is(bytes[0], 0xf8);
  const publicKey = new Uint8Array(32).fill(9);
  const remote = createRemoteIdentity(identity, publicKey, null);
  publicKey.fill(0);
  t.false(isZero(remote.publicKey));
  const shared = remote.staticStatic!.expose();
  remote.destroy();
  identity.destroy();
  t.true(isZero(bytes));
  t.true(isZero(shared));
});

test('the identity of the initiator is not readable from the messages', (t) => {
  const made = ends();
  const { message } = initiate(made);
  const key = made.initiator.publicKey;
  for (let at = 0; at + key.length <= message.length; at++) {
    t.false(equalConstantTime(message.subarray(at, at + key.length), key));
  }
});
