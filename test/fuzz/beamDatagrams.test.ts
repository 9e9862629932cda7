// Beam's own datagrams from anybody: no decoder throws, none takes what another one's is, and what is
// decoded encodes to the same bytes. Short by default, longer with BEAM_LONG=1; BEAM_SEED repeats.
import test from 'ava';
import fc from 'fast-check';
import type { Endpoint } from '../../src/base/ip.js';
import { instant } from '../../src/base/time.js';
import { FRAGMENT_LIMITS, Reassembly, digestOf } from '../../src/handshake/beam/reassembly.js';
import { ANSWER, FINISH, FRAGMENT_HEADER, HELLO, WELCOME } from '../../src/wire/beamLayout.js';
import {
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
} from '../../src/wire/beamMessages.js';
import { bodyOf, decodeFragment, splitMessage } from '../../src/wire/fragments.js';
import { decodeIdentityPayload, encodeIdentityPayload } from '../../src/wire/identityPayload.js';
import { classify } from '../../src/wire/messages.js';

const long = process.env['BEAM_LONG'] === '1';
const seed = Number(process.env['BEAM_SEED'] ?? Date.now() % 2 ** 31);
// By number, not by time, when short: each test must have seen some messages that decode.
const parameters = long
  ? { seed, numRuns: 2_000_000, interruptAfterTimeLimit: 10_000 }
  : { seed, numRuns: 5_000 };

const SIZES = [
  HELLO.hybrid.bytes,
  HELLO.classical.bytes,
  ANSWER.hybrid.bytes,
  FINISH.bytes,
  WELCOME.bytes,
  64,
  676,
  702,
];

/** Noise in the shape of a message: most fields that have few right values are near them. */
const datagram = fc
  .record({
    type: fc.integer({ min: 0, max: 11 }),
    size: fc.oneof(fc.constantFrom(...SIZES), fc.integer({ min: 0, max: 1400 })),
    fill: fc.integer({ min: 0, max: 255 }),
    small: fc.uint8Array({ minLength: 28, maxLength: 28 }),
    sparse: fc.boolean(),
  })
  .map(({ type, size, fill, small, sparse }) => {
    const bytes = new Uint8Array(size).fill(fill);
    bytes.set(
      small.map((byte) => (sparse ? byte & 3 : byte)).subarray(0, Math.max(0, size - 4)),
      4 * Number(size > 4),
    );
    bytes.set([type, 0, 0, 0].slice(0, size));
    if (type === 10 && size > FRAGMENT_HEADER.bytes) {
      const of = size === 702 ? 5 : 6;
      const body = size === 702 ? 1276 : 1224;
      bytes.set([of, small[0]! & 1, body & 0xff, body >> 8], 28);
      if (sparse && of === 5) bytes.fill(0, 8, 12);
    }
    return bytes;
  });

function run<Value>(arbitrary: fc.Arbitrary<Value>, claim: (value: Value) => boolean): void {
  const details = fc.check(fc.property(arbitrary, claim), parameters);
  if (!details.failed) return;
  throw new Error(`BEAM_SEED=${seed}: ${fc.defaultReportMessage(details) ?? ''}`);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** What the encoder makes of what the decoder gave; null where it gave nothing. */
function encodedAgain(bytes: Uint8Array): Uint8Array | null {
  const hello = decodeHello(bytes);
  if (hello !== null) return encodeHello(hello);
  const answer = decodeAnswer(bytes);
  const hybrid = bytes.length === ANSWER.hybrid.bytes;
  if (answer !== null) return encodeAnswer(hybrid ? 'hybrid' : 'classical', answer);
  const finish = decodeFinish(bytes);
  if (finish !== null) return encodeFinish(finish);
  return null;
}

test('what is decoded encodes to the same bytes', (t) => {
  let decoded = 0;
  run(datagram, (bytes) => {
    const again = encodedAgain(bytes);
    if (again === null) return true;
    decoded++;
    return again.length === bytes.length && same(bodyOf(again), bodyOf(bytes));
  });
  t.true(decoded > 0, `seed ${seed}`);
  t.log(`seed ${seed}, ${decoded} decoded`);
});

test('welcomes, cookie replies and choices too', (t) => {
  run(datagram, (bytes) => {
    const welcome = decodeWelcome(bytes);
    if (welcome !== null && !same(encodeWelcomeHeader(welcome), bytes.subarray(0, 12)))
      return false;
    const reply = decodeBeamCookieReply(bytes);
    if (reply !== null && !same(encodeBeamCookieReply(reply), bytes)) return false;
    const payload = bytes.subarray(4, 16);
    const choice = decodeChoice(payload);
    return choice === null || same(encodeChoice(choice), payload);
  });
  t.pass();
});

test('a datagram is of one kind at most, and each decoder knows its own', (t) => {
  run(datagram, (bytes) => {
    const kind = classifyBeam(bytes);
    if (kind !== null && classify(bytes) !== null) return false;
    const takes = {
      hello: decodeHello(bytes),
      answer: decodeAnswer(bytes),
      finish: decodeFinish(bytes),
      welcome: decodeWelcome(bytes),
      beamCookieReply: decodeBeamCookieReply(bytes),
      fragment: decodeFragment(bytes),
    };
    return Object.entries(takes).every(([name, result]) => result === null || name === kind);
  });
  t.pass();
});

test('an identity payload is read back or refused, whatever is in it', (t) => {
  const payload = fc
    .tuple(
      fc.uint8Array({ minLength: 768, maxLength: 768 }),
      fc.nat(900),
      fc.nat(900),
      fc.boolean(),
    )
    .map(([noise, credential, signature, clean]) => {
      const view = new DataView(noise.buffer, noise.byteOffset);
      view.setUint16(0, credential, true);
      if (2 + credential <= 766) view.setUint16(2 + credential, signature, true);
      if (clean) noise.fill(0, Math.min(768, 4 + credential + signature));
      return noise;
    });
  let read = 0;
  run(payload, (bytes) => {
    const decoded = decodeIdentityPayload(bytes);
    if (decoded === null) return true;
    read++;
    return same(encodeIdentityPayload(decoded)!, bytes);
  });
  t.true(read > 0);
});

test('reassembly stays within its bounds and makes nothing that was not sent', (t) => {
  const reassembly = new Reassembly();
  const sent = Array.from({ length: 5 }, (_, i) => {
    const noise = new Uint8Array(HELLO.hybrid.noise.end - HELLO.hybrid.noise.start).fill(i);
    const offer = { versions: 1, suites: 1, fast: 1, invite: new Uint8Array(16) };
    return encodeHello({ ...offer, sender: i, protocol: 'hybrid', noise });
  });
  const fragments = sent.flatMap((message) => [...splitMessage(message, digestOf(message))]);
  const arrival = fc.record({
    bytes: fc.oneof(
      datagram,
      fc.constantFrom(...fragments),
      fc.tuple(fc.constantFrom(...fragments), fc.nat(701)).map(([fragment, at]) => {
        const copy = fragment.slice();
        copy[at]! ^= 1;
        return copy;
      }),
    ),
    source: fc.nat(600),
    gapMs: fc.nat(20),
  });
  let [nowMs, whole] = [0, 0];
  run(arrival, ({ bytes, source, gapMs }) => {
    nowMs += gapMs;
    const fragment = decodeFragment(bytes);
    if (fragment === null) return true;
    const from: Endpoint = {
      family: 4,
      address: `10.9.${source % 2}.${(source >> 1) % 3}`,
      port: 1 + (source >> 5),
      scopeId: 0,
    };
    const result = reassembly.accept(fragment, from, instant(nowMs));
    if (result.kind === 'whole') {
      whole++;
      if (!sent.some((message) => same(message, result.message))) return false;
    }
    return reassembly.size <= FRAGMENT_LIMITS.perSource * 6;
  });
  t.true(whole > 0, `seed ${seed}`);
});
