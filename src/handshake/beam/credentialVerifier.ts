// Chapter 10's credentials and signatures, as a handshake is shown them (SPEC.md 11.11).
import { verifyCredential } from '../../identity/credential.js';
import { signatureInput, verifySigned } from '../../identity/identitySignature.js';
import type { VerifyIdentity } from './beamIdentity.js';

/** What the identity's key manager is given to sign, for the effect `signatureWanted`. */
export const handshakeSignatureInput = (message: Uint8Array): Uint8Array =>
  signatureInput('handshake', message);

export const verifyShownIdentity: VerifyIdentity = ({ credential, signature, message }, now) => {
  const verdict = verifyCredential(credential, now);
  if (verdict.kind === 'refused') return null;
  const { identity, tunnelKey, epoch, notAfter } = verdict.credential;
  const signed = verifySigned({ identity, purpose: 'handshake', message }, signature);
  return signed && { did: identity.did, tunnelKey, epoch, notAfter };
};
