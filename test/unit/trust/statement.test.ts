import { p256 as nobleP256 } from '@noble/curves/nist.js';
import test from 'ava';
import { wallTime } from '../../../src/base/time.js';
import { canonicalJson, type Json } from '../../../src/trust/statement/canonicalJson.js';
import {
  readStatement,
  statementBytes,
  type Statement,
} from '../../../src/trust/statement/statement.js';
import {
  CLOCK_SKEW_MS,
  STATEMENT_BYTES_MAX,
  verifyStatement,
} from '../../../src/trust/statement/signedStatement.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { toHex } from '../../../src/base/bytes.js';
import { signatureInput } from '../../../src/identity/identitySignature.js';
import {
  START,
  START_S,
  report,
  revocation,
  sign,
  signer,
  succession,
  trustStatement,
  vouch,
} from '../../support/signers.js';

const ann = signer('ann');
const bob = signer('bob', 'p256');
const cat = signer('cat');

const reasonOf = (text: string, now = START): string => {
  const verdict = verifyStatement(text, now);
  return verdict.kind === 'refused' ? verdict.reason : 'verified';
};

/** The signed text of whatever it is, with a true signature. */
function signedText(by: typeof ann, statement: unknown): string {
  const bytes = Buffer.from(canonicalJson(statement as Json));
  const signature = Buffer.from(by.sign(signatureInput('statement', bytes))).toString('base64url');
  return canonicalJson({ signature, statement: statement as Json });
}

const rotation: Statement = {
  v: 1,
  kind: 'rotation',
  issuer: ann.did,
  issued: START_S,
  expires: START_S + 86_400,
  tunnel: 'wg0',
  key: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  epoch: 7,
};
const membership: Statement = {
  v: 1,
  kind: 'membership',
  issuer: ann.did,
  issued: START_S,
  expires: START_S + 86_400,
  context: 'net',
  addresses: ['10.1.0.1/32', 'fd00::1/128'],
  endpoints: ['192.0.2.1:51820'],
};

test('every kind is read back as it was signed, by Ed25519 and by P-256', (t) => {
  const evidence = [{ kind: 'operator', digest: 'ab'.repeat(32) }] as const;
  const signed = [
    vouch(ann, bob, { level: 0.9, evidence }),
    vouch(bob, ann, { context: '*' }),
    revocation(ann, ann),
    revocation(bob, ann),
    succession(ann, ann, { successor: cat, guardians: [bob, cat], needed: 2 }),
    succession(bob, ann, { successor: cat }),
    report(bob, ann, { positive: 10, negative: 1 }),
    sign(ann, rotation),
    sign(ann, membership),
  ];
  for (const { text, id, statement } of signed) {
    const verdict = verifyStatement(text, START);
    if (verdict.kind === 'refused') return t.fail(`${statement.kind}: ${verdict.reason}`);
    t.deepEqual(verdict.statement.statement, statement);
    t.is(verdict.statement.id, id);
    t.is(id, toHex(sha256.hash(statementBytes(statement))));
  }
  t.is(new Set(signed.map(({ id }) => id)).size, signed.length);
});

test('a statement with any bit of its text changed is refused', (t) => {
  const { text } = vouch(ann, bob);
  for (let at = 0; at < text.length; at++) {
    for (const bit of [1, 4, 32]) {
      const bytes = Buffer.from(text);
      bytes[at]! ^= bit;
      t.not(reasonOf(bytes.toString('latin1')), 'verified', `byte ${at}, bit ${bit}`);
    }
  }
});

test('a signature by another key, or for another purpose, is refused', (t) => {
  const statement = trustStatement(ann, bob);
  t.is(reasonOf(signedText(cat, statement)), 'badSignature');
  const bytes = statementBytes(statement);
  for (const purpose of ['credential', 'handshake', 'succession'] as const) {
    const signature = Buffer.from(ann.sign(signatureInput(purpose, bytes))).toString('base64url');
    t.is(
      reasonOf(canonicalJson({ signature, statement: statement as unknown as Json })),
      'badSignature',
    );
  }
});

test('a malleable signature is refused: the other s of ECDSA, S plus the order of Ed25519', (t) => {
  const byP256 = vouch(bob, ann);
  const order = nobleP256.Point.CURVE().n;
  t.is(reasonOf(withSignature(byP256.text, (s) => order - s, 'big')), 'badSignature');
  const byEd25519 = vouch(ann, bob);
  const l = 2n ** 252n + 27742317777372353535851937790883648493n;
  t.is(reasonOf(withSignature(byEd25519.text, (s) => s + l, 'little')), 'badSignature');
  t.is(reasonOf(withSignature(byEd25519.text, (s) => s, 'little')), 'verified');
});

/** Changes the second half of the signature, read as a number. */
function withSignature(
  text: string,
  change: (s: bigint) => bigint,
  order: 'big' | 'little',
): string {
  const signed = JSON.parse(text) as { signature: string; statement: Json };
  const bytes = Buffer.from(signed.signature, 'base64url');
  const half = Buffer.from(bytes.subarray(32));
  if (order === 'little') half.reverse();
  const changed = Buffer.from(
    change(BigInt(`0x${half.toString('hex')}`))
      .toString(16)
      .padStart(64, '0'),
    'hex',
  );
  if (order === 'little') changed.reverse();
  const signature = Buffer.concat([bytes.subarray(0, 32), changed]).toString('base64url');
  return canonicalJson({ ...signed, signature });
}

test('another spelling of the same signature or text is refused', (t) => {
  const { text } = vouch(ann, bob);
  const { signature, statement } = JSON.parse(text) as { signature: string; statement: Json };
  for (const other of [
    `${signature}==`,
    signature.replaceAll('-', '+').replaceAll('_', '/') + ' ',
    `${signature}A`,
    signature.slice(1),
    '',
    5,
    null,
  ]) {
    t.not(reasonOf(canonicalJson({ signature: other, statement })), 'verified', String(other));
  }
  t.is(reasonOf(`${text}\n`), 'notCanonical');
  t.is(reasonOf(text.replace(':', ': ')), 'notCanonical');
  t.is(reasonOf(canonicalJson({ signature, statement, second: signature })), 'malformed');
});

test('a field missing, added or out of its bounds makes a statement malformed, though it is signed', (t) => {
  const good = trustStatement(ann, bob) as unknown as Record<string, unknown>;
  for (const name of Object.keys(good)) {
    const without = Object.fromEntries(Object.entries(good).filter(([other]) => other !== name));
    t.is(reasonOf(signedText(ann, without)), 'malformed', `without ${name}`);
    t.is(reasonOf(signedText(ann, { ...good, [name]: null })), 'malformed', `${name} null`);
  }
  const bad: Record<string, readonly unknown[]> = {
    v: [0, 2, '1'],
    kind: ['friendship', '', '__proto__', 'constructor'],
    issuer: ['ann', ann.did.slice(0, -1), `${ann.did}1`],
    issued: [-1, 0.5, '1', 1e300],
    expires: [START_S, START_S - 1, START_S + 401 * 86_400],
    subject: [ann.did, 'bob', ''],
    context: ['', 'Net', 'a b', 'x'.repeat(65), '**'],
    level: [-0.1, 1.1, 0.12345, '1', Number.MIN_VALUE],
    evidence: [
      {},
      [{}],
      [{ kind: 'operator' }],
      [{ kind: 'rumour', digest: 'ab'.repeat(32) }],
      [{ kind: 'operator', digest: 'AB'.repeat(32) }],
      [{ kind: 'operator', digest: 'ab' }],
      Array(9).fill({ kind: 'operator', digest: 'ab'.repeat(32) }),
    ],
    extra: [1],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      t.is(
        reasonOf(signedText(ann, { ...good, [name]: value })),
        'malformed',
        `${name} ${JSON.stringify(value)}`,
      );
    }
  }
  for (const value of [null, [], 'x', 5, [good]]) {
    t.is(reasonOf(signedText(ann, value)), 'malformed');
  }
});

test('fields of the other kinds are bounded too', (t) => {
  const bad: readonly [Statement, Record<string, unknown>][] = [
    [rotation, { tunnel: 'a/b' }],
    [rotation, { key: `${'A'.repeat(42)}B` }],
    [rotation, { epoch: -1 }],
    [rotation, { epoch: 2 ** 53 }],
    [membership, { context: '*' }],
    [membership, { endpoints: Array(17).fill('x') }],
    [membership, { addresses: ['10.0.0.0/8 ', 5] }],
    [membership, { endpoints: ['\u001b[2J'] }],
    [report(ann, bob, { positive: 1, negative: 0 }).statement, { subject: ann.did }],
    [report(ann, bob, { positive: 1, negative: 0 }).statement, { positive: 1_000_001 }],
    [report(ann, bob, { positive: 1, negative: 0 }).statement, { negative: 0.5 }],
    [revocation(ann, bob).statement, { reason: 'bored' }],
    [revocation(ann, bob).statement, { expires: START_S + 1 }],
    [succession(ann, ann, { successor: bob }).statement, { successor: ann.did }],
    [succession(ann, ann, { successor: bob }).statement, { needed: 1 }],
    [succession(ann, ann, { guardians: [bob], needed: 1 }).statement, { needed: 0 }],
    [succession(ann, ann, { guardians: [bob], needed: 1 }).statement, { needed: 2 }],
    [
      succession(ann, ann, { guardians: [bob, cat], needed: 1 }).statement,
      { guardians: [bob.did, bob.did] },
    ],
    [succession(ann, ann, { guardians: [bob], needed: 1 }).statement, { guardians: [ann.did] }],
    [succession(bob, ann, { successor: cat }).statement, { successor: null }],
    [succession(bob, ann, { successor: cat }).statement, { guardians: [cat.did], needed: 1 }],
  ];
  for (const [statement, change] of bad) {
    t.not(readStatement(statement as unknown as Json), null, statement.kind);
    t.is(
      readStatement({ ...statement, ...change } as unknown as Json),
      null,
      JSON.stringify(change),
    );
  }
});

test('a statement counts from 300 s before its time until it expires', (t) => {
  const { text } = vouch(ann, bob, { expires: START_S + 60 });
  t.is(reasonOf(text, wallTime(START - CLOCK_SKEW_MS)), 'verified');
  t.is(reasonOf(text, wallTime(START - CLOCK_SKEW_MS - 1)), 'fromTheFuture');
  t.is(reasonOf(text, wallTime(START + 59_999)), 'verified');
  t.is(reasonOf(text, wallTime(START + 60_000)), 'expired');
  t.is(reasonOf(revocation(ann, ann).text, wallTime(START + 1e12)), 'verified');
});

test('a text past its limit is refused before it is read', (t) => {
  t.is(reasonOf('['.repeat(STATEMENT_BYTES_MAX + 1)), 'tooLong');
  t.is(reasonOf('€'.repeat(STATEMENT_BYTES_MAX / 2)), 'tooLong');
});

test('signing what is no statement is a bug, not a refusal', (t) => {
  t.throws(() => sign(ann, { ...trustStatement(ann, bob), level: 2 }));
  t.throws(() => sign(cat, trustStatement(ann, bob)));
});
