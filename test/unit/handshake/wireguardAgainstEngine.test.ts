// The hand-written WireGuard handshake against the general Noise engine: the same bytes and keys.
import test from 'ava';
import fc from 'fast-check';
import { Secret } from '../../../src/base/secret.js';
import { HandshakeState } from '../../../src/handshake/noise/handshakeState.js';
import { noiseProtocol } from '../../../src/handshake/noise/protocol.js';
import { CipherState } from '../../../src/handshake/noise/cipherState.js';
import { NOISE_CIPHERS } from '../../../src/handshake/noise/protocol.js';
import {
  consumeInitiation,
  consumeResponse,
  createInitiation,
  createRemoteIdentity,
  createResponse,
  createStaticIdentity,
} from '../../../src/handshake/wireguard.js';
import { INITIATION, RESPONSE } from '../../../src/wire/constants.js';

const PROTOCOL = noiseProtocol('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s')!;
const PROLOGUE = new TextEncoder().encode('WireGuard v1 zx2c4 Jason@zx2c4.com');

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const inputs = fc.record({
  initiator: key,
  responder: key,
  initiatorEphemeral: key,
  responderEphemeral: key,
  psk: key,
  timestamp: fc.uint8Array({ minLength: 12, maxLength: 12 }),
});

test('messages and keys are those of Noise_IKpsk2 on the engine', (t) => {
  fc.assert(
    fc.property(inputs, (given) => {
      const wireguard = byHand(given);
      const noise = onEngine(given);
      t.deepEqual(
        wireguard.initiation.subarray(INITIATION.ephemeral.start, INITIATION.mac1.start),
        noise.initiation,
      );
      t.deepEqual(
        wireguard.response.subarray(RESPONSE.ephemeral.start, RESPONSE.mac1.start),
        noise.response,
      );
      for (const [rawKey, state] of [
        [wireguard.keys.sendKey, noise.send],
        [wireguard.keys.receiveKey, noise.receive],
      ] as const) {
        const plain = new CipherState(NOISE_CIPHERS.ChaChaPoly, rawKey);
        const [nothing, text] = [new Uint8Array(0), new Uint8Array(40).fill(1)];
        t.deepEqual(state.seal(nothing, text), plain.seal(nothing, text));
      }
    }),
    { numRuns: 30 },
  );
});

type Inputs = typeof inputs extends fc.Arbitrary<infer Value> ? Value : never;

function byHand(given: Inputs) {
  const initiator = createStaticIdentity(given.initiator);
  const responder = createStaticIdentity(given.responder);
  const psk = new Secret(given.psk.slice());
  const towardsResponder = createRemoteIdentity(initiator, responder.publicKey, psk);
  const towardsInitiator = createRemoteIdentity(responder, initiator.publicKey, psk);
  const first = createInitiation({
    local: initiator,
    remote: towardsResponder,
    localIndex: 1,
    timestamp: given.timestamp,
    entropy: () => given.initiatorEphemeral.slice(),
  })!;
  const accepted = consumeInitiation({
    local: responder,
    message: first.message,
    lookup: () => towardsInitiator,
  });
  if ('refused' in accepted) throw new Error(accepted.refused);
  const second = createResponse({
    ...accepted,
    localIndex: 2,
    entropy: () => given.responderEphemeral.slice(),
  })!;
  const received = { local: initiator, remote: towardsResponder, state: first.state };
  const keys = consumeResponse({ ...received, message: second.message })!;
  return { initiation: first.message, response: second.message, keys };
}

function onEngine(given: Inputs) {
  const { dh } = PROTOCOL;
  const psks = [new Secret(given.psk.slice())];
  const common = { protocol: PROTOCOL, prologue: PROLOGUE, psks };
  const pair = (privateKey: Uint8Array) => ({
    privateKey: new Secret(privateKey.slice()),
    publicKey: dh.publicKey(privateKey),
  });
  const initiator = new HandshakeState({
    ...common,
    role: 'initiator',
    localStatic: pair(given.initiator),
    remoteStatic: dh.publicKey(given.responder),
    entropy: () => given.initiatorEphemeral.slice(),
  });
  const responder = new HandshakeState({
    ...common,
    role: 'responder',
    localStatic: pair(given.responder),
    remoteStatic: null,
    entropy: () => given.responderEphemeral.slice(),
  });
  const initiation = initiator.writeMessage(given.timestamp)!;
  responder.readMessage(initiation);
  const response = responder.writeMessage(new Uint8Array(0))!;
  initiator.readMessage(response);
  return { initiation, response, ...initiator.split() };
}
