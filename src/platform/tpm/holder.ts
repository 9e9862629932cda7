// Seals the store key to this TPM: an operator's key says for which register values it opens. SPEC.md
// 10.22.
import { BugError } from '../../base/assert.js';
import { OperatorError } from '../../base/errors.js';
import type { OperatorErrorDetails } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { sha256 } from '../../crypto/hash.js';
import { toLowS } from '../../crypto/signature.js';
import type { StoreKeyHolder, UnsealOutcome, UnsealRefusal } from '../../ports/keyManager.js';
import { findApproval, type Approval } from '../../tpm/approval.js';
import { POLICY_WORDS, type FailureKind } from '../../tpm/failure.js';
import { pcrDigest, type PcrSelection } from '../../tpm/pcr.js';
import * as policy from '../../tpm/policy.js';
import { encodePublic, nameOf, type EccPoint } from '../../tpm/publicArea.js';
import { decodeSlot, encodeSlot, type SealedSlot } from '../../tpm/sealedSlot.js';
import { COUNTER_INDEX, sealedTemplate } from '../../tpm/templates.js';
import { toHex } from '../../base/bytes.js';
import { create, readPcrValues, unseal, type ApprovedPolicy } from './commands.js';
import { TpmError, type TpmConnection } from './connection.js';
import { enrolCounter } from './counter.js';
import { withSlots } from './slots.js';
import { DEFAULT_STORAGE_KEY, enrolStorageKey, pin, type StorageKeyRequest } from './storageKey.js';

/** The operator's key. `sign` is null where only the public half is on this machine. */
export interface Approver {
  readonly point: EccPoint;
  /** ECDSA over SHA-256 of the message: r and s. */
  readonly sign: ((message: Uint8Array) => Uint8Array) | null;
}

export interface ApprovalList {
  list(): Promise<readonly Approval[]>;
  /** Resolves once it lasts. */
  add(approval: Approval): Promise<void>;
}

export interface SealSettings {
  readonly pcrs: PcrSelection;
  readonly approver: Approver;
  readonly storageKey?: StorageKeyRequest;
  readonly counterIndex?: number;
}

export interface TpmHolderOptions {
  /** Opened when it is first needed: a machine without a TPM has a holder that says so. */
  readonly connect: () => Promise<TpmConnection>;
  readonly approvals: ApprovalList;
  /** Null where nothing is to be sealed. */
  readonly settings: SealSettings | null;
}

export class TpmStoreKeyHolder implements StoreKeyHolder {
  readonly kind = 'tpm';
  readonly #options: TpmHolderOptions;

  constructor(options: TpmHolderOptions) {
    this.#options = options;
  }

  /**
   * Makes the storage key and the counter where they are missing. Approves the values that the registers have now, if the approver's private key is at hand; else
   * nothing opens until `beam tpm reseal` has brought an approval.
   */
  async seal(storeKey: Secret): Promise<Uint8Array> {
    const { settings, approvals } = this.#options;
    if (settings === null) throw new BugError('a holder that seals has settings');
    const { approver, pcrs } = settings;
    const tpm = await this.#options.connect();
    const storageKey = settings.storageKey ?? DEFAULT_STORAGE_KEY;
    const parent = await enrolStorageKey(tpm, storageKey);
    const index = settings.counterIndex ?? COUNTER_INDEX;
    await enrolCounter({ tpm, parent, index }, storageKey.ownerAuth);
    const template = sealedTemplate(policy.approverPolicy(approver.point));
    const sealed = await create(tpm, parent, { template, secret: storeKey });
    if (approver.sign !== null) await approvals.add(await approve(tpm, approver, pcrs));
    return encodeSlot({
      parentHandle: parent.handle,
      parentPublic: parent.publicBytes,
      ...sealed,
      pcrs,
      approver: approver.point,
    });
  }

  async unseal(slotBody: Uint8Array): Promise<UnsealOutcome> {
    const slot = decodeSlot(slotBody);
    if (slot === null) return refused('damaged', DAMAGED);
    try {
      const tpm = await this.#options.connect();
      return await openSlot(tpm, slot, await this.#options.approvals.list());
    } catch (error) {
      if (error instanceof TpmError) return refused(REASONS[error.kind], error.details);
      if (error instanceof OperatorError) return refused('absent', error.details);
      throw error;
    }
  }

  /** The TPM keeps nothing for a slot: the sealed object is in the slot. */
  destroySeal(): Promise<void> {
    return Promise.resolve();
  }
}

const refused = (reason: UnsealRefusal, details: OperatorErrorDetails): UnsealOutcome => ({
  kind: 'refused',
  reason,
  details,
});

const DAMAGED: OperatorErrorDetails = {
  code: 'E_TPM_SLOT',
  place: 'the store’s TPM slot',
  expected: 'what `beam tpm seal` wrote',
  found: 'other bytes',
  remedy: 'open the store in another way (`beam key recover`), and seal again',
};

const REASONS: Readonly<Record<FailureKind, UnsealRefusal>> = {
  absent: 'absent',
  disconnected: 'absent',
  policy: 'denied',
  approval: 'denied',
  foreign: 'otherDevice',
  wrongParent: 'otherDevice',
  missing: 'otherDevice',
  lockedOut: 'lockedOut',
  authorization: 'denied',
  slots: 'absent',
  exists: 'absent',
  unwritten: 'absent',
  nvSpace: 'absent',
  rate: 'absent',
  notStarted: 'absent',
  broken: 'absent',
  tampered: 'otherDevice',
  unknown: 'absent',
};

/** Signs for the values that the registers have now. */
export async function approve(
  tpm: TpmConnection,
  approver: Approver,
  pcrs: PcrSelection,
): Promise<Approval> {
  const { sign } = approver;
  if (sign === null) throw new BugError('who approves has the private key');
  const approved = await currentPolicy(tpm, pcrs);
  const signature = toLowS(sign(policy.approvalMessage(approved)));
  return { pcrs, policy: approved, signature };
}

export async function currentPolicy(tpm: TpmConnection, pcrs: PcrSelection): Promise<Uint8Array> {
  return policy.pcrPolicy(pcrs, pcrDigest(await readPcrValues(tpm, pcrs)));
}

async function openSlot(
  tpm: TpmConnection,
  slot: SealedSlot,
  approvals: readonly Approval[],
): Promise<UnsealOutcome> {
  const { approver } = slot;
  const wanted = { approver, policy: await currentPolicy(tpm, slot.pcrs) };
  const approval = findApproval(approvals, wanted);
  if (approval === null) return refused('denied', notApproved(tpm, slot.pcrs));
  const own = new Set([slot.publicBytes, encodePublic(policy.approverArea(approver))].map(nameHex));
  const storeKey = await withSlots(tpm, own, () => unsealWith(tpm, slot, approval));
  return { kind: 'unsealed', storeKey };
}

const nameHex = (publicBytes: Uint8Array): string => toHex(nameOf(publicBytes));

/** Exported for the rehearsal: what the TPM does with any approval and any registers. */
export function unsealWith(
  tpm: TpmConnection,
  slot: SealedSlot,
  approval: Pick<Approval, 'policy' | 'signature'>,
): Promise<Secret> {
  const approved: ApprovedPolicy = {
    approver: encodePublic(policy.approverArea(slot.approver)),
    policy: approval.policy,
    policyRef: policy.POLICY_REF,
    signedDigest: sha256.hash(policy.approvalMessage(approval.policy)),
    signature: approval.signature,
  };
  const parent = pin(slot.parentHandle, slot.parentPublic);
  return unseal(tpm, parent, { sealed: slot, pcrs: slot.pcrs, approved });
}

function notApproved(tpm: TpmConnection, pcrs: PcrSelection): OperatorErrorDetails {
  return {
    ...POLICY_WORDS,
    place: tpm.tcti,
    found: `values in register ${pcrs.join()} that no approval is for: what is measured at start has changed`,
  };
}
