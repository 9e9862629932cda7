// SPEC.md 11.17: the machines make these bytes from fixed randomness, and a reader that goes by the
// chapter's text, without Beam's own modules, takes them apart again.
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { blake2s } from '@noble/hashes/blake2.js';
import { sha256 } from '@noble/hashes/sha2.js';
import test from 'ava';
import { concat, toHex } from '../../../../src/base/bytes.js';
import { nobleMlKem768 } from '../../../../src/crypto/mlKem.js';
import { HandshakeState } from '../../../../src/handshake/noise/handshakeState.js';
import { noiseProtocol } from '../../../../src/handshake/noise/protocol.js';
import { FIXED, counting, runTranscript, tunnelKeyPair } from '../../../support/beamTranscript.js';

/** The `name = hex` lines of a block of SPEC.md 11.17. */
function specified(block: number): (name: string) => string {
  const chapter = readFileSync('SPEC.md', 'utf8').split('### 11.17 ')[1] ?? '';
  const text = chapter.split('```')[1 + 2 * block] ?? '';
  const values = new Map<string, string>();
  let name = '';
  for (const line of text.split('\n')) {
    const [, start, hex] = /^(?:(\S+) += +| +)([0-9a-f]+)$/.exec(line) ?? [];
    if (hex === undefined) continue;
    name = start ?? name;
    values.set(name, (values.get(name) ?? '') + hex);
  }
  return (wanted) => {
    const value = values.get(wanted);
    if (value === undefined) throw new Error(`SPEC.md 11.17 has no ${wanted}`);
    return value;
  };
}

const NAMES = ['hello', 'answer', 'finish', 'welcome'];

test('the machines reproduce the transcript byte for byte', (t) => {
  for (const [block, usesPsk] of [
    [0, false],
    [1, true],
  ] as const) {
    const wanted = specified(block);
    const { messages, initiator, responder } = runTranscript(usesPsk);
    t.is(messages.length, 4);
    for (const [i, name] of NAMES.entries()) {
      const made = toHex(messages[i]!);
      // Of the second transcript the text holds hashes.
      t.is(usesPsk ? toHex(sha256(messages[i]!)) : made, wanted(name), name);
    }
    t.is(toHex(initiator.handshakeHash), wanted('handshake-hash'));
    t.is(toHex(initiator.sendKey), wanted('initiator-key'));
    t.is(toHex(initiator.receiveKey), wanted('responder-key'));
    t.is(toHex(responder.sendKey), wanted('responder-key'));
    t.is(toHex(responder.receiveKey), wanted('initiator-key'));
    t.is(initiator.suite, 'aes-256-gcm');
  }
});

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const text = (ascii: string): Uint8Array => new Uint8Array(Buffer.from(ascii));

const mac1 = (context: Uint8Array, covered: Uint8Array): string => {
  const key = blake2s(concat(text('mac1----'), context), { dkLen: 32 });
  return toHex(blake2s(covered, { key, dkLen: 16 }));
};

function unpadded(payload: Uint8Array): { credential: string; signature: string; rest: boolean } {
  const view = Buffer.from(payload);
  const credentialBytes = view.readUInt16LE(0);
  const signatureAt = 4 + credentialBytes;
  const end = signatureAt + view.readUInt16LE(2 + credentialBytes);
  return {
    credential: view.subarray(2, 2 + credentialBytes).toString(),
    signature: view.subarray(signatureAt, end).toString('hex'),
    rest: view.subarray(end).every((byte) => byte === 0),
  };
}

test('a reader that goes by the text alone takes it apart', (t) => {
  const wanted = specified(0);
  const [hello, answer, finish, welcome] = NAMES.map((name) => bytesOf(wanted(name))) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const did = text('did:key:zResponder');
  const x = concat(counting(0x40, 32), did);

  t.is(toHex(hello.subarray(0, 28)), `050000000102030401010303${'00'.repeat(16)}`);
  t.is(mac1(x, hello.subarray(0, 1276)), toHex(hello.subarray(1276, 1292)));
  t.is(
    mac1(concat(x, hello.subarray(28, 60)), answer.subarray(0, 1224)),
    toHex(answer.subarray(1224, 1240)),
  );
  t.is(mac1(x, finish.subarray(0, 844)), toHex(finish.subarray(844, 860)));
  t.true(
    [hello, answer, finish].every((message) => message.subarray(-16).every((byte) => byte === 0)),
  );

  const prologue = concat(
    text('Beam 1'),
    counting(0x40, 32),
    Uint8Array.of(18),
    did,
    hello.subarray(4, 28),
  );
  const randomness = [FIXED.responder.ephemeral.slice(), FIXED.responder.kemMessage.slice()];
  const state = new HandshakeState({
    protocol: noiseProtocol('Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256', [nobleMlKem768])!,
    role: 'responder',
    prologue,
    localStatic: tunnelKeyPair('responder'),
    remoteStatic: null,
    psks: [],
    entropy: () => randomness.shift()!,
  });
  t.deepEqual(state.readMessage(hello.subarray(28, 1276)), new Uint8Array(32));
  const choice = Uint8Array.of(1, 3, 3, 1, 1, 0, 0, 0, 5, 6, 7, 8);
  t.is(toHex(state.writeMessage(choice)!), toHex(answer.subarray(12, 1224)));
  t.is(toHex(answer.subarray(0, 12)), '060000000506070801020304');
  const shown = unpadded(state.readMessage(finish.subarray(12, 844))!);
  t.deepEqual(shown, {
    credential: 'credential of the initiator',
    signature: 'a1'.repeat(64),
    rest: true,
  });

  const h = state.handshakeHash;
  t.is(toHex(h), wanted('handshake-hash'));
  const { initiatorKey, responderKey } = state.splitKeys();
  const derive = (key: Uint8Array, label: string): string =>
    Buffer.from(hkdfSync('sha256', key, h, label, 32)).toString('hex');
  t.is(derive(initiatorKey, 'Beam 1 session aes-256-gcm'), wanted('initiator-key'));
  t.is(derive(responderKey, 'Beam 1 session aes-256-gcm'), wanted('responder-key'));

  const welcomeKey = bytesOf(derive(responderKey, 'Beam 1 welcome'));
  const decipher = createDecipheriv('aes-256-gcm', welcomeKey, new Uint8Array(12));
  decipher.setAAD(welcome.subarray(0, 12));
  decipher.setAuthTag(welcome.subarray(-16));
  const opened = concat(decipher.update(welcome.subarray(12, -16)), decipher.final());
  t.deepEqual(unpadded(opened), {
    credential: 'credential of the responder',
    signature: 'a2'.repeat(64),
    rest: true,
  });
});
