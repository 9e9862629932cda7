// A key of an operator's for tests: made anew, PEM as openssl writes it.
import { generateKeyPairSync } from 'node:crypto';
import { pointFromPem, signerFromPem } from '../../src/crypto/p256.js';
import type { EccPoint } from '../../src/tpm/publicArea.js';

export interface OperatorKey {
  readonly privatePem: string;
  readonly publicPem: string;
  readonly point: EccPoint;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

export function operatorKey(): OperatorKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  return {
    privatePem,
    publicPem,
    point: pointFromPem(publicPem)!,
    sign: signerFromPem(privatePem)!,
  };
}
