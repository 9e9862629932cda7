// An operator's approvals: for which register values the store key opens. They are signed, so the file
// that keeps them needs no protection. SPEC.md 10.22.
import { equalConstantTime, fromHex, toHex } from '../base/bytes.js';
import { verifyP256 } from '../crypto/p256.js';
import { parsePcrs, type PcrSelection } from './pcr.js';
import { approvalMessage } from './policy.js';
import { uncompressed, type EccPoint } from './publicArea.js';
import { SIGNATURE_BYTES } from './signature.js';

export interface Approval {
  /** For people; what the TPM sees is `policy`. */
  readonly pcrs: PcrSelection;
  /** pcrPolicy of the approved values: 32 bytes. */
  readonly policy: Uint8Array;
  /** The approver's over approvalMessage(policy): r and s. */
  readonly signature: Uint8Array;
}

const POLICY_BYTES = 32;
/** Old ones are dropped beyond this. */
export const MAX_APPROVALS = 16;

export const isBy = (approver: EccPoint, approval: Approval): boolean =>
  verifyP256(uncompressed(approver), approvalMessage(approval.policy), approval.signature);

/** The approval of these values by this approver; null if there is none. */
export function findApproval(
  approvals: readonly Approval[],
  wanted: { readonly approver: EccPoint; readonly policy: Uint8Array },
): Approval | null {
  const fits = (approval: Approval): boolean =>
    equalConstantTime(approval.policy, wanted.policy) && isBy(wanted.approver, approval);
  return approvals.find(fits) ?? null;
}

/** With the new one last; it takes the place of one for the same values. */
export function withApproval(approvals: readonly Approval[], added: Approval): Approval[] {
  const others = approvals.filter(({ policy }) => toHex(policy) !== toHex(added.policy));
  return [...others, added].slice(-MAX_APPROVALS);
}

export const formatApprovals = (approvals: readonly Approval[]): string =>
  `${JSON.stringify(
    {
      format: 1,
      approvals: approvals.map(({ pcrs, policy, signature }) => ({
        pcrs: pcrs.join(),
        policy: toHex(policy),
        signature: toHex(signature),
      })),
    },
    null,
    2,
  )}\n`;

/** Null if the text isn't what formatApprovals writes. */
export function parseApprovals(text: string): readonly Approval[] | null {
  const document = parseJson(text);
  if (!isObject(document) || document['format'] !== 1) return null;
  const entries = document['approvals'];
  if (!Array.isArray(entries) || entries.length > MAX_APPROVALS) return null;
  const approvals = entries.map(parseApproval);
  return approvals.every((approval) => approval !== null) ? approvals : null;
}

function parseApproval(entry: unknown): Approval | null {
  if (!isObject(entry)) return null;
  const { pcrs, policy, signature } = entry;
  if (typeof pcrs !== 'string' || typeof policy !== 'string' || typeof signature !== 'string') {
    return null;
  }
  const parts = {
    pcrs: parsePcrs(pcrs),
    policy: fromHex(policy, POLICY_BYTES),
    signature: fromHex(signature, SIGNATURE_BYTES),
  };
  if (parts.pcrs === null || parts.policy === null || parts.signature === null) return null;
  return { pcrs: parts.pcrs, policy: parts.policy, signature: parts.signature };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
