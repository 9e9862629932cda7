// The vectors printed in RFC 5869, RFC 7748, RFC 8439 and RFC 9106.
import { argon2d, argon2i, argon2id } from '@noble/hashes/argon2.js';
import { concat, toHex } from '../../src/base/bytes.js';
import { chacha20Poly1305, TAG_BYTES } from '../../src/crypto/aead.js';
import { x25519 } from '../../src/crypto/dh.js';
import { sha256 } from '../../src/crypto/hash.js';
import { hkdfExpand, hkdfExtract } from '../../src/crypto/hkdf.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

vectorTest('HKDF: RFC 5869 A.1 to A.3', ['rfc/rfc5869-hkdf.json'], (t, [file]) => {
  const { vectors } = parseVector(file) as {
    vectors: {
      case: string;
      ikm: string;
      salt: string;
      info: string;
      L: number;
      prk: string;
      okm: string;
    }[];
  };
  t.is(vectors.length, 3);
  for (const vector of vectors) {
    const key = hkdfExtract(sha256, hex(vector.salt), hex(vector.ikm));
    t.is(toHex(key), vector.prk, vector.case);
    const info = hex(vector.info);
    t.is(toHex(hkdfExpand(sha256, { key, info, byteLength: vector.L })), vector.okm, vector.case);
  }
});

interface X25519Vectors {
  readonly vectors: readonly { scalar: string; u: string; out: string }[];
  readonly iterated: { start_k_and_u: string; after_1: string; after_1000: string };
  readonly diffie_hellman: Record<
    'alice_private' | 'alice_public' | 'bob_private' | 'bob_public' | 'shared',
    string
  >;
}

vectorTest('X25519: RFC 7748 5.2 and 6.1', ['rfc/rfc7748-x25519.json'], (t, [file]) => {
  const { vectors, iterated, diffie_hellman: dh } = parseVector(file) as X25519Vectors;
  for (const { scalar, u, out } of vectors) {
    t.is(toHex(x25519.agree(hex(scalar), hex(u))!), out);
  }
  let k = hex(iterated.start_k_and_u);
  let u = k;
  for (let i = 1; i <= 1000; i++) {
    [k, u] = [x25519.agree(k, u)!, k];
    if (i === 1) t.is(toHex(k), iterated.after_1);
  }
  t.is(toHex(k), iterated.after_1000);
  t.is(toHex(x25519.publicKey(hex(dh.alice_private))), dh.alice_public);
  t.is(toHex(x25519.publicKey(hex(dh.bob_private))), dh.bob_public);
  t.is(toHex(x25519.agree(hex(dh.alice_private), hex(dh.bob_public))!), dh.shared);
  t.is(toHex(x25519.agree(hex(dh.bob_private), hex(dh.alice_public))!), dh.shared);
});

interface AeadVector {
  readonly key: string;
  readonly nonce: string;
  readonly aad: string;
  readonly plaintext: string;
}

vectorTest(
  'ChaCha20-Poly1305: RFC 8439 2.8.2 and A.5',
  ['rfc/rfc8439-chacha20poly1305.json'],
  (t, [file]) => {
    const parsed = parseVector(file) as {
      vectors: (AeadVector & { ciphertext: string; tag: string })[];
      'A.5': AeadVector & { ciphertext_and_tag: string };
    };
    const a5 = { ...parsed['A.5'], ciphertext: parsed['A.5'].ciphertext_and_tag, tag: '' };
    for (const vector of [...parsed.vectors, a5]) {
      const input = { key: hex(vector.key), nonce: hex(vector.nonce), associated: hex(vector.aad) };
      const sealed = new Uint8Array(hex(vector.plaintext).length + TAG_BYTES);
      chacha20Poly1305.seal(sealed, hex(vector.plaintext), input);
      t.deepEqual(sealed, concat(hex(vector.ciphertext), hex(vector.tag)));
    }
  },
);

interface Argon2Vector {
  readonly type: string;
  readonly m_KiB: number;
  readonly t: number;
  readonly p: number;
  readonly password: string;
  readonly salt: string;
  readonly secret: string;
  readonly associated_data: string;
  readonly tag: string;
}

// libsodium, which Beam uses, has neither lanes nor a secret: the RFC's vectors check its twin, which
// test/unit/keyStore/keySlots.test.ts holds it against.
vectorTest('Argon2: RFC 9106 section 5', ['rfc/rfc9106-argon2.json'], (t, [file]) => {
  const { vectors } = parseVector(file) as { vectors: readonly Argon2Vector[] };
  t.deepEqual(
    vectors.map(({ type }) => type),
    ['argon2d', 'argon2i', 'argon2id'],
  );
  const functions = { argon2d, argon2i, argon2id };
  for (const vector of vectors) {
    const argon2 = functions[vector.type as keyof typeof functions];
    const tag = argon2(hex(vector.password), hex(vector.salt), {
      t: vector.t,
      m: vector.m_KiB,
      p: vector.p,
      key: hex(vector.secret),
      personalization: hex(vector.associated_data),
      dkLen: 32,
    });
    t.is(toHex(tag), vector.tag, vector.type);
  }
});
