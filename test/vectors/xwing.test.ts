// X-Wing's vectors, through what seals backups.
import { toHex } from '../../src/base/bytes.js';
import { Secret } from '../../src/base/secret.js';
import {
  XWING_CIPHERTEXT_BYTES,
  XWING_PUBLIC_KEY_BYTES,
  xwingDecapsulate,
  xwingEncapsulate,
  xwingPublicKey,
} from '../../src/crypto/xwing.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

interface XwingVector {
  readonly seed: string;
  readonly eseed: string;
  readonly ss: string;
  readonly pk: string;
  readonly ct: string;
}

vectorTest(
  'X-Wing (draft-connolly-cfrg-xwing-kem)',
  ['kem/xwing-test-vectors.json'],
  (t, [file]) => {
    const vectors = parseVector(file) as readonly XwingVector[];
    t.is(vectors.length, 3);
    for (const { seed, eseed, ss, pk, ct } of vectors) {
      const secret = new Secret(hex(seed));
      const publicKey = xwingPublicKey(secret);
      t.is(toHex(publicKey), pk);
      t.is(publicKey.length, XWING_PUBLIC_KEY_BYTES);
      const made = xwingEncapsulate(publicKey, () => hex(eseed))!;
      t.is(toHex(made.ciphertext), ct);
      t.is(made.ciphertext.length, XWING_CIPHERTEXT_BYTES);
      t.is(toHex(made.sharedSecret.expose()), ss);
      t.is(toHex(xwingDecapsulate(hex(ct), secret).expose()), ss);
      const other = hex(ct);
      other[0]! ^= 1;
      t.not(toHex(xwingDecapsulate(other, secret).expose()), ss);
      // A coefficient of the modulus or more is no key (FIPS 203 section 7.2).
      t.is(
        xwingEncapsulate(new Uint8Array(XWING_PUBLIC_KEY_BYTES).fill(0xff), () => hex(eseed)),
        null,
      );
      t.is(
        xwingEncapsulate(publicKey.subarray(1), () => hex(eseed)),
        null,
      );
    }
  },
);
