// The policy of the sealed store key: an operator's key approves values of registers. The digests
// are computed as the TPM does. TPM 2.0 Library, Part 3, 23.7 and 23.16; SPEC.md 10.22.
import { concat } from '../base/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { COMMAND, OBJECT } from './constants.js';
import { u32 } from './encoding.js';
import { encodePcrs, type PcrSelection } from './pcr.js';
import { encodePublic, nameOf, type EccPoint, type PublicArea } from './publicArea.js';

const START = new Uint8Array(32);

/** Says what an approval is for, so that the same key may approve other things elsewhere. */
export const POLICY_REF = new TextEncoder().encode('Beam store key 1');

/** The policy of one set of values: PolicyPCR. */
export const pcrPolicy = (pcrs: PcrSelection, digest: Uint8Array): Uint8Array =>
  sha256.hash(START, u32(COMMAND.policyPCR), encodePcrs(pcrs), digest);

/** The policy of the sealed object: whatever the approver signed. PolicyAuthorize. */
export function approverPolicy(approver: EccPoint): Uint8Array {
  const name = nameOf(encodePublic(approverArea(approver)));
  return sha256.hash(sha256.hash(START, u32(COMMAND.policyAuthorize), name), POLICY_REF);
}

/** The approver's key as the TPM loads it: it is not the TPM's own, and only checks signatures. */
export const approverArea = (point: EccPoint): PublicArea => ({
  kind: 'ecc',
  attributes: OBJECT.userWithAuth | OBJECT.sign,
  authPolicy: new Uint8Array(0),
  symmetric: 'none',
  scheme: 'none',
  point,
});

/** What the approver signs (ECDSA over SHA-256): 48 bytes. */
export const approvalMessage = (policy: Uint8Array): Uint8Array => concat(policy, POLICY_REF);
