// beam tpm status and check: the TPM as it is, and what would happen. SPEC.md 10.25 and 10.27.
import { toHex } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { listHandles, readPropertiesOf } from '../../platform/tpm/commands.js';
import { TpmError, type TpmConnection } from '../../platform/tpm/connection.js';
import { findCounter, readCounter } from '../../platform/tpm/counter.js';
import { currentPolicy } from '../../platform/tpm/holder.js';
import { rehearse, type Rehearsal } from '../../platform/tpm/rehearsal.js';
import { findStorageKey, isOfTemplate, pin } from '../../platform/tpm/storageKey.js';
import { approvalFile, readStoreSlots, tctiOf, useTpm } from '../../platform/tpm/storeTpm.js';
import { findApproval } from '../../tpm/approval.js';
import { HANDLE_RANGE } from '../../tpm/constants.js';
import { explainLock, type TpmProperties } from '../../tpm/properties.js';
import type { SealedSlot } from '../../tpm/sealedSlot.js';
import { COUNTER_INDEX, STORAGE_KEY_HANDLE } from '../../tpm/templates.js';
import { EXIT } from '../report.js';
import { renderTable } from '../tpm/render.js';

export interface TpmArguments {
  readonly store: string;
  readonly json: boolean;
}

/** With a connection that is closed at the end. */
export async function withTpm<Result>(
  use: (tpm: TpmConnection) => Promise<Result>,
): Promise<Result> {
  const { connect, close } = useTpm(tctiOf(process.env));
  try {
    return await use(await connect());
  } finally {
    await close();
  }
}

interface TpmStatus {
  readonly format: 1;
  readonly tpm: string;
  readonly properties: TpmProperties;
  readonly loadedObjects: number;
  /** `absent`; `foreign`: not of Beam's template; `other`: not the one that was pinned. */
  readonly storageKey: 'absent' | 'foreign' | 'other' | 'pinned' | 'usable';
  /** Decimal; null if there is none, or it can't be read. */
  readonly counter: string | null;
  readonly sealed: {
    readonly pcrs: string;
    readonly approvals: number;
    /** The values of the moment are approved. */
    readonly approved: boolean;
  } | null;
}

export const status = ({ store, json }: TpmArguments): Promise<number> =>
  withTpm(async (tpm) => {
    const found = await examine(tpm, store);
    process.stdout.write(json ? `${JSON.stringify(found)}\n` : renderTable(lines(found)));
    return EXIT.OK;
  });

async function examine(tpm: TpmConnection, store: string): Promise<TpmStatus> {
  const slot = await slotOf(store);
  return {
    format: 1,
    tpm: tpm.tcti,
    properties: await readPropertiesOf(tpm),
    loadedObjects: (await listHandles(tpm, HANDLE_RANGE.transient)).length,
    storageKey: await storageKeyState(tpm, slot),
    counter: await counterOf(tpm, slot),
    sealed: slot === null ? null : await sealedState(tpm, store, slot),
  };
}

/** Null if nothing is sealed. */
async function slotOf(store: string): Promise<SealedSlot | null> {
  try {
    return (await readStoreSlots(store)).tpm;
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'E_TPM_NOT_SEALED') return null;
    throw error;
  }
}

async function storageKeyState(
  tpm: TpmConnection,
  slot: SealedSlot | null,
): Promise<TpmStatus['storageKey']> {
  const found = await findStorageKey(tpm, slot?.parentHandle ?? STORAGE_KEY_HANDLE);
  if (found === null) return 'absent';
  if (slot === null) return isOfTemplate(found) ? 'usable' : 'foreign';
  return toHex(found.name) === toHex(pin(0, slot.parentPublic).name) ? 'pinned' : 'other';
}

async function counterOf(tpm: TpmConnection, slot: SealedSlot | null): Promise<string | null> {
  if (slot === null) return null;
  const parent = pin(slot.parentHandle, slot.parentPublic);
  const place = { tpm, parent, index: COUNTER_INDEX };
  try {
    return (await findCounter(place)) === null ? null : String(await readCounter(place));
  } catch (error) {
    if (error instanceof TpmError && error.kind !== 'disconnected') return null;
    throw error;
  }
}

async function sealedState(
  tpm: TpmConnection,
  store: string,
  slot: SealedSlot,
): Promise<NonNullable<TpmStatus['sealed']>> {
  const approvals = await approvalFile(store).list();
  const policy = await currentPolicy(tpm, slot.pcrs);
  const approval = findApproval(approvals, { approver: slot.approver, policy });
  return { pcrs: slot.pcrs.join(), approvals: approvals.length, approved: approval !== null };
}

const STORAGE_KEY_WORDS: Readonly<Record<TpmStatus['storageKey'], string>> = {
  absent: 'none yet',
  foreign: 'a key that isn’t of Beam’s template: sealing would refuse it',
  other: 'not the one that was pinned: the TPM was cleared or exchanged, or is tampered with',
  pinned: 'the one that was pinned',
  usable: 'there, of Beam’s template',
};

function lines(found: TpmStatus): [string, string][] {
  const { properties, sealed } = found;
  const { manufacturer, vendor, family, revision, firmware, lock } = properties;
  const slots = `${properties.transientSlots} free, ${found.loadedObjects} taken`;
  return [
    ['TPM', `${manufacturer} ${vendor}, ${family} revision ${revision}, firmware ${firmware}`],
    ['reached by', found.tpm],
    ['lock', explainLock(lock)],
    ['slots', slots],
    ['storage key', STORAGE_KEY_WORDS[found.storageKey]],
    ['counter', found.counter ?? 'none'],
    ['store key', sealed === null ? 'not sealed to the TPM' : sealedWords(sealed)],
  ];
}

const sealedWords = ({ pcrs, approvals, approved }: NonNullable<TpmStatus['sealed']>): string =>
  `sealed to register ${pcrs}; ${approvals} approved value(s), today’s ${approved ? 'is one' : 'is none of them'}`;

/** Resolves with 3 if a rehearsal failed. */
export const check = ({ store, json }: TpmArguments): Promise<number> =>
  withTpm(async (tpm) => {
    const { tpm: slot, others } = await readStoreSlots(store);
    const approvals = await approvalFile(store).list();
    const rehearsals = await rehearse({ tpm, slot, approvals, otherSlots: others });
    process.stdout.write(
      json
        ? `${JSON.stringify({ format: 1, rehearsals })}\n`
        : renderTable(rehearsals.flatMap(rehearsalLines)),
    );
    return rehearsals.some(({ level }) => level === 'fail') ? EXIT.DOCTOR : EXIT.OK;
  });

function rehearsalLines({ id, level, finding, remedy }: Rehearsal): [string, string][] {
  const line: [string, string] = [`${level.padEnd(4)} ${id}`, finding];
  return remedy === null ? [line] : [line, ['', `remedy: ${remedy}`]];
}
