import test from 'ava';
import type { Endpoint } from '../../../src/base/ip.js';
import { isZero } from '../../../src/base/bytes.js';
import { instant } from '../../../src/base/time.js';
import { COOKIE_MAX_AGE_MS, CookieChecker, CookieStamper } from '../../../src/handshake/cookie.js';
import { COOKIE_REPLY, INITIATION, RESPONSE } from '../../../src/wire/constants.js';
import { decodeCookieReply, encodeInitiation, encodeResponse } from '../../../src/wire/messages.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const RESPONDER_KEY = new Uint8Array(32).fill(0x11);
const SOURCE: Endpoint = { family: 4, address: '192.0.2.1', port: 51_820, scopeId: 0 };
const SOURCE_V6: Endpoint = { family: 6, address: '2001:db8::1', port: 51_820, scopeId: 0 };
const start = instant(1_000_000);
const later = (ms: number) => instant(start + ms);

function initiation(fill = 0x22): Uint8Array {
  return encodeInitiation({
    sender: 0x0a0b_0c0d,
    ephemeral: new Uint8Array(32).fill(fill),
    encryptedStatic: new Uint8Array(48).fill(fill),
    encryptedTimestamp: new Uint8Array(28).fill(fill),
  });
}

function ends(): { checker: CookieChecker; stamper: CookieStamper } {
  return {
    checker: new CookieChecker(RESPONDER_KEY, seededEntropy('cookies')),
    stamper: new CookieStamper(RESPONDER_KEY),
  };
}

/** A stamper that holds a cookie for SOURCE, got at `start`. */
function withCookie(source = SOURCE): { checker: CookieChecker; stamper: CookieStamper } {
  const { checker, stamper } = ends();
  const message = initiation();
  stamper.stamp(message, start);
  if (!stamper.consumeReply(checker.createReply(message, source, start), start)) throw new Error();
  return { checker, stamper };
}

const mac2Of = (message: Uint8Array): Uint8Array => message.subarray(message.length - 16);

test('a stamped message carries a valid mac1, and no mac2 without a cookie', (t) => {
  const { checker, stamper } = ends();
  for (const message of [initiation(), encodeResponse(responseFields())]) {
    t.false(checker.checkMac1(message));
    stamper.stamp(message, start);
    t.true(checker.checkMac1(message));
    t.false(checker.checkMac2(message, SOURCE, start));
    t.true(isZero(mac2Of(message)));
  }
});

const responseFields = () => ({
  sender: 1,
  receiver: 2,
  ephemeral: new Uint8Array(32).fill(3),
  encryptedNothing: new Uint8Array(16).fill(4),
});

test('mac1 covers every byte before it and is bound to the receiver', (t) => {
  const { checker, stamper } = ends();
  const message = initiation();
  stamper.stamp(message, start);
  for (let at = 0; at < INITIATION.mac1.end; at++) {
    const changed = message.slice();
    changed[at]! ^= 0x80;
    t.false(checker.checkMac1(changed), `byte ${at}`);
  }
  const other = new CookieChecker(new Uint8Array(32).fill(0x12), seededEntropy('other'));
  t.false(other.checkMac1(message));
});

test('a cookie makes the next message carry a valid mac2', (t) => {
  for (const source of [SOURCE, SOURCE_V6]) {
    const { checker, stamper } = withCookie(source);
    const message = initiation(0x33);
    stamper.stamp(message, start);
    t.true(checker.checkMac1(message));
    t.true(checker.checkMac2(message, source, start));
    const changed = message.slice();
    changed[INITIATION.mac1.start]! ^= 1;
    t.false(checker.checkMac2(changed, source, start));
  }
});

test('a cookie is bound to the address and to the port', (t) => {
  const { checker, stamper } = withCookie();
  const message = initiation();
  stamper.stamp(message, start);
  t.false(checker.checkMac2(message, { ...SOURCE, port: 51_821 }, start));
  t.false(checker.checkMac2(message, { ...SOURCE, port: SOURCE.port ^ 0x100 }, start));
  t.false(checker.checkMac2(message, { ...SOURCE, address: '192.0.2.2' }, start));
  t.false(checker.checkMac2(message, SOURCE_V6, start));
});

test('the secret behind cookies changes when it is 120 s old', (t) => {
  const { checker, stamper } = withCookie();
  const message = initiation();
  stamper.stamp(message, start);
  t.true(checker.checkMac2(message, SOURCE, later(COOKIE_MAX_AGE_MS - 1)));
  t.false(checker.checkMac2(message, SOURCE, later(COOKIE_MAX_AGE_MS)));
  t.false(checker.checkMac2(message, SOURCE, later(COOKIE_MAX_AGE_MS + 1)));
});

test('a cookie is used until it is 120 s old, and then mac2 is zero again', (t) => {
  const { stamper } = withCookie();
  const message = initiation();
  stamper.stamp(message, later(COOKIE_MAX_AGE_MS - 1));
  t.false(isZero(mac2Of(message)));
  stamper.stamp(message, later(COOKIE_MAX_AGE_MS));
  t.true(isZero(mac2Of(message)));
});

test('a reply is 64 bytes, addressed to the sender index, and no two are alike', (t) => {
  const { checker, stamper } = ends();
  const message = initiation();
  stamper.stamp(message, start);
  const reply = checker.createReply(message, SOURCE, start);
  t.is(reply.length, COOKIE_REPLY.bytes);
  t.is(decodeCookieReply(reply)!.receiver, 0x0a0b_0c0d);
  t.notDeepEqual(reply, checker.createReply(message, SOURCE, start));
  t.true(reply.length < RESPONSE.bytes);
});

test('a reply that was changed anywhere is refused, and the true one still counts', (t) => {
  const { checker, stamper } = ends();
  const message = initiation();
  stamper.stamp(message, start);
  const reply = checker.createReply(message, SOURCE, start);
  for (let at = COOKIE_REPLY.nonce.start; at < COOKIE_REPLY.bytes; at++) {
    const changed = reply.slice();
    changed[at]! ^= 1;
    t.false(stamper.consumeReply(changed, start), `byte ${at}`);
  }
  t.true(stamper.consumeReply(reply, start));
});

test('a reply answers the message stamped last, once', (t) => {
  const { checker, stamper } = ends();
  const [first, second] = [initiation(1), initiation(2)];
  stamper.stamp(first, start);
  const replyToFirst = checker.createReply(first, SOURCE, start);
  stamper.stamp(second, start);
  t.false(stamper.consumeReply(replyToFirst, start));
  const replyToSecond = checker.createReply(second, SOURCE, start);
  t.true(stamper.consumeReply(replyToSecond, start));
  t.false(stamper.consumeReply(replyToSecond, start));
});

test('a reply is refused before anything was sent, and from any other peer', (t) => {
  const { checker, stamper } = ends();
  const message = initiation();
  new CookieStamper(RESPONDER_KEY).stamp(message, start);
  t.false(stamper.consumeReply(checker.createReply(message, SOURCE, start), start));
  stamper.stamp(message, start);
  const other = new CookieChecker(new Uint8Array(32).fill(0x12), seededEntropy('other'));
  t.false(stamper.consumeReply(other.createReply(message, SOURCE, start), start));
  t.false(stamper.consumeReply(new Uint8Array(0), start));
  t.false(stamper.consumeReply(message, start));
});

test('a refused reply keeps the cookie that was there', (t) => {
  const { checker, stamper } = withCookie();
  const message = initiation(5);
  stamper.stamp(message, start);
  const forged = checker.createReply(message, SOURCE, start);
  forged[40]! ^= 1;
  t.false(stamper.consumeReply(forged, start));
  stamper.stamp(message, start);
  t.true(checker.checkMac2(message, SOURCE, start));
});

test('other messages have no macs: checks refuse them, stamping one is a bug', (t) => {
  const { checker, stamper } = ends();
  for (const length of [0, 16, 31, 32, 64, 148, 1500]) {
    const transport = new Uint8Array(length);
    if (length > 0) transport[0] = 4;
    t.false(checker.checkMac1(transport));
    t.false(checker.checkMac2(transport, SOURCE, start));
    t.throws(() => stamper.stamp(transport, start));
    t.throws(() => checker.createReply(transport, SOURCE, start));
  }
});

test('destroyed ends know no cookie any more', (t) => {
  const { checker, stamper } = withCookie();
  const message = initiation();
  stamper.stamp(message, start);
  checker.destroy();
  t.false(checker.checkMac2(message, SOURCE, start));
  stamper.destroy();
  stamper.stamp(message, start);
  t.true(isZero(mac2Of(message)));
});
