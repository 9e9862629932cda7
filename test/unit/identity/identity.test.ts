import test from 'ava';
import { fromBase58, toBase58 } from '../../../src/base/base58.js';
import { concat } from '../../../src/base/bytes.js';
import { compressP256, ed25519PublicKey } from '../../../src/crypto/signature.js';
import { p256 } from '@noble/curves/nist.js';
import {
  fingerprint,
  identityOf,
  matchesFingerprint,
  parseDid,
} from '../../../src/identity/identity.js';

const key = ed25519PublicKey(new Uint8Array(32).fill(7));
const identity = identityOf('ed25519', key)!;
const point = p256.getPublicKey(new Uint8Array(32).fill(7), true);

test('base58 keeps leading zeros and refuses other characters', (t) => {
  for (const bytes of [[], [0], [0, 0, 1], [255, 255], [0, 57], [58]]) {
    t.deepEqual(fromBase58(toBase58(Uint8Array.from(bytes))), Uint8Array.from(bytes));
  }
  t.is(toBase58(new TextEncoder().encode('hello world')), 'StV1DL6CwTryKyV');
  for (const text of ['0', 'O', 'I', 'l', 'ab c', 'é', '-']) t.is(fromBase58(text), null, text);
});

test('a did:key and its identity name each other', (t) => {
  t.deepEqual(parseDid(identity.did), identity);
  const hardware = identityOf('p256', point)!;
  t.true(hardware.did.startsWith('did:key:zDn'));
  t.deepEqual(parseDid(hardware.did), hardware);
});

test('refuses what is no did:key of the two kinds', (t) => {
  const encode = (...bytes: number[]): string =>
    `did:key:z${toBase58(concat(Uint8Array.from(bytes), key))}`;
  const bad = [
    '',
    'did:key:',
    'did:key:z',
    'did:web:example.org',
    identity.did.slice(0, -1),
    `${identity.did}1`,
    ` ${identity.did}`,
    `${identity.did}#key-1`,
    identity.did.replace('did:key:z', 'did:key:z1'),
    identity.did.replace('did:key:z', 'did:key:u'),
    identity.did.toUpperCase(),
    encode(0xec, 0x01),
    encode(0xed, 0x81, 0x00),
    encode(0x80, 0x24),
    encode(0xed, 0x01, 0x00),
    `did:key:z${'1'.repeat(100_000)}`,
  ];
  for (const text of bad) t.is(parseDid(text), null, text.slice(0, 80));
});

test('refuses keys that are no points, not canonical or of small order', (t) => {
  const small = ['00', '01', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'];
  for (const text of small) {
    t.is(
      identityOf('ed25519', new Uint8Array(Buffer.from(text.padEnd(64, '0'), 'hex'))),
      null,
      text,
    );
  }
  // y = p + 3 and y = 2: not canonical, and not on the curve.
  const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
  t.is(
    identityOf('ed25519', hex('f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f')),
    null,
  );
  t.is(identityOf('ed25519', hex(`02${'00'.repeat(31)}`)), null);
  t.is(identityOf('ed25519', key.subarray(1)), null);
  t.is(identityOf('p256', concat(Uint8Array.of(4), point.subarray(1))), null);
  t.is(identityOf('p256', hex(`02${'ff'.repeat(32)}`)), null);
  t.is(identityOf('p256', p256.getPublicKey(new Uint8Array(32).fill(7), false)), null);
  t.is(identityOf('p256', new Uint8Array(1)), null);
});

test('an identity keeps its own copy of the key', (t) => {
  for (const bytes of [key.slice(), Buffer.from(key)]) {
    const own = identityOf('ed25519', bytes)!;
    bytes.fill(0);
    t.deepEqual(own.publicKey, key);
  }
});

test('an uncompressed point is compressed, and nothing else is', (t) => {
  const long = p256.getPublicKey(new Uint8Array(32).fill(7), false);
  t.deepEqual(compressP256(long), point);
  const off = long.slice();
  off[64]! ^= 1;
  t.is(compressP256(off), null);
  t.is(compressP256(point), null);
});

test('a fingerprint has five groups, differs between keys, and is compared as people type', (t) => {
  const print = fingerprint(identity);
  t.regex(print, /^([0-9a-hjkmnp-tv-z]{4}-){4}[0-9a-hjkmnp-tv-z]{4}$/);
  t.not(print, fingerprint(identityOf('p256', point)!));
  t.true(matchesFingerprint(identity, print));
  t.true(matchesFingerprint(identity, print.toUpperCase().replaceAll('-', ' ')));
  t.true(matchesFingerprint(identity, print.replaceAll('0', 'O').replaceAll('1', 'l')));
  t.false(matchesFingerprint(identity, print.slice(0, -1)));
  t.false(matchesFingerprint(identity, ''));
  const zero = parseDid('did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp')!;
  t.is(fingerprint(zero), 'j9gf-cygk-73zp-4zvz-wgb2', 'as SPEC.md 10.3 computes it');
});
