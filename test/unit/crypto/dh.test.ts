import test from 'ava';
import { clampX25519, x25519, x448 } from '../../../src/crypto/dh.js';
import { LOW_ORDER_POINTS } from '../../support/lowOrderPoints.js';
import { seededEntropy } from '../../support/seededEntropy.js';

test('X25519 refuses the seven low-order points, with and without the ignored top bit', (t) => {
  const privateKey = x25519.generate(seededEntropy('low order'));
  t.is(LOW_ORDER_POINTS.length, 7);
  for (const point of LOW_ORDER_POINTS) {
    t.is(x25519.agree(privateKey, point), null);
    const topBitSet = point.slice();
    topBitSet[31]! |= 0x80;
    t.is(x25519.agree(privateKey, topBitSet), null);
  }
});

test('X448 refuses low-order points', (t) => {
  const privateKey = x448.generate(seededEntropy('low order'));
  const zero = new Uint8Array(56);
  const one = Uint8Array.from({ length: 56 }, (_, i) => (i === 0 ? 1 : 0));
  for (const point of [zero, one]) t.is(x448.agree(privateKey, point), null);
});

test('both sides of an agreement get the same secret', (t) => {
  for (const dh of [x25519, x448]) {
    const entropy = seededEntropy(dh.name);
    const [a, b] = [dh.generate(entropy), dh.generate(entropy)];
    const shared = dh.agree(a, dh.publicKey(b));
    t.is(shared!.length, dh.keyBytes);
    t.deepEqual(shared, dh.agree(b, dh.publicKey(a)));
  }
});

test('clamping sets the bits that RFC 7748 names, and clamped keys agree as unclamped do', (t) => {
  const clamped = clampX25519(new Uint8Array(32).fill(0xff));
  t.is(clamped[0], 0xf8);
  t.is(clamped[31], 0x7f);
  t.is(clampX25519(new Uint8Array(32))[31], 0x40);
  const raw = seededEntropy('clamp')(32);
  t.deepEqual(x25519.publicKey(raw), x25519.publicKey(clampX25519(raw.slice())));
});

test('keys of the wrong size are a bug', (t) => {
  t.throws(() => x25519.agree(new Uint8Array(31), new Uint8Array(32)));
  t.throws(() => x25519.agree(new Uint8Array(32), new Uint8Array(33)));
  t.throws(() => x448.agree(new Uint8Array(56), new Uint8Array(32)));
  t.throws(() => clampX25519(new Uint8Array(33)));
});
