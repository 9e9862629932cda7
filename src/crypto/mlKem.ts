// ML-KEM-768 (FIPS 203): @noble/post-quantum, and Node's own where the running Node has it. Both give
// the same bytes for the same randomness; tests hold them against each other and published vectors.
import * as nodeCrypto from 'node:crypto';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import type { Kem } from './kem.js';

const PUBLIC_KEY_BYTES = 1184;
const CIPHERTEXT_BYTES = 1088;
/** d ‖ z, FIPS 203 section 7.1. */
const SEED_BYTES = 64;
/** m, FIPS 203 section 7.2. */
const MESSAGE_BYTES = 32;

/** The secret key is the expanded one of FIPS 203, 2400 bytes, with the hash that section 7.3 checks. */
export const nobleMlKem768: Kem = {
  name: 'MLKEM768',
  publicKeyBytes: PUBLIC_KEY_BYTES,
  ciphertextBytes: CIPHERTEXT_BYTES,
  keygen(entropy) {
    const seed = entropy(SEED_BYTES);
    const { publicKey, secretKey } = ml_kem768.keygen(seed);
    seed.fill(0);
    return { publicKey, secretKey };
  },
  encapsulate(publicKey, entropy) {
    const message = entropy(MESSAGE_BYTES);
    try {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, message);
      return { ciphertext: cipherText, sharedSecret };
    } catch {
      return null; // Its size, or a coefficient that isn't below the modulus.
    } finally {
      message.fill(0);
    }
  },
  decapsulate(ciphertext, secretKey) {
    try {
      return ml_kem768.decapsulate(ciphertext, secretKey);
    } catch {
      return null; // The ciphertext's size; a secret key that was damaged.
    }
  },
};

/** What this file uses of Node 24.7 and later; @types/node of the oldest Node that Beam runs on lacks it. */
interface NodeKem {
  decapsulate(key: nodeCrypto.KeyObject, ciphertext: Uint8Array): Buffer;
}

/** PrivateKeyInfo of RFC 5958 and RFC 9935 around a seed: everything but the seed's 64 bytes. */
const PKCS8_PREFIX = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');

/**
 * OpenSSL's through Node; null where this Node has none. The secret key is the seed. Encapsulating is
 * noble's, because Node takes no randomness from outside and handshakes have to be repeatable.
 */
export function nativeMlKem768(): Kem | null {
  const { decapsulate } = nodeCrypto as unknown as Partial<NodeKem>;
  if (decapsulate === undefined) return null;
  try {
    publicKeyOf(privateKeyOf(new Uint8Array(SEED_BYTES)));
  } catch {
    return null; // A Node built on an OpenSSL without ML-KEM.
  }
  return {
    ...nobleMlKem768,
    keygen(entropy) {
      const secretKey = entropy(SEED_BYTES);
      return { publicKey: publicKeyOf(privateKeyOf(secretKey)), secretKey };
    },
    decapsulate(ciphertext, secretKey) {
      if (ciphertext.length !== CIPHERTEXT_BYTES || secretKey.length !== SEED_BYTES) return null;
      return new Uint8Array(decapsulate(privateKeyOf(secretKey), ciphertext));
    },
  };
}

/** The faster one of this machine: Node 24 takes 0.2 ms for keygen and decapsulate, noble 0.7 to 2 ms. */
export const mlKem768: Kem = nativeMlKem768() ?? nobleMlKem768;

function privateKeyOf(seed: Uint8Array): nodeCrypto.KeyObject {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const key = nodeCrypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/** A SubjectPublicKeyInfo ends with the key itself. */
function publicKeyOf(privateKey: nodeCrypto.KeyObject): Uint8Array {
  const der = nodeCrypto.createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return new Uint8Array(der.subarray(der.length - PUBLIC_KEY_BYTES));
}
