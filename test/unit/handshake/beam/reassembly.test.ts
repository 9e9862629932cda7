import test from 'ava';
import type { Endpoint } from '../../../../src/base/ip.js';
import { instant } from '../../../../src/base/time.js';
import {
  FRAGMENT_LIMITS,
  Reassembly,
  digestOf,
} from '../../../../src/handshake/beam/reassembly.js';
import { ANSWER, HELLO } from '../../../../src/wire/beamLayout.js';
import { encodeAnswer, encodeHello } from '../../../../src/wire/beamMessages.js';
import type { Fragment } from '../../../../src/wire/fragments.js';
import { bodyOf, decodeFragment, splitMessage } from '../../../../src/wire/fragments.js';

const start = instant(50_000);
const later = (ms: number) => instant(start + ms);
const from = (n: number, port = 1): Endpoint => ({
  family: 4,
  address: `10.0.${n >> 8}.${n & 255}`,
  port,
  scopeId: 0,
});

function hello(fill: number): Uint8Array {
  const { noise } = HELLO.hybrid;
  return encodeHello({
    sender: fill,
    versions: 1,
    protocol: 'hybrid',
    suites: 3,
    fast: 1,
    invite: new Uint8Array(16),
    noise: new Uint8Array(noise.end - noise.start).map((_, i) => (i + fill) & 0xff),
  });
}

function answer(): Uint8Array {
  const { noise } = ANSWER.hybrid;
  const bytes = new Uint8Array(noise.end - noise.start).fill(3);
  return encodeAnswer('hybrid', { sender: 9, receiver: 8, noise: bytes });
}

const datagrams = (message: Uint8Array) => splitMessage(message, digestOf(message));
const halves = (message: Uint8Array): [Fragment, Fragment] =>
  datagrams(message).map((bytes) => decodeFragment(bytes)!) as [Fragment, Fragment];

test('halves are as large as the specification says, the answer’s smaller than the hello’s', (t) => {
  t.deepEqual(
    datagrams(hello(1)).map((bytes) => bytes.length),
    [702, 702],
  );
  t.deepEqual(
    datagrams(answer()).map((bytes) => bytes.length),
    [676, 676],
  );
});

test('two halves make the message, in either order', (t) => {
  for (const message of [hello(1), answer()]) {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const reassembly = new Reassembly();
      const parts = halves(message);
      t.deepEqual(reassembly.accept(parts[order[0]], from(1), start), { kind: 'waiting' });
      const whole = reassembly.accept(parts[order[1]], from(1), later(999));
      t.deepEqual(whole, { kind: 'whole', message });
      t.is(reassembly.size, 0);
    }
  }
});

test('a pair that was put together is used up', (t) => {
  const reassembly = new Reassembly();
  const [first, second] = halves(hello(1));
  reassembly.accept(first, from(1), start);
  t.is(reassembly.accept(second, from(1), start).kind, 'whole');
  t.is(reassembly.accept(second, from(1), start).kind, 'waiting');
});

test('the same half twice makes nothing', (t) => {
  const reassembly = new Reassembly();
  const [first] = halves(hello(1));
  for (let i = 0; i < 3; i++) t.is(reassembly.accept(first, from(1), start).kind, 'waiting');
  t.is(reassembly.size, 1);
});

test('a half waits one second, however often it is sent again', (t) => {
  const reassembly = new Reassembly();
  const [first, second] = halves(hello(1));
  reassembly.accept(first, from(1), start);
  reassembly.accept(first, from(1), later(900));
  t.is(reassembly.nextTimeout(), later(1000));
  t.is(reassembly.accept(second, from(1), later(1000)).kind, 'waiting');
  reassembly.expire(later(2000));
  t.is(reassembly.size, 0);
  t.is(reassembly.nextTimeout(), null);
});

test('halves from another address or port, or of another message, don’t meet', (t) => {
  const [first, second] = halves(hello(1));
  const [, other] = halves(hello(2));
  for (const [fragment, source] of [
    [second, from(2)],
    [second, from(1, 2)],
    [other, from(1)],
    [{ ...second, sender: 5 }, from(1)],
    [{ ...second, of: 'answer' as const }, from(1)],
  ] as const) {
    const reassembly = new Reassembly();
    reassembly.accept(first, from(1), start);
    t.is(reassembly.accept(fragment, source, start).kind, 'waiting');
  }
});

test('a wrong half ends in a refusal and leaves nothing behind', (t) => {
  const reassembly = new Reassembly();
  const [first, second] = halves(hello(1));
  reassembly.accept(first, from(1), start);
  const forged = { ...second, part: second.part.map((byte) => byte ^ 1) };
  const refused = { kind: 'refused', reason: 'wrongDigest' } as const;
  t.deepEqual(reassembly.accept(forged, from(1), start), refused);
  t.is(reassembly.size, 0);
});

test('halves are copied: the datagram’s memory may be used again', (t) => {
  const reassembly = new Reassembly();
  const [first, second] = datagrams(hello(1));
  reassembly.accept(decodeFragment(first)!, from(1), start);
  first.fill(0xaa);
  t.is(reassembly.accept(decodeFragment(second)!, from(1), start).kind, 'whole');
});

test('of one source eight wait, the oldest gives way', (t) => {
  const reassembly = new Reassembly();
  const { perSource } = FRAGMENT_LIMITS;
  for (let i = 0; i <= perSource; i++)
    reassembly.accept(halves(hello(i))[0], from(1, i + 1), start);
  t.is(reassembly.size, perSource);
  t.is(reassembly.accept(halves(hello(0))[1], from(1, 1), start).kind, 'waiting');
  t.is(reassembly.accept(halves(hello(perSource))[1], from(1, perSource + 1), start).kind, 'whole');
});

test('a full table refuses new sources and serves those in it', (t) => {
  const reassembly = new Reassembly();
  const { waiting } = FRAGMENT_LIMITS;
  for (let i = 0; i < waiting; i++) {
    t.is(reassembly.isHalfFull, i >= waiting / 2);
    t.is(reassembly.accept(halves(hello(i))[0], from(i), start).kind, 'waiting');
  }
  const refused = { kind: 'refused', reason: 'tableFull' } as const;
  t.deepEqual(reassembly.accept(halves(hello(1))[0], from(9999), start), refused);
  t.is(reassembly.size, waiting);
  t.is(reassembly.accept(halves(hello(5))[1], from(5), start).kind, 'whole');
});

test('fragments with a header that nobody writes are refused', (t) => {
  for (const message of [hello(1), answer()]) {
    for (const datagram of datagrams(message)) {
      t.not(decodeFragment(datagram), null);
      t.is(decodeFragment(datagram.subarray(1)), null);
      t.is(decodeFragment(datagram.subarray(0, datagram.length - 1)), null);
      for (const [at, value] of [
        [28, 7],
        [28, 0],
        [29, 2],
        [30, 1],
        [31, 255],
      ] as const) {
        const copy = datagram.slice();
        copy[at] = value;
        t.is(decodeFragment(copy), null, `byte ${at} is ${value}`);
      }
    }
  }
  const half = datagrams(hello(1))[0].slice();
  half[8] = 1;
  t.is(decodeFragment(half), null, 'a hello has no receiver');
});

test('the digest doesn’t depend on the macs', (t) => {
  const message = hello(1);
  const before = digestOf(message).slice();
  message.fill(7, bodyOf(message).length);
  t.deepEqual(digestOf(message), before);
});
