// ML-KEM-768 against NIST's ACVP and Project Wycheproof, the malformed keys and ciphertexts included:
// noble's, and Node's own where this Node has it.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { concat, toHex } from '../../src/base/bytes.js';
import type { Kem } from '../../src/crypto/kem.js';
import { nativeMlKem768, nobleMlKem768 } from '../../src/crypto/mlKem.js';
import { seededEntropy } from '../support/seededEntropy.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

const native = nativeMlKem768();
const KEMS: readonly (readonly [string, Kem])[] = [
  ['noble', nobleMlKem768],
  ...(native === null ? [] : [['native', native] as const]),
];

interface AcvpFile {
  readonly testGroups: readonly {
    readonly parameterSet: string;
    readonly function?: string;
    readonly keyFormat?: string;
    readonly tests: readonly AcvpTest[];
  }[];
}
interface AcvpTest {
  readonly tcId: number;
  readonly testPassed?: boolean;
  readonly d: string;
  readonly z: string;
  readonly ek: string;
  readonly dk: string;
  readonly c: string;
  readonly k: string;
  readonly m: string;
}

const KEYGEN = 'acvp/ML-KEM-keyGen-FIPS203.768-1024.json';
const ENCAP_DECAP = 'acvp/ML-KEM-encapDecap-FIPS203.768-1024.json';
const ENCAP_DECAP_TR1 = 'acvp/ML-KEM-encapDecap-FIPS203-tr1.768-1024.json';

/** The groups of ML-KEM-768, of one function where the file has several. */
const groupsOf = (file: Buffer | undefined, name?: string): AcvpFile['testGroups'] =>
  (parseVector(file) as AcvpFile).testGroups.filter(
    (group) => group.parameterSet === 'ML-KEM-768' && group.function === name,
  );

const testsOf = (file: Buffer | undefined, name?: string): AcvpTest[] =>
  groupsOf(file, name).flatMap((group) => group.tests);

vectorTest('keys are ACVP’s', [KEYGEN], (t, [file]) => {
  const tests = testsOf(file);
  t.is(tests.length, 25);
  for (const { d, z, ek, dk, tcId } of tests) {
    for (const [name, kem] of KEMS) {
      const made = kem.keygen(() => hex(d + z));
      t.is(toHex(made.publicKey), ek.toLowerCase(), `${name} ${tcId}`);
    }
    t.is(toHex(nobleMlKem768.keygen(() => hex(d + z)).secretKey), dk.toLowerCase(), `${tcId}`);
  }
});

vectorTest('ciphertexts are ACVP’s', [ENCAP_DECAP, ENCAP_DECAP_TR1], (t, files) => {
  const tests = files.flatMap((file) => testsOf(file, 'encapsulation'));
  t.is(tests.length, 50);
  for (const { ek, m, c, k, tcId } of tests) {
    const made = nobleMlKem768.encapsulate(hex(ek), () => hex(m));
    t.is(made && toHex(made.ciphertext), c.toLowerCase(), `${tcId}`);
    t.is(made && toHex(made.sharedSecret), k.toLowerCase(), `${tcId}`);
  }
});

vectorTest(
  'a changed ciphertext gives ACVP’s rejection',
  [ENCAP_DECAP, ENCAP_DECAP_TR1],
  (t, files) => {
    const groups = files.flatMap((file) => groupsOf(file, 'decapsulation'));
    t.is(groups.flatMap((group) => group.tests).length, 30);
    for (const { tests, keyFormat } of groups) {
      for (const { dk, d, z, c, k, tcId } of tests) {
        const secret = nobleMlKem768.decapsulate(hex(c), hex(dk));
        t.is(secret && toHex(secret), k.toLowerCase(), `${tcId}`);
        if (keyFormat !== 'seed') continue;
        const seeded = native?.decapsulate(hex(c), hex(d + z)) ?? secret;
        t.is(seeded && toHex(seeded), k.toLowerCase(), `${tcId}`);
      }
    }
  },
);

vectorTest('ACVP’s key checks are made', [ENCAP_DECAP, ENCAP_DECAP_TR1], (t, files) => {
  const publicKeys = files.flatMap((file) => testsOf(file, 'encapsulationKeyCheck'));
  const secretKeys = files.flatMap((file) => testsOf(file, 'decapsulationKeyCheck'));
  t.is(publicKeys.length + secretKeys.length, 40);
  for (const { ek, testPassed, tcId } of publicKeys) {
    const made = nobleMlKem768.encapsulate(hex(ek), seededEntropy('check'));
    t.is(made !== null, testPassed === true, `${tcId}`);
  }
  const ciphertext = new Uint8Array(nobleMlKem768.ciphertextBytes);
  for (const { dk, testPassed, tcId } of secretKeys) {
    t.is(nobleMlKem768.decapsulate(ciphertext, hex(dk)) !== null, testPassed === true, `${tcId}`);
  }
});

interface WycheproofFile {
  readonly numberOfTests: number;
  readonly testGroups: readonly { readonly tests: readonly WycheproofTest[] }[];
}
interface WycheproofTest {
  readonly tcId: number;
  readonly comment?: string;
  readonly result: 'valid' | 'invalid';
  readonly seed: string;
  readonly m: string;
  readonly ek: string;
  readonly dk: string;
  readonly c: string;
  readonly K: string;
}

function wycheproofTests(t: ExecutionContext, file: Buffer | undefined): WycheproofTest[] {
  const { numberOfTests, testGroups } = parseVector(file) as WycheproofFile;
  const tests = testGroups.flatMap((group) => group.tests);
  t.is(tests.length, numberOfTests);
  return tests;
}

const ENCAPS = 'wycheproof/mlkem_768_encaps_test.json';
vectorTest('encapsulation passes Wycheproof', [ENCAPS], (t, [file]) => {
  for (const vector of wycheproofTests(t, file)) {
    const place = `tcId ${vector.tcId}: ${vector.comment ?? ''}`;
    const made = nobleMlKem768.encapsulate(hex(vector.ek), () => hex(vector.m));
    t.is(made !== null, vector.result === 'valid', place);
    if (made === null) continue;
    t.is(toHex(made.ciphertext), vector.c, place);
    t.is(toHex(made.sharedSecret), vector.K, place);
  }
});

const FROM_SEED = 'wycheproof/mlkem_768_test.json';
vectorTest('decapsulation from a seed passes Wycheproof', [FROM_SEED], (t, [file]) => {
  for (const vector of wycheproofTests(t, file)) {
    // Our seeds come from ourselves and always have 64 bytes.
    if (vector.seed.length !== 128) continue;
    for (const [name, kem] of KEMS) {
      const place = `${name} tcId ${vector.tcId}: ${vector.comment ?? ''}`;
      const { publicKey, secretKey } = kem.keygen(() => hex(vector.seed));
      const secret = kem.decapsulate(hex(vector.c), secretKey);
      t.is(secret !== null, vector.result === 'valid', place);
      if (secret === null) continue;
      t.is(toHex(publicKey), vector.ek, place);
      t.is(toHex(secret), vector.K, place);
    }
  }
});

const EXPANDED = 'wycheproof/mlkem_768_semi_expanded_decaps_test.json';
vectorTest('decapsulation by an expanded key passes Wycheproof', [EXPANDED], (t, [file]) => {
  for (const { tcId, comment, dk, c, K, result } of wycheproofTests(t, file)) {
    const secret = nobleMlKem768.decapsulate(hex(c), hex(dk));
    t.is(secret && toHex(secret), result === 'valid' ? K : null, `tcId ${tcId}: ${comment ?? ''}`);
  }
});

const SEEDS = 'wycheproof/mlkem_768_keygen_seed_test.json';
vectorTest('key generation passes Wycheproof', [SEEDS], (t, [file]) => {
  for (const { tcId, seed, ek, dk } of wycheproofTests(t, file)) {
    for (const [name, kem] of KEMS) {
      t.is(toHex(kem.keygen(() => hex(seed)).publicKey), ek, `${name} tcId ${tcId}`);
    }
    t.is(toHex(nobleMlKem768.keygen(() => hex(seed)).secretKey), dk, `tcId ${tcId}`);
  }
});

test('Node’s own and noble’s agree on keys and secrets, valid and changed', (t) => {
  if (native === null) {
    t.log(`Node ${process.version} has no ML-KEM`);
    t.pass();
    return;
  }
  const entropy = seededEntropy('both');
  for (let round = 0; round < 50; round++) {
    const seed = entropy(64);
    const [a, b] = [nobleMlKem768, native].map((kem) => kem.keygen(() => seed.slice()));
    t.deepEqual(a!.publicKey, b!.publicKey);
    const { ciphertext } = nobleMlKem768.encapsulate(a!.publicKey, entropy)!;
    ciphertext[round]! ^= round % 2;
    t.deepEqual(
      nobleMlKem768.decapsulate(ciphertext, a!.secretKey),
      native.decapsulate(ciphertext, b!.secretKey),
    );
  }
});

test('keys and ciphertexts of another size are refused', (t) => {
  const entropy = seededEntropy('sizes');
  for (const [name, kem] of KEMS) {
    const { publicKey, secretKey } = kem.keygen(entropy);
    const { ciphertext } = kem.encapsulate(publicKey, entropy)!;
    for (const wrong of [
      new Uint8Array(0),
      publicKey.subarray(1),
      concat(publicKey, Uint8Array.of(0)),
    ]) {
      t.is(kem.encapsulate(wrong, entropy), null, name);
    }
    for (const wrong of [ciphertext.subarray(1), concat(ciphertext, Uint8Array.of(0))]) {
      t.is(kem.decapsulate(wrong, secretKey), null, name);
    }
  }
});
