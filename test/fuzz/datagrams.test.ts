// Whatever arrives by UDP: nothing throws, and nothing is accepted that wasn't made with the keys.
// Short by default, a minute with BEAM_LONG=1; BEAM_SEED repeats a failure.
import test from 'ava';
import fc from 'fast-check';
import type { Endpoint } from '../../src/base/ip.js';
import { instant } from '../../src/base/time.js';
import { CookieChecker, CookieStamper } from '../../src/handshake/cookie.js';
import { HandshakeState } from '../../src/handshake/noise/handshakeState.js';
import { noiseProtocol } from '../../src/handshake/noise/protocol.js';
import {
  consumeInitiation,
  consumeResponse,
  createInitiation,
  createRemoteIdentity,
  createResponse,
  createStaticIdentity,
} from '../../src/handshake/wireguard.js';
import { COOKIE_REPLY, INITIATION, RESPONSE } from '../../src/wire/constants.js';
import { decapsulateEcn, ipFamily, ipPacketBytes, trafficClass } from '../../src/wire/ip.js';
import {
  classify,
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
} from '../../src/wire/messages.js';
import { seededEntropy } from '../support/seededEntropy.js';

const long = process.env['BEAM_LONG'] === '1';
const seed = Number(process.env['BEAM_SEED'] ?? Date.now() % 2 ** 31);
const parameters = {
  seed,
  numRuns: long ? 5_000_000 : 200_000,
  interruptAfterTimeLimit: long ? 10_000 : 300,
};

const NOW = instant(0);
const SOURCE: Endpoint = { family: 4, address: '192.0.2.1', port: 1, scopeId: 0 };
const entropy = seededEntropy('datagram fuzz');
const initiator = createStaticIdentity(entropy(32));
const responder = createStaticIdentity(entropy(32));
const towardsResponder = createRemoteIdentity(initiator, responder.publicKey, null);
const towardsInitiator = createRemoteIdentity(responder, initiator.publicKey, null);

const first = createInitiation({
  local: initiator,
  remote: towardsResponder,
  localIndex: 1,
  timestamp: new Uint8Array(12),
  entropy,
})!;
const stamper = new CookieStamper(responder.publicKey);
stamper.stamp(first.message, NOW);
const accepted = consumeInitiation({
  local: responder,
  message: first.message,
  lookup: () => towardsInitiator,
});
if ('refused' in accepted) throw new Error(accepted.refused);
const second = createResponse({ ...accepted, localIndex: 2, entropy })!;
new CookieStamper(initiator.publicKey).stamp(second.message, NOW);
const checker = new CookieChecker(responder.publicKey, entropy);
const cookieReply = checker.createReply(first.message, SOURCE, NOW);

/** Noise of any size, noise in the shape of a message, and true messages with some bytes changed. */
const datagram = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  shaped(1, INITIATION.bytes),
  shaped(2, RESPONSE.bytes),
  shaped(3, COOKIE_REPLY.bytes),
  fc.integer({ min: 16, max: 200 }).chain((bytes) => shaped(4, bytes)),
  ...[first.message, second.message, cookieReply].map(changed),
);

function shaped(type: number, bytes: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((noise) => {
    noise.set([type, 0, 0, 0]);
    return noise;
  });
}

function changed(message: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(
    fc.integer({ min: 0, max: message.length - 1 }),
    fc.integer({ min: 1, max: 255 }),
  );
  const edits = fc.uniqueArray(edit, { selector: ([at]) => at, minLength: 1, maxLength: 4 });
  return edits.map((all) => {
    const copy = message.slice();
    for (const [at, mask] of all) copy[at]! ^= mask;
    return copy;
  });
}

const sameBytes = (a: Uint8Array, b: Uint8Array, from: number, to: number): boolean =>
  Buffer.compare(a.subarray(from, to), b.subarray(from, to)) === 0;

function run(property: fc.IProperty<[Uint8Array]>): void {
  const details = fc.check(property, parameters);
  if (!details.failed) return;
  throw new Error(`BEAM_SEED=${seed}: ${fc.defaultReportMessage(details) ?? ''}`);
}

test('decoders take exactly what classify calls theirs', (t) => {
  run(
    fc.property(datagram, (bytes) => {
      const kind = classify(bytes);
      return (
        (decodeInitiation(bytes) !== null) === (kind === 'initiation') &&
        (decodeResponse(bytes) !== null) === (kind === 'response') &&
        (decodeCookieReply(bytes) !== null) === (kind === 'cookieReply')
      );
    }),
  );
  t.log(`seed ${seed}`);
  t.pass();
});

test('no changed initiation is accepted', (t) => {
  run(
    fc.property(datagram, (bytes) => {
      const result = consumeInitiation({
        local: responder,
        message: bytes,
        lookup: () => towardsInitiator,
      });
      // Noise doesn't cover the sender index nor the macs: these are mac1's job.
      const { ephemeral, mac1 } = INITIATION;
      return 'refused' in result || sameBytes(bytes, first.message, ephemeral.start, mac1.start);
    }),
  );
  t.pass();
});

test('no changed response is accepted, and none ends the handshake', (t) => {
  run(
    fc.property(datagram, (bytes) => {
      const { receiver, mac1 } = RESPONSE;
      if (sameBytes(bytes, second.message, receiver.start, mac1.start)) return true;
      const received = { local: initiator, remote: towardsResponder, state: first.state };
      return consumeResponse({ ...received, message: bytes }) === null;
    }),
  );
  const received = { local: initiator, remote: towardsResponder, state: first.state };
  t.not(consumeResponse({ ...received, message: second.message }), null);
});

test('no changed message has a valid mac', (t) => {
  run(
    fc.property(datagram, (bytes) => {
      if (checker.checkMac2(bytes, SOURCE, NOW)) return false;
      return !checker.checkMac1(bytes) || sameBytes(bytes, first.message, 0, INITIATION.mac1.end);
    }),
  );
  t.pass();
});

test('no changed cookie reply is accepted', (t) => {
  run(
    fc.property(datagram, (bytes) => {
      const { nonce } = COOKIE_REPLY;
      const authentic = sameBytes(bytes, cookieReply, nonce.start, COOKIE_REPLY.bytes);
      return authentic || !stamper.consumeReply(bytes, NOW);
    }),
  );
  t.true(stamper.consumeReply(cookieReply, NOW));
});

test('the reader of inner packets never reads past what is there', (t) => {
  const packet = fc.uint8Array({ maxLength: 80 }).map((bytes) => {
    // Two of three look like IP.
    if (bytes.length > 0 && bytes[0]! % 3 !== 0) {
      bytes[0] = ((bytes[0]! % 3 === 1 ? 4 : 6) << 4) | (bytes[0]! & 15);
    }
    return bytes;
  });
  run(
    fc.property(packet, (bytes) => {
      const size = ipPacketBytes(bytes);
      if (size > bytes.length) return false;
      if (ipFamily(bytes) === 0) return size === 0;
      for (let ecn = 0; ecn < 4; ecn++) decapsulateEcn(bytes, ecn);
      return trafficClass(bytes) <= 255 && ipPacketBytes(bytes) === size;
    }),
  );
  t.pass();
});

test('the Noise engine refuses noise at every step and goes on', (t) => {
  const protocol = noiseProtocol('Noise_XX_25519_ChaChaPoly_BLAKE2s')!;
  const side = (role: 'initiator' | 'responder'): HandshakeState =>
    new HandshakeState({
      protocol,
      role,
      prologue: new Uint8Array(0),
      localStatic: role === 'initiator' ? initiator : responder,
      remoteStatic: null,
      psks: [],
      entropy,
    });
  const [a, b] = [side('initiator'), side('responder')];
  b.readMessage(a.writeMessage(new Uint8Array(0))!);
  const reply = b.writeMessage(new Uint8Array(0))!;
  run(fc.property(fc.oneof(datagram, changed(reply)), (bytes) => a.readMessage(bytes) === null));
  t.not(a.readMessage(reply), null);
});
