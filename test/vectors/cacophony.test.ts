// All 944 cacophony vectors through the general Noise engine (SPEC.md 3.7): the handshake hash,
// every ciphertext, both directions.
import type { ExecutionContext } from 'ava';
import { toHex } from '../../src/base/bytes.js';
import { Secret } from '../../src/base/secret.js';
import type { CipherState } from '../../src/handshake/noise/cipherState.js';
import type { KeyPair } from '../../src/handshake/noise/handshakeState.js';
import { HandshakeState } from '../../src/handshake/noise/handshakeState.js';
import type { NoiseProtocol } from '../../src/handshake/noise/protocol.js';
import { noiseProtocol } from '../../src/handshake/noise/protocol.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

interface NoiseVector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_ephemeral: string;
  readonly init_static?: string;
  readonly init_remote_static?: string;
  readonly init_psks?: readonly string[];
  readonly resp_prologue: string;
  readonly resp_ephemeral?: string;
  readonly resp_static?: string;
  readonly resp_remote_static?: string;
  readonly resp_psks?: readonly string[];
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const FILE = 'noise/cacophony.txt';
const TOTAL = 944;
vectorTest('every 25519 vector is reproduced', [FILE], (t, [file]) => {
  const vectors = vectorsOver('25519', file);
  t.is(vectors.length, TOTAL / 2);
  for (const vector of vectors) checkVector(t, vector);
});

vectorTest('every 448 vector is reproduced', [FILE], (t, [file]) => {
  const vectors = vectorsOver('448', file);
  t.is(vectors.length, TOTAL / 2);
  for (const vector of vectors) checkVector(t, vector);
});

function vectorsOver(dh: '25519' | '448', file: Buffer | undefined): NoiseVector[] {
  const { vectors } = parseVector(file) as { vectors: NoiseVector[] };
  return vectors.filter((vector) => vector.protocol_name.includes(`_${dh}_`));
}

function checkVector(t: ExecutionContext, vector: NoiseVector): void {
  const protocol = noiseProtocol(vector.protocol_name);
  if (protocol === null) {
    t.fail(`${vector.protocol_name}: not known to the engine`);
    return;
  }
  const initiator = handshakeOf(vector, protocol, 'initiator');
  const responder = handshakeOf(vector, protocol, 'responder');
  const handshakeMessages = protocol.pattern.messages.length;

  for (const [i, { payload, ciphertext }] of vector.messages
    .slice(0, handshakeMessages)
    .entries()) {
    const place = `${vector.protocol_name} message ${i}`;
    const fromInitiator = initiator.nextSender === 'initiator';
    const [sender, receiver] = fromInitiator ? [initiator, responder] : [responder, initiator];
    const sent = sender.writeMessage(hex(payload));
    t.is(sent && toHex(sent), ciphertext, place);
    t.is(toHex(receiver.readMessage(hex(ciphertext)) ?? new Uint8Array(0)), payload, place);
  }

  t.is(toHex(initiator.handshakeHash), vector.handshake_hash, vector.protocol_name);
  t.is(toHex(responder.handshakeHash), vector.handshake_hash, vector.protocol_name);
  checkTransport(t, vector, {
    protocol,
    initiator: initiator.split(),
    responder: responder.split(),
  });
}

interface Directions {
  readonly send: CipherState;
  readonly receive: CipherState;
}

function checkTransport(
  t: ExecutionContext,
  vector: NoiseVector,
  ends: { protocol: NoiseProtocol; initiator: Directions; responder: Directions },
): void {
  const { messages, oneWay } = ends.protocol.pattern;
  const nothing = new Uint8Array(0);
  for (const [i, { payload, ciphertext }] of vector.messages.entries()) {
    if (i < messages.length) continue;
    const place = `${vector.protocol_name} message ${i}`;
    const fromInitiator = oneWay || i % 2 === 0;
    const { send } = fromInitiator ? ends.initiator : ends.responder;
    const { receive } = fromInitiator ? ends.responder : ends.initiator;
    t.is(toHex(send.seal(nothing, hex(payload))), ciphertext, place);
    t.is(toHex(receive.open(nothing, hex(ciphertext)) ?? nothing), payload, place);
  }
}

function handshakeOf(
  vector: NoiseVector,
  protocol: NoiseProtocol,
  role: 'initiator' | 'responder',
): HandshakeState {
  const mine =
    role === 'initiator'
      ? {
          prologue: vector.init_prologue,
          ephemeral: vector.init_ephemeral,
          static: vector.init_static,
          remoteStatic: vector.init_remote_static,
          psks: vector.init_psks,
        }
      : {
          prologue: vector.resp_prologue,
          ephemeral: vector.resp_ephemeral,
          static: vector.resp_static,
          remoteStatic: vector.resp_remote_static,
          psks: vector.resp_psks,
        };
  return new HandshakeState({
    protocol,
    role,
    prologue: hex(mine.prologue),
    localStatic: mine.static === undefined ? null : keyPair(protocol, mine.static),
    remoteStatic: mine.remoteStatic === undefined ? null : hex(mine.remoteStatic),
    psks: (mine.psks ?? []).map((psk) => new Secret(hex(psk))),
    entropy: () => hex(mine.ephemeral!),
  });
}

function keyPair(protocol: NoiseProtocol, privateKey: string): KeyPair {
  return {
    privateKey: new Secret(hex(privateKey)),
    publicKey: protocol.dh.publicKey(hex(privateKey)),
  };
}
