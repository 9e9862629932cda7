import test from 'ava';
import { copyToLocked, lockedSecret, moveToLocked } from '../../../src/crypto/lockedMemory.js';

test('a slice of a locked secret is a copy, which outlives it', (t) => {
  const secret = copyToLocked(Uint8Array.of(1, 2, 3));
  const copy = secret.expose().slice();
  secret.destroy();
  t.deepEqual(copy, Uint8Array.of(1, 2, 3));
});

test('moving zeroes the source, copying does not', (t) => {
  const source = Uint8Array.of(1, 2, 3);
  t.deepEqual(copyToLocked(source).expose(), source);
  t.deepEqual(moveToLocked(source).expose(), Uint8Array.of(1, 2, 3));
  t.deepEqual(source, new Uint8Array(3));
});

test('a locked secret has its length, also none', (t) => {
  t.is(lockedSecret(33).expose().length, 33);
  t.is(lockedSecret(0).byteLength, 0);
});
