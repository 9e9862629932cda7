// Identities and credentials for tests of the handshake, with true Ed25519 signatures. The form of the
// credential is the tests' own: to the handshake it is opaque.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { concat, toHex } from '../../src/base/bytes.js';
import { Secret } from '../../src/base/secret.js';
import { wallTime } from '../../src/base/time.js';
import { clampX25519, x25519 } from '../../src/crypto/dh.js';
import type { TunnelCredential } from '../../src/handshake/beam/beamEvents.js';
import type { VerifyIdentity } from '../../src/handshake/beam/beamIdentity.js';
import type { Entropy } from '../../src/ports/entropy.js';

const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const SIGNED_BYTES = 32 + 32 + 8 + 8 + 8;

export interface TestIdentity {
  readonly did: string;
  sign(message: Uint8Array): Uint8Array;
  /** A tunnel key with its credential: `fromMs` to `untilMs` of wall time. */
  tunnelCredential(options?: {
    readonly epoch?: bigint;
    readonly fromMs?: number;
    readonly untilMs?: number;
  }): TunnelCredential;
}

export const FOREVER_MS = 4_000_000_000_000;

export const didOf = (publicKey: Uint8Array): string => `did:key:z${toHex(publicKey)}`;

export function testIdentity(entropy: Entropy): TestIdentity {
  const der = Buffer.concat([PKCS8_PREFIX, entropy(32)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const publicKey = new Uint8Array(spki.subarray(SPKI_PREFIX.length));
  const signed = (message: Uint8Array): Uint8Array => new Uint8Array(sign(null, message, key));
  return {
    did: didOf(publicKey),
    sign: signed,
    tunnelCredential({ epoch = 1n, fromMs = 0, untilMs = FOREVER_MS } = {}) {
      const privateKey = clampX25519(entropy(32));
      const keyPair = {
        privateKey: new Secret(privateKey),
        publicKey: x25519.publicKey(privateKey),
      };
      const numbers = new DataView(new ArrayBuffer(24));
      numbers.setBigUint64(0, epoch);
      numbers.setBigUint64(8, BigInt(fromMs));
      numbers.setBigUint64(16, BigInt(untilMs));
      const body = concat(publicKey, keyPair.publicKey, new Uint8Array(numbers.buffer));
      return { keyPair, credential: concat(body, signed(body)) };
    },
  };
}

/** Checks what chapter 10's verifier checks: both signatures, and the times. */
export const verifyTestIdentity: VerifyIdentity = ({ credential, signature, message }, now) => {
  if (credential.length !== SIGNED_BYTES + 64) return null;
  const body = credential.subarray(0, SIGNED_BYTES);
  const publicKey = body.slice(0, 32);
  const der = Buffer.concat([SPKI_PREFIX, publicKey]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (!verify(null, body, key, credential.subarray(SIGNED_BYTES))) return null;
  if (!verify(null, message, key, signature)) return null;
  const numbers = new DataView(body.buffer, body.byteOffset + 64, 24);
  if (BigInt(Math.floor(now)) < numbers.getBigUint64(8)) return null;
  if (BigInt(Math.floor(now)) >= numbers.getBigUint64(16)) return null;
  return {
    did: didOf(publicKey),
    tunnelKey: body.slice(32, 64),
    epoch: numbers.getBigUint64(0),
    notAfter: wallTime(Number(numbers.getBigUint64(16))),
  };
};
