import test from 'ava';
import { Secret } from '../../../../src/base/secret.js';
import { x25519 } from '../../../../src/crypto/dh.js';
import { sha256 } from '../../../../src/crypto/hash.js';
import type { Kem } from '../../../../src/crypto/kem.js';
import type { HandshakeOptions } from '../../../../src/handshake/noise/handshakeState.js';
import { HandshakeState } from '../../../../src/handshake/noise/handshakeState.js';
import { noiseProtocol } from '../../../../src/handshake/noise/protocol.js';
import { LOW_ORDER_POINTS } from '../../../support/lowOrderPoints.js';
import { seededEntropy } from '../../../support/seededEntropy.js';

const NOTHING = new Uint8Array(0);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** A real KEM, though not a post-quantum one: an ephemeral X25519, hashed with its transcript. */
const TEST_KEM: Kem = {
  name: 'DHKEM',
  publicKeyBytes: 32,
  ciphertextBytes: 32,
  keygen(entropy) {
    const secretKey = x25519.generate(entropy);
    return { publicKey: x25519.publicKey(secretKey), secretKey };
  },
  encapsulate(publicKey, entropy) {
    const ephemeral = x25519.generate(entropy);
    const ciphertext = x25519.publicKey(ephemeral);
    const shared = x25519.agree(ephemeral, publicKey);
    return shared && { ciphertext, sharedSecret: sha256.hash(shared, ciphertext, publicKey) };
  },
  decapsulate(ciphertext, secretKey) {
    const shared = x25519.agree(secretKey, ciphertext);
    return shared && sha256.hash(shared, ciphertext, x25519.publicKey(secretKey));
  },
};

interface Side {
  readonly localStatic: HandshakeOptions['localStatic'];
  readonly psks?: readonly Secret[];
  readonly prologue?: Uint8Array;
}

function side(
  name: string,
  role: 'initiator' | 'responder',
  changes: Partial<Side> = {},
): HandshakeState {
  const entropy = seededEntropy(`${role} of ${name}`);
  const privateKey = x25519.generate(entropy);
  return new HandshakeState({
    protocol: noiseProtocol(name, [TEST_KEM])!,
    role,
    prologue: NOTHING,
    localStatic: { privateKey: new Secret(privateKey), publicKey: x25519.publicKey(privateKey) },
    remoteStatic: null,
    psks: [],
    entropy,
    ...changes,
  });
}

const pair = (name: string): [HandshakeState, HandshakeState] => [
  side(name, 'initiator'),
  side(name, 'responder'),
];

const XX = 'Noise_XX_25519_AESGCM_SHA256';
const XX_HFS = 'Noise_XXhfs_25519+DHKEM_AESGCM_SHA256';

/** Runs all messages; false as soon as one is refused. */
function run(initiator: HandshakeState, responder: HandshakeState): boolean {
  for (let i = 0; initiator.nextSender !== null; i++) {
    const [from, to] =
      initiator.nextSender === 'initiator' ? [initiator, responder] : [responder, initiator];
    const payload = text(`payload ${i}`);
    const received = to.readMessage(from.writeMessage(payload)!);
    if (received === null || Buffer.compare(received, payload) !== 0) return false;
  }
  return true;
}

test("a finished handshake gives both sides one hash, one another's keys, and two ciphers", (t) => {
  for (const name of [XX, XX_HFS]) {
    const [initiator, responder] = pair(name);
    t.true(run(initiator, responder));
    t.deepEqual(initiator.handshakeHash, responder.handshakeHash);
    const [a, b] = [initiator.split(), responder.split()];
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const sealed = from.send.seal(text('ad'), text('hello'));
      t.is(to.receive.open(text('other'), sealed), null);
      t.deepEqual(to.receive.open(text('ad'), sealed), text('hello'));
      t.is(to.receive.open(text('ad'), sealed), null);
    }
  }
});

test("hfs sends the KEM's key in clear, its ciphertext sealed, and depends on its secret", (t) => {
  const sizes = (name: string): number[] => {
    const [initiator, responder] = pair(name);
    const first = initiator.writeMessage(NOTHING)!;
    responder.readMessage(first);
    const second = responder.writeMessage(NOTHING)!;
    initiator.readMessage(second);
    return [first.length, second.length, initiator.writeMessage(NOTHING)!.length];
  };
  t.deepEqual(sizes(XX), [32, 96, 64]);
  t.deepEqual(sizes(XX_HFS), [32 + 32, 96 + 32 + 16, 64]);

  const liar: Kem = { ...TEST_KEM, decapsulate: () => new Uint8Array(32) };
  const deceived = new HandshakeState({
    protocol: noiseProtocol(XX_HFS, [liar])!,
    role: 'initiator',
    prologue: NOTHING,
    localStatic: { privateKey: new Secret(new Uint8Array(32).fill(1)), publicKey: NOTHING },
    remoteStatic: null,
    psks: [],
    entropy: seededEntropy('deceived'),
  });
  const responder = side(XX_HFS, 'responder');
  responder.readMessage(deceived.writeMessage(NOTHING)!);
  t.is(deceived.readMessage(responder.writeMessage(NOTHING)!), null);
});

test('a KEM that refuses a key or a ciphertext makes no step', (t) => {
  const [initiator, responder] = pair(XX_HFS);
  const first = initiator.writeMessage(NOTHING)!;
  const zeroKey = first.slice();
  zeroKey.fill(0, 32, 64);
  const other = side(XX_HFS, 'responder');
  t.deepEqual(other.readMessage(zeroKey), NOTHING);
  t.is(other.writeMessage(NOTHING), null);
  t.is(other.nextSender, 'responder');

  responder.readMessage(first);
  t.not(responder.writeMessage(NOTHING), null);
});

test('a message that is cut short anywhere is refused, and the whole one still accepted', (t) => {
  for (const name of [XX, XX_HFS]) {
    const [initiator, responder] = pair(name);
    const first = initiator.writeMessage(NOTHING)!;
    for (let length = 0; length < first.length; length++) {
      t.is(responder.readMessage(first.subarray(0, length)), null);
    }
    t.deepEqual(responder.readMessage(first), NOTHING);
    const second = responder.writeMessage(text('second'))!;
    for (let length = 0; length < second.length; length++) {
      t.is(initiator.readMessage(second.subarray(0, length)), null);
    }
    t.is(initiator.remoteStatic, null);
    t.deepEqual(initiator.readMessage(second), text('second'));
    t.not(initiator.remoteStatic, null);
  }
});

test('a message with any changed bit is refused, and the true one still accepted', (t) => {
  const [initiator, responder] = pair(XX);
  responder.readMessage(initiator.writeMessage(NOTHING)!);
  const second = responder.writeMessage(text('second'))!;
  for (let at = 0; at < second.length; at++) {
    const changed = second.slice();
    changed[at]! ^= 4;
    t.is(initiator.readMessage(changed), null, `byte ${at}`);
  }
  t.deepEqual(initiator.readMessage(second), text('second'));
  t.true(run(initiator, responder));
});

test('low-order keys of the peer make no step, reading or writing', (t) => {
  for (const point of LOW_ORDER_POINTS) {
    const responder = side(XX, 'responder');
    t.deepEqual(responder.readMessage(point), NOTHING);
    t.is(responder.writeMessage(NOTHING), null);

    const [initiator, honest] = pair(XX);
    honest.readMessage(initiator.writeMessage(NOTHING)!);
    const second = honest.writeMessage(NOTHING)!;
    const poisoned = second.slice();
    poisoned.set(point);
    t.is(initiator.readMessage(poisoned), null);
    t.not(initiator.readMessage(second), null);
  }
});

test('a message longer than Noise allows is refused', (t) => {
  const responder = side(XX, 'responder');
  t.is(responder.readMessage(new Uint8Array(65_536)), null);
  t.not(responder.readMessage(new Uint8Array(65_535).fill(1)), null);
  t.throws(() => side(XX, 'initiator').writeMessage(new Uint8Array(65_535)));
});

test("different prologues or pre-shared keys don't agree", (t) => {
  t.false(run(side(XX, 'initiator', { prologue: text('a') }), side(XX, 'responder')));
  const PSK = 'Noise_XXpsk3_25519_AESGCM_SHA256';
  const psks = (fill: number): Partial<Side> => ({
    psks: [new Secret(new Uint8Array(32).fill(fill))],
  });
  t.true(run(side(PSK, 'initiator', psks(1)), side(PSK, 'responder', psks(1))));
  t.false(run(side(PSK, 'initiator', psks(1)), side(PSK, 'responder', psks(2))));
});

test('using a handshake against its pattern is a bug', (t) => {
  const [initiator, responder] = pair(XX);
  t.throws(() => responder.writeMessage(NOTHING));
  t.throws(() => initiator.readMessage(NOTHING));
  t.throws(() => initiator.split());
  t.throws(() => side('Noise_XXpsk3_25519_AESGCM_SHA256', 'initiator'));
  t.throws(() => side('Noise_IK_25519_AESGCM_SHA256', 'initiator'));
  t.throws(() => side(XX, 'initiator', { localStatic: null }));
  t.throws(() =>
    side('Noise_NNpsk0_25519_AESGCM_SHA256', 'initiator', {
      psks: [new Secret(new Uint8Array(31))],
    }),
  );
  t.true(run(initiator, responder));
  t.throws(() => initiator.writeMessage(NOTHING));
});

test('both sides rekey to the same new key', (t) => {
  for (const name of [XX, 'Noise_XX_25519_ChaChaPoly_BLAKE2s']) {
    const [initiator, responder] = pair(name);
    t.true(run(initiator, responder));
    const { send } = initiator.split();
    const { receive } = responder.split();
    const before = send.clone().seal(NOTHING, text('x'));
    send.rekey();
    const after = send.seal(NOTHING, text('x'));
    t.notDeepEqual(before, after);
    t.is(receive.open(NOTHING, after), null);
    receive.rekey();
    t.deepEqual(receive.open(NOTHING, after), text('x'));
  }
});

test('a destroyed cipher neither seals nor opens', (t) => {
  const [initiator, responder] = pair(XX);
  t.true(run(initiator, responder));
  const { send } = initiator.split();
  const { receive } = responder.split();
  const sealed = send.seal(NOTHING, text('x'));
  send.destroy();
  receive.destroy();
  t.throws(() => send.seal(NOTHING, text('x')));
  t.is(receive.open(NOTHING, sealed), null);
});
