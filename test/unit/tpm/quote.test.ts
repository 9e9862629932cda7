// The verifier of quotes, with an attestation key in software: each check refuses what it is for.
// SPEC.md 10.26.
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { concat } from '../../../src/base/bytes.js';
import { number, sized, u16, u32, u8 } from '../../../src/tpm/encoding.js';
import { encodePcrs, pcrDigest } from '../../../src/tpm/pcr.js';
import {
  encodePublic,
  nameOf,
  qualifiedNameOf,
  type PublicArea,
} from '../../../src/tpm/publicArea.js';
import {
  verifyQuote,
  type Expected,
  type Quote,
  type QuoteRefusal,
} from '../../../src/tpm/quote.js';
import { encodeSignature } from '../../../src/tpm/signature.js';
import { ATTESTATION_KEY, SIGNING_KEY } from '../../../src/tpm/templates.js';
import { OBJECT } from '../../../src/tpm/constants.js';
import { operatorKey } from '../../support/operatorKey.js';

const bytes = (byteLength: number): Uint8Array => new Uint8Array(randomBytes(byteLength));
const key = operatorKey();
const area = { ...ATTESTATION_KEY, point: key.point } as PublicArea;
const attestationKey = encodePublic(area);
const parentName = concat(u16(0x0b), bytes(32));
const qualifiedSigner = qualifiedNameOf(0x40000001, [parentName, nameOf(attestationKey)]);
const nonce = bytes(16);
const values = [bytes(32), bytes(32)];
const pcrs = [0, 7];
const expected: Expected = { attestationKey, qualifiedSigner, nonce, pcrs, previous: null };

const fields = {
  magic: u32(0xff544347),
  type: u16(0x8018),
  signer: sized(qualifiedSigner),
  nonce: sized(nonce),
  clock: number(5000n, 8),
  resets: u32(3),
  restarts: u32(1),
  safe: u8(1),
  firmware: number(1n, 8),
  pcrs: encodePcrs(pcrs),
  digest: sized(pcrDigest(values)),
};

function quoteWith(changes: Partial<typeof fields>, end = new Uint8Array(0)): Quote {
  const statement = concat(...Object.values({ ...fields, ...changes }), end);
  return { statement, signature: encodeSignature(key.sign(statement)), values };
}

function refused(
  t: ExecutionContext,
  reason: QuoteRefusal,
  quote: Quote,
  changes: Partial<Expected> = {},
): void {
  t.deepEqual(verifyQuote(quote, { ...expected, ...changes }), { kind: 'refused', reason });
}

test('a quote that is what was asked for is verified, with its clock', (t) => {
  const verdict = verifyQuote(quoteWith({}), expected);
  if (verdict.kind !== 'verified') return t.fail(verdict.reason);
  t.deepEqual(verdict.quote.clock, { clockMs: 5000n, resetCount: 3, restartCount: 1, safe: true });
  t.deepEqual(verdict.quote.values, values);
  t.is(verdict.quote.since, 'first');
});

test('a statement that is signed but not made by a TPM, or is no quote, is refused', (t) => {
  refused(t, 'statement: not made by a TPM', quoteWith({ magic: u32(0xff544346) }));
  refused(t, 'statement: not a quote', quoteWith({ type: u16(0x8017) }));
  refused(t, 'statement: not a quote', quoteWith({}, Uint8Array.of(0)));
  refused(t, 'statement: not a quote', quoteWith({ digest: new Uint8Array(0) }));
});

test('a signature by another key, or over something else, is refused', (t) => {
  const good = quoteWith({});
  const reason = 'signature: not the attestation key’s';
  const other = operatorKey();
  refused(t, reason, { ...good, signature: encodeSignature(other.sign(good.statement)) });
  refused(t, reason, { ...good, signature: new Uint8Array(0) });
  refused(t, reason, { ...good, statement: quoteWith({ resets: u32(4) }).statement });
});

test('a key that would sign anything is no attestation key', (t) => {
  const reason = 'attestation key: not a restricted P-256 signing key of a TPM';
  const needed = [OBJECT.restricted, OBJECT.sign, OBJECT.fixedTPM, OBJECT.sensitiveDataOrigin];
  const wrong = [
    { ...SIGNING_KEY, point: key.point } as PublicArea,
    ...needed.map((bit) => ({ ...area, attributes: area.attributes & ~bit })),
    { ...area, attributes: area.attributes | OBJECT.decrypt },
  ];
  for (const one of wrong) refused(t, reason, quoteWith({}), { attestationKey: encodePublic(one) });
  refused(t, reason, quoteWith({}), { attestationKey: new Uint8Array(0) });
});

test('another signer, nonce or selection than was asked for is refused', (t) => {
  refused(
    t,
    'signer: another key than the statement names',
    quoteWith({ signer: sized(bytes(34)) }),
  );
  t.is(verifyQuote(quoteWith({}), { ...expected, qualifiedSigner: null }).kind, 'verified');
  for (const wrong of [
    bytes(16),
    nonce.slice(1),
    concat(nonce, Uint8Array.of(0)),
    new Uint8Array(0),
  ]) {
    refused(t, 'nonce: not the one that was asked for', quoteWith({ nonce: sized(wrong) }));
  }
  for (const wrong of [[7], [0, 1], [0, 7, 8], []]) {
    refused(t, 'registers: others than were asked for', quoteWith({ pcrs: encodePcrs(wrong) }));
  }
});

test('values that don’t make the digest are refused', (t) => {
  const reason = 'registers: values that don’t make the digest';
  for (const wrong of [[], values.slice(1), [...values].reverse(), [values[0]!, bytes(32)]]) {
    refused(t, reason, { ...quoteWith({}), values: wrong });
  }
});

test('a clock that went back is refused; reboots and resumes are told', (t) => {
  const now = { resetCount: 3, restartCount: 1, clockMs: 5000n };
  const since = (previous: typeof now): string => {
    const verdict = verifyQuote(quoteWith({}), { ...expected, previous });
    return verdict.kind === 'verified' ? verdict.quote.since : verdict.reason;
  };
  t.is(since(now), 'running');
  t.is(since({ ...now, clockMs: 4999n }), 'running');
  t.is(since({ ...now, restartCount: 0 }), 'resumed');
  t.is(since({ resetCount: 2, restartCount: 9, clockMs: 9000n }), 'rebooted');
  const back = 'clock: behind the last quote';
  t.is(since({ ...now, clockMs: 5001n }), back);
  t.is(since({ ...now, restartCount: 2 }), back);
  t.is(since({ ...now, resetCount: 4 }), back);
});

test('no statement makes the verifier throw', (t) => {
  const good = quoteWith({}).statement;
  for (let at = 0; at < good.length; at++) {
    const statement = good.slice();
    statement[at]! ^= 0xff;
    const signature = encodeSignature(key.sign(statement));
    verifyQuote({ statement, signature, values }, expected);
    const cut = good.slice(0, at);
    const verdict = verifyQuote(
      { statement: cut, signature: encodeSignature(key.sign(cut)), values },
      expected,
    );
    t.is(verdict.kind, 'refused');
  }
});
