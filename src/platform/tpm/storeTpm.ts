// What belongs to a store's TPM slot: the slot in the store's header, the approvals and the
// attestation key in files beside it. None needs the store open. SPEC.md 10.27.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperatorError } from '../../base/errors.js';
import { decodeStore } from '../../keyStore/storeFormat.js';
import { formatApprovals, parseApprovals, withApproval } from '../../tpm/approval.js';
import { formatKeyFile, parseKeyFile } from '../../tpm/keyFile.js';
import { decodeSlot, type SealedSlot } from '../../tpm/sealedSlot.js';
import { diskFiles, prepareStoreFolder } from '../keyStore/storeFiles.js';
import { loadStoreBytes, saveStoreBytes } from '../keyStore/storeFile.js';
import { errnoOf } from '../unixSocket.js';
import type { Blob } from './commands.js';
import { DEFAULT_TCTI, openTpm, type TpmConnection } from './connection.js';
import { TpmStoreKeyHolder, type ApprovalList, type SealSettings } from './holder.js';

/** The TPM of this machine, or the one that `BEAM_TPM_TCTI` names. */
export const tctiOf = (env: NodeJS.ProcessEnv): string => env['BEAM_TPM_TCTI'] ?? DEFAULT_TCTI;

export interface StoreSlots {
  readonly tpm: SealedSlot;
  /** Other ways to open the store. */
  readonly others: number;
}

/** Reads the store's header. Throws OperatorError E_TPM_NOT_SEALED, E_TPM_SLOT, E_STORE_MODE, E_STORE_FILE. */
export async function readStoreSlots(storePath: string): Promise<StoreSlots> {
  const { current, lastGood } = await loadStoreBytes(diskFiles, storePath);
  for (const bytes of [current, lastGood]) {
    const frame = bytes === null ? 'malformed' : decodeStore(bytes);
    if (typeof frame === 'string') continue;
    const slot = frame.slots.find(({ kind }) => kind === 'tpm');
    if (slot === undefined) throw notSealed(storePath, 'a store without a TPM slot');
    const tpm = decodeSlot(slot.body);
    if (tpm === null) throw damagedSlot(storePath);
    return { tpm, others: frame.slots.length - 1 };
  }
  throw notSealed(storePath, current === null ? 'no store' : 'a damaged store');
}

/** The holder of a store's key; without settings it only opens. */
export function tpmHolderFor(
  storePath: string,
  connect: () => Promise<TpmConnection>,
  settings: SealSettings | null,
): TpmStoreKeyHolder {
  return new TpmStoreKeyHolder({ connect, approvals: approvalFile(storePath), settings });
}

interface SharedTpm {
  readonly opened: Promise<TpmConnection>;
  users: number;
}

/** By TCTI. A TPM without a resource manager serves one connection, so a process has one at most. */
const shared = new Map<string, SharedTpm>();

export interface TpmUse {
  /** Opened with the first call. */
  readonly connect: () => Promise<TpmConnection>;
  /** The connection ends with its last user. */
  readonly close: () => Promise<void>;
}

export function useTpm(tcti: string): TpmUse {
  let mine: SharedTpm | null = null;
  const join = (): SharedTpm => {
    const joined = shared.get(tcti) ?? { opened: openTpm(tcti), users: 0 };
    shared.set(tcti, joined);
    joined.users++;
    return joined;
  };
  return {
    connect: () => (mine ??= join()).opened,
    async close() {
      const left = mine;
      mine = null;
      if (left === null || --left.users > 0) return;
      shared.delete(tcti);
      const connection = await left.opened.catch(() => null);
      await connection?.close();
    },
  };
}

export function approvalFile(storePath: string): ApprovalList {
  const path = join(dirname(storePath), 'approvals.json');
  return {
    async list() {
      const text = await readText(path);
      if (text === null) return [];
      const approvals = parseApprovals(text);
      if (approvals === null) throw notOurs(path, 'approvals');
      return approvals;
    },
    async add(approval) {
      await writeText(path, formatApprovals(withApproval(await this.list(), approval)));
    },
  };
}

/** Null if none was made yet. */
export async function readAttestationKey(storePath: string): Promise<Blob | null> {
  const path = attestationPath(storePath);
  const text = await readText(path);
  if (text === null) return null;
  const blob = parseKeyFile(text);
  if (blob === null) throw notOurs(path, 'an attestation key');
  return blob;
}

export const writeAttestationKey = (storePath: string, blob: Blob): Promise<void> =>
  writeText(attestationPath(storePath), formatKeyFile(blob));

const attestationPath = (storePath: string): string => join(dirname(storePath), 'attestation.json');

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return null;
    throw new OperatorError(
      {
        code: 'E_TPM_FILE',
        place: path,
        expected: 'a file that can be read',
        found: errno ?? 'an error',
        remedy: 'run as the user who owns it',
      },
      { cause: error },
    );
  }
}

async function writeText(path: string, text: string): Promise<void> {
  await prepareStoreFolder(path);
  await saveStoreBytes(diskFiles, path, { next: Buffer.from(text), previous: null });
}

const notOurs = (place: string, what: string): OperatorError =>
  new OperatorError({
    code: 'E_TPM_FILE',
    place,
    expected: `${what} as Beam writes it`,
    found: 'something else',
    remedy: 'move the file away; `beam tpm reseal` and `beam tpm quote` make new ones',
  });

const notSealed = (place: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_TPM_NOT_SEALED',
    place,
    expected: 'a store whose key is sealed to the TPM',
    found,
    remedy: 'make a store with `beam key init`, then seal its key with `beam tpm seal`',
  });

const damagedSlot = (place: string): OperatorError =>
  new OperatorError({
    code: 'E_TPM_SLOT',
    place,
    expected: 'a TPM slot that `beam tpm seal` wrote',
    found: 'other bytes',
    remedy: 'open the store in another way, and seal again (`beam tpm seal`)',
  });
