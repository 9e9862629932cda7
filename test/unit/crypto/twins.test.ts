// Every fast primitive against its readable twin in @noble, over random inputs.
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 as nobleX25519 } from '@noble/curves/ed25519.js';
import { blake2b as nobleBlake2b, blake2s as nobleBlake2s } from '@noble/hashes/blake2.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import test from 'ava';
import fc from 'fast-check';
import { concat } from '../../../src/base/bytes.js';
import type { Aead } from '../../../src/crypto/aead.js';
import {
  aes256Gcm,
  chacha20Poly1305,
  TAG_BYTES,
  xchacha20Poly1305,
} from '../../../src/crypto/aead.js';
import { x25519 } from '../../../src/crypto/dh.js';
import type { HashFunction } from '../../../src/crypto/hash.js';
import { blake2b, blake2s, sha256, sha512 } from '../../../src/crypto/hash.js';
import { hkdfExpand, hkdfExtract, kdf2, kdf3 } from '../../../src/crypto/hkdf.js';
import { keyedBlake2s } from '../../../src/crypto/mac.js';

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const message = fc.uint8Array({ maxLength: 300 });

interface NobleCipher {
  encrypt(plaintext: Uint8Array): Uint8Array;
}

const AEADS: readonly {
  readonly name: string;
  readonly aead: Aead;
  readonly twin: (key: Uint8Array, nonce: Uint8Array, associated: Uint8Array) => NobleCipher;
}[] = [
  { name: 'chacha20Poly1305', aead: chacha20Poly1305, twin: chacha20poly1305 },
  { name: 'xchacha20Poly1305', aead: xchacha20Poly1305, twin: xchacha20poly1305 },
  { name: 'aes256Gcm', aead: aes256Gcm, twin: gcm },
];

for (const { name, aead, twin } of AEADS) {
  test(`${name} seals as its twin, opens it again, and refuses any changed bit`, (t) => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(aead.nonceBytes),
        message,
        message,
        fc.nat(),
        (key, nonce, associated, plaintext, bit) => {
          const input = { key, nonce, associated };
          const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
          aead.seal(sealed, plaintext, input);
          const expected = twin(key, nonce, associated).encrypt(plaintext);
          if (Buffer.compare(sealed, expected) !== 0) return false;

          const opened = new Uint8Array(plaintext.length);
          if (!aead.open(opened, sealed, input)) return false;
          if (Buffer.compare(opened, plaintext) !== 0) return false;

          const at = bit % (sealed.length * 8);
          sealed[at >> 3]! ^= 1 << (at & 7);
          return !aead.open(new Uint8Array(plaintext.length), sealed, input);
        },
      ),
      { numRuns: 200 },
    );
    t.pass();
  });

  test(`${name} seals and opens in place`, (t) => {
    const input = {
      key: new Uint8Array(32).fill(7),
      nonce: new Uint8Array(aead.nonceBytes).fill(9),
      associated: null,
    };
    const plaintext = Uint8Array.from({ length: 1420 }, (_, i) => i);
    const apart = new Uint8Array(plaintext.length + TAG_BYTES);
    aead.seal(apart, plaintext, input);

    const buffer = concat(plaintext, new Uint8Array(TAG_BYTES));
    aead.seal(buffer, buffer.subarray(0, plaintext.length), input);
    t.deepEqual(buffer, apart);
    t.true(aead.open(buffer.subarray(0, plaintext.length), buffer, input));
    t.deepEqual(buffer.subarray(0, plaintext.length), plaintext);
  });

  test(`${name} leaves no plaintext behind when it refuses`, (t) => {
    const input = {
      key: new Uint8Array(32),
      nonce: new Uint8Array(aead.nonceBytes),
      associated: null,
    };
    const sealed = new Uint8Array(64 + TAG_BYTES);
    aead.seal(sealed, new Uint8Array(64).fill(0x41), input);
    sealed[70]! ^= 1;
    const target = new Uint8Array(64);
    t.false(aead.open(target, sealed, input));
    t.false(target.includes(0x41));
  });

  test(`${name} calls a target of the wrong size a bug`, (t) => {
    const input = {
      key: new Uint8Array(32),
      nonce: new Uint8Array(aead.nonceBytes),
      associated: null,
    };
    t.throws(() => aead.seal(new Uint8Array(15), new Uint8Array(0), input));
    t.throws(() => aead.open(new Uint8Array(1), new Uint8Array(16), input));
    t.throws(() => aead.open(new Uint8Array(0), new Uint8Array(15), input));
  });
}

const HASHES = [
  { ours: blake2s, twin: nobleBlake2s },
  { ours: blake2b, twin: nobleBlake2b },
  { ours: sha256, twin: nobleSha256 },
  { ours: sha512, twin: nobleSha512 },
] as const;

for (const { ours, twin } of HASHES) {
  test(`${ours.name} and its HMAC and HKDF give what their twins give`, (t) => {
    fc.assert(
      fc.property(message, message, message, (key, first, second) => {
        t.deepEqual(ours.hash(first, second), twin(concat(first, second)));
        t.deepEqual(ours.hmac(key, first, second), hmac(twin, key, concat(first, second)));
        const extracted = hkdfExtract(ours, key, first);
        const input = { key: extracted, info: second, byteLength: 100 };
        t.deepEqual(hkdfExpand(ours, input), hkdf(twin, first, key, second, 100));
      }),
      { numRuns: 50 },
    );
  });

  test(`KDF2 and KDF3 over ${ours.name} are HKDF with an empty info`, (t) => {
    const [chainingKey, input] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    const expanded = expandAll(ours, chainingKey, input);
    t.deepEqual(concat(...kdf3(ours, chainingKey, input)), expanded);
    t.deepEqual(
      concat(...kdf2(ours, chainingKey, input)),
      expanded.subarray(0, 2 * ours.hashBytes),
    );
  });
}

function expandAll(hash: HashFunction, chainingKey: Uint8Array, input: Uint8Array): Uint8Array {
  const key = hkdfExtract(hash, chainingKey, input);
  return hkdfExpand(hash, { key, info: new Uint8Array(0), byteLength: 3 * hash.hashBytes });
}

test('keyed BLAKE2s takes keys of a cookie and of a hash, and gives 16 bytes', (t) => {
  for (const keyBytes of [16, 32]) {
    const key = new Uint8Array(keyBytes).fill(3);
    const mac = keyedBlake2s(key, Uint8Array.of(1, 2, 3));
    t.is(mac.length, 16);
    t.deepEqual(mac, nobleBlake2s(Uint8Array.of(1, 2, 3), { key, dkLen: 16 }));
  }
});

test('X25519 gives what its twin gives', (t) => {
  fc.assert(
    fc.property(bytes(32), bytes(32), (privateKey, seed) => {
      const publicKey = nobleX25519.getPublicKey(seed);
      t.deepEqual(x25519.publicKey(privateKey), nobleX25519.getPublicKey(privateKey));
      t.deepEqual(
        x25519.agree(privateKey, publicKey),
        nobleX25519.getSharedSecret(privateKey, publicKey),
      );
    }),
    { numRuns: 50 },
  );
});
