// The cookies of chapter 3 around Beam's own messages (SPEC.md 11.7).
import test from 'ava';
import type { Endpoint } from '../../../../src/base/ip.js';
import { instant } from '../../../../src/base/time.js';
import { digestOf } from '../../../../src/handshake/beam/reassembly.js';
import { CookieChecker, CookieStamper } from '../../../../src/handshake/cookie.js';
import { HELLO } from '../../../../src/wire/beamLayout.js';
import { classifyBeam, encodeFinish, encodeHello } from '../../../../src/wire/beamMessages.js';
import { splitMessage } from '../../../../src/wire/fragments.js';
import { seededEntropy } from '../../../support/seededEntropy.js';

const SOURCE: Endpoint = { family: 4, address: '192.0.2.1', port: 51_820, scopeId: 0 };
const CONTEXT = new TextEncoder().encode(`${'n'.repeat(32)}did:key:zResponder`);
const now = instant(1_000_000);

const hello = (): Uint8Array =>
  encodeHello({
    sender: 1,
    versions: 1,
    protocol: 'hybrid',
    suites: 1,
    fast: 1,
    invite: new Uint8Array(16),
    noise: new Uint8Array(HELLO.hybrid.noise.end - HELLO.hybrid.noise.start),
  });

const finish = (): Uint8Array =>
  encodeFinish({ sender: 1, receiver: 2, noise: new Uint8Array(832) });

function ends(): { checker: CookieChecker; stamper: CookieStamper } {
  return {
    checker: new CookieChecker(CONTEXT, seededEntropy('cookies')),
    stamper: new CookieStamper(CONTEXT),
  };
}

test('only who knows the whole context makes a valid mac1', (t) => {
  const { checker, stamper } = ends();
  for (const message of [hello(), finish(), ...splitMessage(hello(), digestOf(hello()))]) {
    t.false(checker.checkMac1(message));
    stamper.stamp(message, now);
    t.true(checker.checkMac1(message));
    message[9]! ^= 1;
    t.false(checker.checkMac1(message));
    message[9]! ^= 1;
    new CookieStamper(CONTEXT.subarray(1)).stamp(message, now);
    t.false(checker.checkMac1(message));
  }
});

test('a reply to either fragment brings the cookie, and only the first one', (t) => {
  for (const which of [0, 1] as const) {
    const { checker, stamper } = ends();
    const pair = splitMessage(hello(), digestOf(hello()));
    stamper.stampAll(pair, now);
    const reply = checker.createReply(pair[which], SOURCE, now);
    t.is(classifyBeam(reply), 'beamCookieReply');
    t.true(reply.length <= pair[which].length);
    t.true(stamper.consumeReply(reply, now));
    t.false(stamper.consumeReply(checker.createReply(pair[1 - which]!, SOURCE, now), now));
    stamper.stampAll(pair, now);
    t.true(pair.every((fragment) => checker.checkMac2(fragment, SOURCE, now)));
  }
});

test('a reply to what was stamped before the last time is refused', (t) => {
  const { checker, stamper } = ends();
  const [message, next] = [hello(), finish()];
  stamper.stamp(message, now);
  const reply = checker.createReply(message, SOURCE, now);
  stamper.stamp(next, now);
  t.false(stamper.consumeReply(reply, now));
  t.true(stamper.consumeReply(checker.createReply(next, SOURCE, now), now));
});

test('a reply under another context is refused', (t) => {
  const { stamper } = ends();
  const message = hello();
  stamper.stamp(message, now);
  const other = new CookieChecker(CONTEXT.subarray(1), seededEntropy('other'));
  t.false(stamper.consumeReply(other.createReply(message, SOURCE, now), now));
});
