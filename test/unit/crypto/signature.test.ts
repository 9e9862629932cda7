import test from 'ava';
import { ed25519, ed25519PublicKey, signEd25519 } from '../../../src/crypto/signature.js';

test('signing very often in one turn of the event loop needs no more guarded memory', (t) => {
  const seed = new Uint8Array(32).fill(7);
  const message = new Uint8Array([1, 2, 3]);
  const first = signEd25519(seed, message);
  // With guarded memory for each, the system refuses more after some 16,000 and the process aborts.
  for (let i = 0; i < 25_000; i++) signEd25519(seed, message);
  t.deepEqual(signEd25519(seed, message), first);
  t.true(ed25519.verify(ed25519PublicKey(seed), message, first));
});
