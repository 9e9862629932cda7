// Project Wycheproof's edge cases, through every function of ours that they are about.
import type { ExecutionContext } from 'ava';
import { concat, toHex } from '../../src/base/bytes.js';
import type { Aead } from '../../src/crypto/aead.js';
import {
  aes256Gcm,
  chacha20Poly1305,
  TAG_BYTES,
  xchacha20Poly1305,
} from '../../src/crypto/aead.js';
import { x25519 } from '../../src/crypto/dh.js';
import { sha256 } from '../../src/crypto/hash.js';
import { hkdfExpand, hkdfExtract } from '../../src/crypto/hkdf.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

interface Suite<Group> {
  readonly numberOfTests: number;
  readonly testGroups: readonly Group[];
}
interface Outcome {
  readonly tcId: number;
  readonly comment: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly flags: readonly string[];
}

interface AeadGroup {
  /** Bits. */
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly (Outcome & {
    readonly key: string;
    readonly iv: string;
    readonly aad: string;
    readonly msg: string;
    readonly ct: string;
    readonly tag: string;
  })[];
}

/** Our interface fixes the sizes of key, nonce and tag: other groups are not about us. */
function checkAead(t: ExecutionContext, aead: Aead, file: Buffer | undefined): void {
  const { testGroups } = parseVector(file) as Suite<AeadGroup>;
  const ours = testGroups.filter(
    ({ ivSize, keySize, tagSize }) =>
      ivSize === aead.nonceBytes * 8 && keySize === 256 && tagSize === TAG_BYTES * 8,
  );
  const tests = ours.flatMap((group) => group.tests);
  t.true(tests.some(({ result }) => result === 'valid'));
  t.true(tests.some(({ result }) => result === 'invalid'));
  for (const vector of tests) {
    const place = `tcId ${vector.tcId}: ${vector.comment}`;
    const input = { key: hex(vector.key), nonce: hex(vector.iv), associated: hex(vector.aad) };
    const sealed = concat(hex(vector.ct), hex(vector.tag));
    const opened = new Uint8Array(sealed.length - TAG_BYTES);
    t.is(aead.open(opened, sealed, input), vector.result === 'valid', place);
    if (vector.result !== 'valid') continue;
    t.is(toHex(opened), vector.msg, place);
    const resealed = new Uint8Array(sealed.length);
    aead.seal(resealed, hex(vector.msg), input);
    t.deepEqual(resealed, sealed, place);
  }
  t.log(`${tests.length} vectors`);
}

vectorTest(
  'ChaCha20-Poly1305 passes Wycheproof',
  ['wycheproof/chacha20_poly1305_test.json'],
  (t, [file]) => checkAead(t, chacha20Poly1305, file),
);

vectorTest(
  'XChaCha20-Poly1305 passes Wycheproof',
  ['wycheproof/xchacha20_poly1305_test.json'],
  (t, [file]) => checkAead(t, xchacha20Poly1305, file),
);

vectorTest('AES-256-GCM passes Wycheproof', ['wycheproof/aes_gcm_test.json'], (t, [file]) =>
  checkAead(t, aes256Gcm, file),
);

vectorTest('X25519 passes Wycheproof', ['wycheproof/x25519_test.json'], (t, [file]) => {
  const suite = parseVector(file) as Suite<{
    readonly tests: readonly (Outcome & { public: string; private: string; shared: string })[];
  }>;
  const tests = suite.testGroups.flatMap((group) => group.tests);
  t.is(tests.length, suite.numberOfTests);
  for (const vector of tests) {
    // `acceptable` are inputs that a protocol may refuse. We refuse zero results and nothing else.
    const refused = vector.flags.includes('ZeroSharedSecret');
    const shared = x25519.agree(hex(vector.private), hex(vector.public));
    t.is(shared && toHex(shared), refused ? null : vector.shared, `tcId ${vector.tcId}`);
  }
});

vectorTest('HMAC-SHA256 passes Wycheproof', ['wycheproof/hmac_sha256_test.json'], (t, [file]) => {
  const suite = parseVector(file) as Suite<{
    readonly tagSize: number;
    readonly tests: readonly (Outcome & { key: string; msg: string; tag: string })[];
  }>;
  for (const { tagSize, tests } of suite.testGroups) {
    for (const vector of tests) {
      const tag = toHex(sha256.hmac(hex(vector.key), hex(vector.msg)).subarray(0, tagSize / 8));
      t.is(tag === vector.tag, vector.result === 'valid', `tcId ${vector.tcId}`);
    }
  }
});

vectorTest('HKDF-SHA256 passes Wycheproof', ['wycheproof/hkdf_sha256_test.json'], (t, [file]) => {
  const suite = parseVector(file) as Suite<{
    readonly tests: readonly (Outcome & {
      ikm: string;
      salt: string;
      info: string;
      size: number;
      okm: string;
    })[];
  }>;
  for (const vector of suite.testGroups.flatMap((group) => group.tests)) {
    const key = hkdfExtract(sha256, hex(vector.salt), hex(vector.ikm));
    const expand = (): Uint8Array =>
      hkdfExpand(sha256, { key, info: hex(vector.info), byteLength: vector.size });
    if (vector.flags.includes('SizeTooLarge')) t.throws(expand);
    else t.is(toHex(expand()), vector.okm, `tcId ${vector.tcId}`);
  }
});
