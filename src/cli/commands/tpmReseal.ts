// beam tpm reseal: the operator approves the values that the registers have now. SPEC.md 10.22, 10.27.
import { toHex } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { signatureFromDer } from '../../crypto/p256.js';
import { toLowS } from '../../crypto/signature.js';
import { approve, currentPolicy, type Approver } from '../../platform/tpm/holder.js';
import { approvalFile, readStoreSlots } from '../../platform/tpm/storeTpm.js';
import { isBy, type Approval } from '../../tpm/approval.js';
import type { PcrSelection } from '../../tpm/pcr.js';
import { approvalMessage } from '../../tpm/policy.js';
import { SIGNATURE_BYTES } from '../../tpm/signature.js';
import type { EccPoint } from '../../tpm/publicArea.js';
import { EXIT, say, usageError } from '../report.js';
import { approverFrom, fileFrom, unfit } from '../tpm/arguments.js';
import { withTpm } from './tpm.js';

export interface ResealArguments {
  readonly store: string;
  readonly policyKey: string | undefined;
  readonly signature: string | undefined;
}

/** Needs neither the store open nor its key: what is sealed stays as it is. */
export async function reseal(args: ResealArguments): Promise<number> {
  const { store, policyKey, signature } = args;
  if (policyKey !== undefined && signature !== undefined) {
    return usageError('tpm reseal takes --policy-key or --signature, not both', null);
  }
  const { tpm: slot } = await readStoreSlots(store);
  const { pcrs } = slot;
  const approver = policyKey === undefined ? null : await approverFrom(policyKey);
  if (approver !== null) refuseOther(approver, slot.approver, policyKey!);
  return withTpm(async (tpm) => {
    if (approver !== null && approver.sign !== null) {
      return keep(store, await approve(tpm, approver, pcrs));
    }
    const policy = await currentPolicy(tpm, pcrs);
    if (signature === undefined) return askForSignature(policy, pcrs);
    const approval = { pcrs, policy, signature: await signatureFrom(signature) };
    if (!isBy(slot.approver, approval)) throw notByApprover(signature);
    return keep(store, approval);
  });
}

function refuseOther({ point }: Approver, wanted: EccPoint, place: string): void {
  if (toHex(point.x) === toHex(wanted.x) && toHex(point.y) === toHex(wanted.y)) return;
  throw new OperatorError({
    code: 'E_TPM_APPROVAL',
    place,
    expected: 'the key that the store was sealed for',
    found: 'another one',
    remedy: 'use that key; to take another from now on, seal again (`beam tpm seal`)',
  });
}

async function signatureFrom(path: string): Promise<Uint8Array> {
  const bytes = await fileFrom(path);
  const signature = bytes.length === SIGNATURE_BYTES ? bytes : signatureFromDer(bytes);
  if (signature === null) throw unfit(path, 'an ECDSA signature, 64 bytes or DER', 'other bytes');
  return toLowS(new Uint8Array(signature));
}

const notByApprover = (place: string): OperatorError =>
  new OperatorError({
    code: 'E_TPM_APPROVAL',
    place,
    expected: 'the approver’s signature over today’s values',
    found: 'another signature, or one over other values',
    remedy: 'sign what `beam tpm reseal` prints now, with the key that the store was sealed for',
  });

async function keep(store: string, approval: Approval): Promise<number> {
  await approvalFile(store).add(approval);
  process.stdout.write(`${toHex(approval.policy)}\n`);
  say(`approved: the values that register ${approval.pcrs.join()} has now`);
  return EXIT.OK;
}

/** For a key that isn't on this machine. */
export function askForSignature(policy: Uint8Array, pcrs: PcrSelection): number {
  process.stdout.write(`${toHex(approvalMessage(policy))}\n`);
  say(`to approve the values that register ${pcrs.join()} has now, sign these bytes where the key is:
  xxd -r -p | openssl dgst -sha256 -sign KEY.pem -out SIGNATURE
and bring the answer: beam tpm reseal --signature SIGNATURE`);
  return EXIT.OK;
}
