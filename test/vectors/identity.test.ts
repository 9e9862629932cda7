// did:key names, Ed25519 and ECDSA P-256, through what verifies identities.
import { toHex } from '../../src/base/bytes.js';
import {
  compressP256,
  ed25519,
  ed25519PublicKey,
  p256,
  toLowS,
} from '../../src/crypto/signature.js';
import { identityOf, parseDid } from '../../src/identity/identity.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

interface DidVectors {
  readonly [did: string]: {
    readonly seed?: string;
    readonly verificationMethod?: { readonly publicKeyJwk?: Jwk };
    readonly verificationKeyPair?: { readonly publicKeyJwk?: Jwk };
  };
}
interface Jwk {
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
}

vectorTest('did:key of Ed25519 seeds (W3C CCG)', ['did-key/ed25519-x25519.json'], (t, [file]) => {
  const vectors = Object.entries(parseVector(file) as DidVectors);
  t.is(vectors.length, 5);
  for (const [did, { seed }] of vectors) {
    const identity = identityOf('ed25519', ed25519PublicKey(hex(seed!)));
    t.is(identity?.did, did);
    t.deepEqual(parseDid(did), identity);
  }
});

vectorTest(
  'did:key of P-256 keys, and no other curve (W3C CCG)',
  ['did-key/nist-curves.json'],
  (t, [file]) => {
    let ours = 0;
    for (const [did, vector] of Object.entries(parseVector(file) as DidVectors)) {
      const jwk = vector.verificationMethod?.publicKeyJwk;
      if (did.startsWith('did:key:zDn')) {
        ours++;
        const identity = parseDid(did);
        t.is(identity?.did, did);
        if (jwk === undefined) continue;
        const [x, y] = [Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y!, 'base64url')];
        t.deepEqual(identity?.publicKey, compressP256(Buffer.concat([Uint8Array.of(4), x, y]))!);
      } else {
        t.is(parseDid(did), null, did);
      }
    }
    t.is(ours, 3);
  },
);

interface SignatureSuite {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string; readonly uncompressed: string };
    readonly tests: readonly {
      tcId: number;
      msg: string;
      sig: string;
      result: string;
      comment: string;
    }[];
  }[];
}

vectorTest('Ed25519 passes Wycheproof', ['wycheproof/ed25519_test.json'], (t, [file]) => {
  const suite = parseVector(file) as SignatureSuite;
  let seen = 0;
  for (const { publicKey, tests } of suite.testGroups) {
    for (const { tcId, msg, sig, result, comment } of tests) {
      const verified = ed25519.verify(hex(publicKey.pk), hex(msg), hex(sig));
      t.is(verified, result === 'valid', `tcId ${tcId}: ${comment}`);
      seen++;
    }
  }
  t.is(seen, suite.numberOfTests);
});

vectorTest(
  'ECDSA P-256 passes Wycheproof: valid with low s, refused with high s, valid once s is lowered',
  ['wycheproof/ecdsa_secp256r1_sha256_p1363_test.json'],
  (t, [file]) => {
    const suite = parseVector(file) as SignatureSuite;
    const counts = { low: 0, high: 0, invalid: 0 };
    for (const { publicKey, tests } of suite.testGroups) {
      const key = compressP256(hex(publicKey.uncompressed))!;
      for (const { tcId, msg, sig, result, comment } of tests) {
        const [message, signature] = [hex(msg), hex(sig)];
        const verified = p256.verify(key, message, signature);
        const place = `tcId ${tcId}: ${comment}`;
        if (result === 'valid') {
          const low = toLowS(signature);
          const isLow = toHex(low) === sig;
          counts[isLow ? 'low' : 'high']++;
          t.is(verified, isLow, place);
          t.true(p256.verify(key, message, low), place);
        } else {
          counts.invalid++;
          t.false(verified, place);
        }
      }
    }
    t.true(counts.low > 10 && counts.high > 10 && counts.invalid > 10);
    t.is(counts.low + counts.high + counts.invalid, suite.numberOfTests);
    t.log(counts);
  },
);
