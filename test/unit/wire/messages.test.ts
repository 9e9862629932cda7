import test from 'ava';
import {
  COOKIE_REPLY,
  INITIATION,
  RESPONSE,
  TRANSPORT_HEADER,
} from '../../../src/wire/constants.js';
import type { MessageKind } from '../../../src/wire/messages.js';
import {
  classify,
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  encodeTransportHeader,
  senderIndex,
  transportCounter,
  transportReceiver,
} from '../../../src/wire/messages.js';

const counting = (length: number, from = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => from + i);

function datagram(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xee);
  bytes.set([type, 0, 0, 0].slice(0, length));
  return bytes;
}

test('the messages have the sizes of SPEC.md 2', (t) => {
  t.is(INITIATION.bytes, 148);
  t.is(RESPONSE.bytes, 92);
  t.is(COOKIE_REPLY.bytes, 64);
  t.is(TRANSPORT_HEADER.bytes, 16);
});

test('types 1 to 3 have one size, type 4 any from 32', (t) => {
  const expected = (type: number, length: number): MessageKind | null => {
    if (type === 1 && length === 148) return 'initiation';
    if (type === 2 && length === 92) return 'response';
    if (type === 3 && length === 64) return 'cookieReply';
    return type === 4 && length >= 32 ? 'transport' : null;
  };
  for (let type = 0; type < 256; type++) {
    for (let length = 0; length <= 200; length++) {
      const kind = classify(datagram(type, length));
      if (kind === expected(type, length)) continue;
      t.fail(`type ${type} of ${length} bytes is called ${String(kind)}`);
    }
  }
  t.is(classify(datagram(4, 65_535)), 'transport');
});

test('a datagram whose three bytes after the type are not zero is no message', (t) => {
  for (const [type, length] of [
    [1, 148],
    [2, 92],
    [3, 64],
    [4, 32],
  ] as const) {
    t.not(classify(datagram(type, length)), null);
    for (const at of [1, 2, 3]) {
      for (const value of [1, 0x80, 0xff]) {
        const bytes = datagram(type, length);
        bytes[at] = value;
        t.is(classify(bytes), null);
      }
    }
  }
});

test('an initiation is laid out as SPEC.md 2.1 says, and decodes to what was encoded', (t) => {
  const fields = {
    sender: 0xfedc_ba98,
    ephemeral: counting(32),
    encryptedStatic: counting(48, 50),
    encryptedTimestamp: counting(28, 100),
  };
  const message = encodeInitiation(fields);
  t.deepEqual([...message.subarray(0, 9)], [1, 0, 0, 0, 0x98, 0xba, 0xdc, 0xfe, 1]);
  t.is(message[40], 50);
  t.is(message[88], 100);
  t.true(message.subarray(116).every((byte) => byte === 0));
  t.deepEqual(decodeInitiation(message), fields);
  t.is(senderIndex(message), fields.sender);
});

test('a response is laid out as SPEC.md 2.2 says, and decodes to what was encoded', (t) => {
  const fields = {
    sender: 1,
    receiver: 0xffff_ffff,
    ephemeral: counting(32),
    encryptedNothing: counting(16, 70),
  };
  const message = encodeResponse(fields);
  t.deepEqual([...message.subarray(0, 13)], [2, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 1]);
  t.is(message[44], 70);
  t.true(message.subarray(60).every((byte) => byte === 0));
  t.deepEqual(decodeResponse(message), fields);
  t.is(senderIndex(message), 1);
});

test('a cookie reply is laid out as SPEC.md 2.3 says, and decodes to what was encoded', (t) => {
  const fields = { receiver: 7, nonce: counting(24), encryptedCookie: counting(32, 90) };
  const message = encodeCookieReply(fields);
  t.deepEqual([...message.subarray(0, 9)], [3, 0, 0, 0, 7, 0, 0, 0, 1]);
  t.is(message[32], 90);
  t.deepEqual(decodeCookieReply(message), fields);
});

test('a decoder refuses every other message', (t) => {
  const messages = [datagram(1, 148), datagram(2, 92), datagram(3, 64), datagram(4, 148)];
  t.deepEqual(
    messages.map((message) => decodeInitiation(message) !== null),
    [true, false, false, false],
  );
  t.deepEqual(
    messages.map((message) => decodeResponse(message) !== null),
    [false, true, false, false],
  );
  t.deepEqual(
    messages.map((message) => decodeCookieReply(message) !== null),
    [false, false, true, false],
  );
});

test('a transport header carries all 32 bits of index and 64 of counter', (t) => {
  for (const counter of [0n, 1n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 63n, 2n ** 64n - 1n]) {
    const message = new Uint8Array(32).fill(0xee);
    encodeTransportHeader(message, 0x8000_0001, counter);
    t.is(classify(message), 'transport');
    t.is(transportReceiver(message), 0x8000_0001);
    t.is(transportCounter(message), counter);
    t.is(message[16], 0xee);
  }
  const message = new Uint8Array(16);
  encodeTransportHeader(message, 0x0403_0201, 0x0c0b_0a09_0807_0605n);
  t.deepEqual([...message], [4, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});
