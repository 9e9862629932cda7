// P-256 for what a TPM says and what it is told: ECDSA over SHA-256 (FIPS 186-5) and ECDH (NIST SP
// 800-56A, 5.7.1.2). node:crypto signs, @noble/curves does the rest.
import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';

const COORDINATE_BYTES = 32;

/** Never throws. `publicKey` is 33 or 65 bytes (SEC 1), `signature` r and s; s may be either of the two. */
export function verifyP256(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return p256.verify(signature, message, publicKey, { lowS: false, prehash: true });
  } catch {
    return false;
  }
}

/** True if x and y, 32 bytes each, are a point of the curve. */
export function isP256Point(x: Uint8Array, y: Uint8Array): boolean {
  try {
    p256.Point.fromBytes(Uint8Array.from([4, ...x, ...y]));
    return x.length === COORDINATE_BYTES && y.length === COORDINATE_BYTES;
  } catch {
    return false;
  }
}

/** 33 bytes from x and y. */
export const compressedP256 = (x: Uint8Array, y: Uint8Array): Uint8Array =>
  Uint8Array.from([2 + (y[COORDINATE_BYTES - 1]! & 1), ...x]);

/** A key for one exchange, and the x coordinate that both sides get. Null if `theirs` is no point. */
export function agreeOnceP256(
  privateKey: Uint8Array,
  theirs: Uint8Array,
): { readonly publicKey: Uint8Array; readonly sharedX: Uint8Array } | null {
  try {
    const shared = p256.getSharedSecret(privateKey, theirs, true);
    return { publicKey: p256.getPublicKey(privateKey, false), sharedX: shared.slice(1) };
  } catch {
    return null;
  }
}

/** A private key in [1, n-1] from at least 48 bytes of randomness (FIPS 186-5, A.2.1). */
export const p256PrivateKey = (random: Uint8Array): Uint8Array =>
  p256.utils.randomSecretKey(random);

/** r and s, s at most half of the order. `privateKey` as p256PrivateKey gives it. */
export const signP256 = (privateKey: Uint8Array, message: Uint8Array): Uint8Array =>
  p256.sign(message, privateKey, { lowS: true, prehash: true });

/** 65 bytes, uncompressed. */
export const p256PublicKey = (privateKey: Uint8Array): Uint8Array =>
  p256.getPublicKey(privateKey, false);

/** A P-256 private key of the operator's, from PEM (PKCS #8 or SEC 1). Null if it is none. */
export function signerFromPem(pem: string): ((message: Uint8Array) => Uint8Array) | null {
  const key = parsed(() => createPrivateKey(pem));
  if (key === null) return null;
  return (message) => new Uint8Array(sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }));
}

/** x and y of a P-256 key in PEM; of a private key the public half. Null if it is none. */
export function pointFromPem(pem: string): { x: Uint8Array; y: Uint8Array } | null {
  const key = parsed(() => createPublicKey(pem));
  if (key === null) return null;
  const { x, y } = key.export({ format: 'jwk' });
  return {
    x: new Uint8Array(Buffer.from(x!, 'base64url')),
    y: new Uint8Array(Buffer.from(y!, 'base64url')),
  };
}

/** SubjectPublicKeyInfo as PEM, for other tools. */
export function pointToPem(x: Uint8Array, y: Uint8Array): string {
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: Buffer.from(x).toString('base64url'),
    y: Buffer.from(y).toString('base64url'),
  };
  return createPublicKey({ key: jwk, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  }) as string;
}

function parsed(parse: () => KeyObject): KeyObject | null {
  try {
    const key = parse();
    const isP256 = key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    return isP256 ? key : null;
  } catch {
    return null;
  }
}

/** r and s from DER, as openssl writes a signature. Null if it isn't that. */
export function signatureFromDer(der: Uint8Array): Uint8Array | null {
  try {
    return p256.Signature.fromBytes(der, 'der').toBytes('compact');
  } catch {
    return null;
  }
}
