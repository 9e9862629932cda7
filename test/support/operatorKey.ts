// A key of an operator's for tests: made anew, PEM as openssl writes it.
import { createECDH, createPrivateKey, createPublicKey } from 'node:crypto';
import { pointFromPem, signerFromPem } from '../../src/crypto/p256.js';
import type { EccPoint } from '../../src/tpm/publicArea.js';

export interface OperatorKey {
  readonly privatePem: string;
  readonly publicPem: string;
  readonly point: EccPoint;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

export function operatorKey(): OperatorKey {
  // Not generateKeyPairSync, which can hang Node 20 when its keys are exported.
  const pair = createECDH('prime256v1');
  const point = pair.generateKeys();
  const part = (bytes: Buffer): string => bytes.toString('base64url');
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: part(point.subarray(1, 33)),
    y: part(point.subarray(33)),
    d: part(padded(pair.getPrivateKey())),
  };
  const key = { key: jwk, format: 'jwk' } as const;
  const privatePem = createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }) as string;
  const publicPem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  return {
    privatePem,
    publicPem,
    point: pointFromPem(publicPem)!,
    sign: signerFromPem(privatePem)!,
  };
}

/** The number without leading zeros, as 32 bytes. */
const padded = (number: Buffer): Buffer =>
  Buffer.concat([Buffer.alloc(32 - number.length), number]);
