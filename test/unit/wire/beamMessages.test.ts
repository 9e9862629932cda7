import test from 'ava';
import { ANSWER, FINISH, HELLO, WELCOME } from '../../../src/wire/beamLayout.js';
import type { BeamKind, BeamProtocol, Hello } from '../../../src/wire/beamMessages.js';
import {
  BEAM_PROTOCOL,
  carriesBeamMacs,
  classifyBeam,
  decodeAnswer,
  decodeBeamCookieReply,
  decodeChoice,
  decodeFinish,
  decodeHello,
  decodeWelcome,
  encodeAnswer,
  encodeBeamCookieReply,
  encodeChoice,
  encodeFinish,
  encodeHello,
  encodeWelcomeHeader,
  helloTranscript,
} from '../../../src/wire/beamMessages.js';
import { classify } from '../../../src/wire/messages.js';

const counting = (length: number, from = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (from + i) & 0xff);

const PROTOCOLS = Object.keys(BEAM_PROTOCOL) as BeamProtocol[];
const sizeOf = (protocol: BeamProtocol): 'hybrid' | 'classical' =>
  protocol.startsWith('hybrid') ? 'hybrid' : 'classical';

function hello(protocol: BeamProtocol = 'hybrid'): Hello {
  const { noise } = HELLO[sizeOf(protocol)];
  return {
    sender: 0x0403_0201,
    versions: 1,
    protocol,
    suites: 3,
    fast: 1,
    invite: protocol.endsWith('Psk') ? counting(16, 0x50) : new Uint8Array(16),
    noise: counting(noise.end - noise.start, 0x90),
  };
}

const answer = (protocol: BeamProtocol) => {
  const { noise } = ANSWER[sizeOf(protocol)];
  return { sender: 7, receiver: 0xffff_fffe, noise: counting(noise.end - noise.start) };
};

test('sizes and places are those of the specification', (t) => {
  const { hybrid, classical } = HELLO;
  t.deepEqual([hybrid.bytes, classical.bytes], [1308, 152]);
  t.deepEqual([ANSWER.hybrid.bytes, ANSWER.classical.bytes], [1256, 152]);
  t.deepEqual([FINISH.bytes, WELCOME.bytes], [876, 796]);
  t.deepEqual([hybrid.noise.start, hybrid.mac1.start, hybrid.mac2.start], [28, 1276, 1292]);
  t.deepEqual([classical.noise.start, classical.mac1.start, classical.mac2.start], [28, 120, 136]);
  t.deepEqual([ANSWER.hybrid.noise.start, ANSWER.hybrid.mac1.start], [12, 1224]);
  t.deepEqual([ANSWER.classical.mac1.start, FINISH.mac1.start], [120, 844]);
});

test('no answer is larger than what it answers', (t) => {
  t.true(ANSWER.hybrid.bytes <= HELLO.hybrid.bytes);
  t.true(ANSWER.classical.bytes <= HELLO.classical.bytes);
  t.true(WELCOME.bytes <= FINISH.bytes);
});

test('a hello comes back as it was, in every protocol', (t) => {
  for (const protocol of PROTOCOLS) {
    const message = encodeHello(hello(protocol));
    t.is(classifyBeam(message), 'hello');
    t.deepEqual(decodeHello(message), hello(protocol), protocol);
    t.deepEqual(
      [...message.subarray(0, 12)],
      [5, 0, 0, 0, 1, 2, 3, 4, 1, BEAM_PROTOCOL[protocol], 3, 1],
    );
    t.deepEqual(helloTranscript(message), message.subarray(4, 28));
  }
});

test('a hello with an offer that nobody can make is refused', (t) => {
  const wrong: [
    string,
    Partial<Record<'versions' | 'protocol' | 'suites' | 'fast' | 'invite', number>>,
  ][] = [
    ['no version', { versions: 0 }],
    ['a version of the future', { versions: 3 }],
    ['no protocol', { protocol: 0 }],
    ['an unknown protocol', { protocol: 5 }],
    ['the size of another protocol', { protocol: 3 }],
    ['no suite', { suites: 0, fast: 0 }],
    ['an unknown suite', { suites: 4, fast: 0 }],
    ['fast and not there', { suites: 2, fast: 1 }],
    ['an invite without a psk', { invite: 1 }],
    ['a psk without an invite', { protocol: 2 }],
  ];
  for (const [what, changes] of wrong) {
    const message = encodeHello(hello());
    for (const [name, value] of Object.entries(changes)) {
      message[HELLO.hybrid[name as keyof typeof changes].start] = value;
    }
    t.is(decodeHello(message), null, what);
  }
  t.not(decodeHello(encodeHello(hello())), null);
});

test('answers and finishes come back as they were', (t) => {
  for (const protocol of PROTOCOLS) {
    const message = encodeAnswer(protocol, answer(protocol));
    t.is(classifyBeam(message), 'answer');
    t.deepEqual(decodeAnswer(message), answer(protocol));
  }
  const finish = { sender: 1, receiver: 2, noise: counting(832) };
  t.deepEqual(decodeFinish(encodeFinish(finish)), finish);
});

test('a welcome is its header and what is sealed', (t) => {
  const message = new Uint8Array(WELCOME.bytes).fill(9);
  message.set(encodeWelcomeHeader({ sender: 0x0102_0304, receiver: 5 }));
  t.deepEqual([...message.subarray(0, 12)], [8, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0]);
  const welcome = decodeWelcome(message)!;
  t.is(welcome.sender, 0x0102_0304);
  t.is(welcome.receiver, 5);
  t.is(welcome.sealed.length, 784);
});

test('a Beam cookie reply is no WireGuard cookie reply, and the other way round', (t) => {
  const reply = { receiver: 3, nonce: counting(24), encryptedCookie: counting(32, 80) };
  const message = encodeBeamCookieReply(reply);
  t.deepEqual(decodeBeamCookieReply(message), reply);
  t.is(classify(message), null);
  message[0] = 3;
  t.is(classify(message), 'cookieReply');
  t.is(decodeBeamCookieReply(message), null);
});

test('each kind has its sizes and no other', (t) => {
  const sizes: [number, BeamKind, readonly number[]][] = [
    [5, 'hello', [152, 1308]],
    [6, 'answer', [152, 1256]],
    [7, 'finish', [876]],
    [8, 'welcome', [796]],
    [9, 'beamCookieReply', [64]],
  ];
  for (const [type, kind, right] of sizes) {
    for (let size = 0; size < 1400; size++) {
      const bytes = new Uint8Array(size).fill(0xee);
      bytes.set([type, 0, 0, 0].slice(0, size));
      t.is(classifyBeam(bytes), right.includes(size) ? kind : null, `type ${type}, ${size} bytes`);
    }
    for (let at = 1; at < 4; at++) {
      const bytes = new Uint8Array(right[0]!);
      bytes[0] = type;
      bytes[at] = 1;
      t.is(classifyBeam(bytes), null, 'bytes 1 to 3 are zero');
    }
  }
  for (const type of [0, 1, 2, 3, 4, 11, 255]) {
    t.is(classifyBeam(new Uint8Array(876).fill(type, 0, 1)), null);
  }
});

test('WireGuard’s four types are not Beam’s, nor the other way round', (t) => {
  for (const [type, size] of [
    [1, 148],
    [2, 92],
    [3, 64],
    [4, 32],
  ] as const) {
    const bytes = new Uint8Array(size);
    bytes[0] = type;
    t.not(classify(bytes), null);
    t.is(classifyBeam(bytes), null);
  }
  for (const type of [5, 6, 7, 8, 9, 10])
    t.is(classify(new Uint8Array(876).fill(type, 0, 1)), null);
});

test('welcome and cookie reply carry no macs', (t) => {
  const carrying = [5, 6, 7, 8, 9, 10].filter((type) =>
    [152, 876, 796, 64].some((size) => {
      const bytes = new Uint8Array(size);
      bytes[0] = type;
      return carriesBeamMacs(bytes);
    }),
  );
  t.deepEqual(carrying, [5, 6, 7, 10]);
});

test('a choice comes back as it was; a malformed one is refused', (t) => {
  const choice = { versions: 1, suites: 3, fast: 2, version: 1, suite: 2, index: 0xfedc_ba98 };
  t.deepEqual(decodeChoice(encodeChoice(choice)), choice);
  t.is(decodeChoice(encodeChoice(choice).subarray(1)), null);
  for (const [at, value] of [
    [0, 0],
    [0, 2],
    [1, 0],
    [1, 4],
    [2, 4],
    [5, 1],
    [6, 1],
    [7, 1],
  ] as const) {
    const payload = encodeChoice(choice);
    payload[at] = value;
    t.is(decodeChoice(payload), null, `byte ${at} is ${value}`);
  }
});
