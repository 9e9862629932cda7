// Rehearses on the real TPM, with the store's own slot, what would happen: nothing that lasts is
// changed. SPEC.md 10.27.
import { toHex } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { p256PrivateKey, p256PublicKey, signP256 } from '../../crypto/p256.js';
import { findApproval, type Approval } from '../../tpm/approval.js';
import { HANDLE_RANGE, NV, OBJECT } from '../../tpm/constants.js';
import { pcrDigest, PCR_COUNT } from '../../tpm/pcr.js';
import * as policy from '../../tpm/policy.js';
import { decodePublic, encodePublic } from '../../tpm/publicArea.js';
import type { SealedSlot } from '../../tpm/sealedSlot.js';
import { COUNTER_INDEX } from '../../tpm/templates.js';
import { systemEntropy } from '../entropy.js';
import { listHandles, readPcrValues, readPropertiesOf } from './commands.js';
import { TpmError, type TpmConnection } from './connection.js';
import { findCounter } from './counter.js';
import { unsealWith } from './holder.js';
import { findStorageKey, pin } from './storageKey.js';

export const REHEARSALS = [
  'now',
  'reboot',
  'updates',
  'registerChange',
  'stranger',
  'clear',
  'lockout',
  'slots',
  'measured',
  'recovery',
] as const;

export interface Rehearsal {
  readonly id: (typeof REHEARSALS)[number];
  readonly level: 'ok' | 'warn' | 'fail';
  /** A sentence for people. */
  readonly finding: string;
  /** Null for `ok`. */
  readonly remedy: string | null;
}

export interface Subject {
  readonly tpm: TpmConnection;
  readonly slot: SealedSlot;
  readonly approvals: readonly Approval[];
  /** Other ways to open the store. */
  readonly otherSlots: number;
}

/** In the order of REHEARSALS. Throws OperatorError where the TPM doesn't answer at all. */
export async function rehearse(subject: Subject): Promise<readonly Rehearsal[]> {
  const { tpm, slot, approvals } = subject;
  const values = await readPcrValues(tpm, slot.pcrs);
  const wanted = {
    approver: slot.approver,
    policy: policy.pcrPolicy(slot.pcrs, pcrDigest(values)),
  };
  const approval = findApproval(approvals, wanted);
  return [
    await now(subject, approval),
    await reboot(subject, approval),
    updates(slot),
    await registerChange(subject, approval),
    await stranger(subject, wanted.policy),
    await clear(subject, approval),
    await lockout(subject),
    await slots(tpm),
    measured(slot, values),
    recovery(subject),
  ];
}

type Id = Rehearsal['id'];
const ok = (id: Id, finding: string): Rehearsal => ({ id, level: 'ok', finding, remedy: null });
const warn = (id: Id, finding: string, remedy: string): Rehearsal => ({
  id,
  level: 'warn',
  finding,
  remedy,
});
const fail = (id: Id, finding: string, remedy: string): Rehearsal => ({
  id,
  level: 'fail',
  finding,
  remedy,
});

const RESEAL = 'approve today’s values (`beam tpm reseal`), after a look at why they changed';

async function now({ tpm, slot }: Subject, approval: Approval | null): Promise<Rehearsal> {
  const registers = `register ${slot.pcrs.join()}`;
  if (approval === null)
    return fail('now', `no approval is for the values of ${registers}`, RESEAL);
  const error = await attempt(() => unsealWith(tpm, slot, approval));
  if (error === null) return ok('now', `the store key opens with today’s values of ${registers}`);
  return fail('now', `the store key stays closed: ${error.details.found}`, error.details.remedy);
}

async function reboot(subject: Subject, approval: Approval | null): Promise<Rehearsal> {
  const { tpm, slot } = subject;
  const found = await findStorageKey(tpm, slot.parentHandle);
  const missing = [
    found !== null && toHex(found.name) === toHex(pinned(slot).name) ? '' : 'the storage key',
    (await hasCounter(subject)) ? '' : 'the counter',
    approval === null ? 'an approval' : '',
  ].filter((what) => what !== '');
  if (missing.length === 0) return ok('reboot', 'all that unsealing takes lasts through a reboot');
  const remedy = 'recover (`beam key recover`) and seal again (`beam tpm seal`)';
  return fail('reboot', `missing after a reboot: ${missing.join(', ')}`, remedy);
}

const pinned = (slot: SealedSlot): ReturnType<typeof pin> =>
  pin(slot.parentHandle, slot.parentPublic);

async function hasCounter({ tpm, slot }: Subject): Promise<boolean> {
  const place = { tpm, parent: pinned(slot), index: COUNTER_INDEX };
  return (await findCounter(place).catch(ignoreOperator)) !== null;
}

function ignoreOperator(error: unknown): null {
  if (error instanceof OperatorError && !(error instanceof TpmError)) return null;
  throw error;
}

const LAST_FIRMWARE_REGISTER = 4;

function updates({ pcrs }: SealedSlot): Rehearsal {
  const touched = pcrs.filter((index) => index <= LAST_FIRMWARE_REGISTER);
  if (touched.length === 0) {
    return ok('updates', 'updates of firmware, boot loader and kernel don’t touch the policy');
  }
  return warn(
    'updates',
    `register ${touched.join()} changes with updates: after each the store stays closed`,
    'approve the new values after every update, or seal to register 7 alone',
  );
}

/** With a register more the TPM computes another policy, as it does when a value changes. */
async function registerChange(subject: Subject, approval: Approval | null): Promise<Rehearsal> {
  const { tpm, slot } = subject;
  const id = 'registerChange';
  if (approval === null) return fail(id, 'can’t be tried without an approval', RESEAL);
  const another = Array.from({ length: PCR_COUNT }, (_, i) => i).find(
    (i) => !slot.pcrs.includes(i),
  );
  if (another === undefined) return ok(id, 'every register is in the policy');
  const pcrs = [...slot.pcrs, another].sort((a, b) => a - b);
  const error = await attempt(() => unsealWith(tpm, { ...slot, pcrs }, approval));
  return refusedAs(id, error, 'policy', 'other register values than the approved ones');
}

async function stranger({ tpm, slot }: Subject, approved: Uint8Array): Promise<Rehearsal> {
  const privateKey = p256PrivateKey(systemEntropy(48));
  const publicKey = p256PublicKey(privateKey);
  const approver = { x: publicKey.slice(1, 33), y: publicKey.slice(33) };
  const signature = signP256(privateKey, policy.approvalMessage(approved));
  const forged = { policy: approved, signature };
  const error = await attempt(() => unsealWith(tpm, { ...slot, approver }, forged));
  return refusedAs('stranger', error, 'policy', 'an approval by a key made for this rehearsal');
}

/** As after a clear: what is at the handle isn't the key that was pinned. */
async function clear({ tpm, slot }: Subject, approval: Approval | null): Promise<Rehearsal> {
  const area = decodePublic(slot.parentPublic);
  if (area?.kind !== 'ecc') return fail('clear', 'the slot’s storage key is damaged', 'seal again');
  const point = { x: systemEntropy(32), y: systemEntropy(32) };
  const parentPublic = encodePublic({ ...area, point });
  const any = approval ?? { policy: new Uint8Array(32), signature: new Uint8Array(64).fill(1) };
  const error = await attempt(() => unsealWith(tpm, { ...slot, parentPublic }, any));
  return refusedAs('clear', error, 'wrongParent', 'another storage key than the pinned one');
}

/** The error that the attempt ended in; null if it opened, and then the key is dropped. */
async function attempt(unseal: () => ReturnType<typeof unsealWith>): Promise<TpmError | null> {
  try {
    (await unseal()).destroy();
    return null;
  } catch (error) {
    if (error instanceof TpmError) return error;
    throw error;
  }
}

function refusedAs(
  id: Id,
  error: TpmError | null,
  kind: TpmError['kind'],
  what: string,
): Rehearsal {
  if (error?.kind === kind) return ok(id, `${what}: refused`);
  const finding = error === null ? `${what}: it opened` : `${what}: ${error.details.found}`;
  return fail(
    id,
    finding,
    error?.details.remedy ?? 'seal again (`beam tpm seal`), and report this',
  );
}

async function lockout(subject: Subject): Promise<Rehearsal> {
  const { tpm, slot } = subject;
  const subjects = [slot.parentPublic, slot.publicBytes].map((bytes) => decodePublic(bytes));
  const exempt = subjects.every((area) => area !== null && (area.attributes & OBJECT.noDA) !== 0);
  const place = { tpm, parent: pinned(slot), index: COUNTER_INDEX };
  const counter = await findCounter(place).catch(ignoreOperator);
  const counts = counter === null || (counter.attributes & NV.noDA) !== 0;
  if (!exempt || !counts) {
    return fail('lockout', 'an object is subject to the lock', 'seal again (`beam tpm seal`)');
  }
  const { lock } = await readPropertiesOf(tpm);
  const state = lock.locked ? 'the TPM is locked now, and' : 'were the TPM locked,';
  return ok('lockout', `${state} the store would open all the same: all is exempt`);
}

const SLOTS_NEEDED = 3;

async function slots(tpm: TpmConnection): Promise<Rehearsal> {
  const { transientSlots } = await readPropertiesOf(tpm);
  const taken = (await listHandles(tpm, HANDLE_RANGE.transient)).length;
  if (transientSlots >= SLOTS_NEEDED) {
    return ok('slots', `${transientSlots} slots are free, ${taken} taken by others`);
  }
  return warn(
    'slots',
    `${transientSlots} slots are free, ${taken} taken by others: ${SLOTS_NEEDED} are needed`,
    'use the kernel’s resource manager (/dev/tpmrm0), or end the program that holds them',
  );
}

/** All zeros: nothing was measured. All ones: a register that nobody could have measured into. */
function measured({ pcrs }: SealedSlot, values: readonly Uint8Array[]): Rehearsal {
  const isEmpty = (value: Uint8Array): boolean =>
    value.every((byte) => byte === 0) || value.every((byte) => byte === 0xff);
  const empty = pcrs.filter((_, i) => isEmpty(values[i]!));
  if (empty.length === 0) return ok('measured', `register ${pcrs.join()} was measured into`);
  return warn(
    'measured',
    `register ${empty.join()} is empty: whatever is started on this machine meets the policy`,
    'switch secure boot on, or seal to registers that this machine’s firmware measures into',
  );
}

function recovery({ otherSlots }: Subject): Rehearsal {
  if (otherSlots > 0) {
    return ok('recovery', `if the TPM is lost, ${otherSlots} other way(s) open the store`);
  }
  return warn(
    'recovery',
    'if the TPM is lost or cleared, nothing opens the store',
    'make a recovery key (`beam key rotate --recovery`)',
  );
}
