// What an identity signs: always a purpose and the bytes, so that a signature made for one purpose
// is worth nothing for another. SPEC.md 10.4.
import { concat } from '../base/bytes.js';
import { SCHEMES, type Identity } from './identity.js';

/** Each purpose signs its own form of bytes. */
export type SignaturePurpose = 'credential' | 'handshake' | 'statement' | 'succession';

declare const verifiedBrand: unique symbol;

/** Proof that `identity` signed `message` for `purpose`. */
export interface Verified {
  readonly [verifiedBrand]: true;
  readonly identity: Identity;
  readonly purpose: SignaturePurpose;
  readonly message: Uint8Array;
}

/** The bytes that a key manager is given to sign. */
export const signatureInput = (purpose: SignaturePurpose, message: Uint8Array): Uint8Array =>
  concat(Buffer.from(`Beam ${purpose} 1\0`), message);

/** Null if it isn't the identity's signature, or a malleable form of one (high s). */
export function verifySigned(
  signed: Pick<Verified, 'identity' | 'purpose' | 'message'>,
  signature: Uint8Array,
): Verified | null {
  const { identity, purpose, message } = signed;
  const input = signatureInput(purpose, message);
  const valid = SCHEMES[identity.algorithm].verify(identity.publicKey, input, signature);
  return valid ? ({ identity, purpose, message } as Verified) : null;
}
