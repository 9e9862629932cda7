// A store key sealed to a software TPM, as an agent has it: slot, approvals, the operator's key.
import { randomBytes } from 'node:crypto';
import { Secret } from '../../src/base/secret.js';
import type { UnsealOutcome, UnsealRefusal } from '../../src/ports/keyManager.js';
import { approve, TpmStoreKeyHolder, type ApprovalList } from '../../src/platform/tpm/holder.js';
import { withApproval, type Approval } from '../../src/tpm/approval.js';
import { DEFAULT_PCRS, type PcrSelection } from '../../src/tpm/pcr.js';
import { operatorKey, type OperatorKey } from './operatorKey.js';
import type { TpmTest } from './tpmTest.js';

export class ApprovalsInMemory implements ApprovalList {
  approvals: readonly Approval[] = [];

  list(): Promise<readonly Approval[]> {
    return Promise.resolve(this.approvals);
  }

  add(approval: Approval): Promise<void> {
    this.approvals = withApproval(this.approvals, approval);
    return Promise.resolve();
  }
}

export interface SealedStoreKey {
  /** 32 bytes. */
  readonly storeKey: Uint8Array;
  readonly slot: Uint8Array;
  readonly operator: OperatorKey;
  readonly approvals: ApprovalsInMemory;
  readonly unseal: (slot?: Uint8Array) => Promise<UnsealOutcome>;
  /** `opened` if it is the store key that came out. */
  readonly outcome: (slot?: Uint8Array) => Promise<'opened' | UnsealRefusal>;
  /** What the operator does after a change that he made. */
  readonly approveNow: () => Promise<void>;
}

export async function sealStoreKey(
  test: TpmTest,
  options: { readonly pcrs?: PcrSelection; readonly sign?: boolean } = {},
): Promise<SealedStoreKey> {
  const operator = operatorKey();
  const approvals = new ApprovalsInMemory();
  const pcrs = options.pcrs ?? DEFAULT_PCRS;
  const approver = { point: operator.point, sign: operator.sign };
  const sign = options.sign === false ? null : operator.sign;
  const settings = { pcrs, approver: { point: operator.point, sign } };
  const holder = new TpmStoreKeyHolder({ connect: test.connect, approvals, settings });
  const storeKey = new Uint8Array(randomBytes(32));
  const slot = await holder.seal(new Secret(storeKey.slice()));
  const unseal = (body = slot): Promise<UnsealOutcome> => holder.unseal(body);
  return {
    storeKey,
    slot,
    operator,
    approvals,
    unseal,
    async outcome(body) {
      const outcome = await unseal(body);
      if (outcome.kind === 'refused') return outcome.reason;
      const isSame = Buffer.compare(outcome.storeKey.expose(), storeKey) === 0;
      if (!isSame) throw new Error('something else came out');
      return 'opened';
    },
    async approveNow() {
      await approvals.add(await approve(await test.connect(), approver, pcrs));
    },
  };
}
