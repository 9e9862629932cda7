// What a store's TPM slot gives to whoever opens the store: the holder of its key, and the counter that
// its revisions follow. SPEC.md 10.8 and 10.22.
import { OperatorError } from '../../base/errors.js';
import { tpmRollbackCounter } from '../../platform/tpm/keyManager.js';
import { pin } from '../../platform/tpm/storageKey.js';
import { readStoreSlots, tctiOf, tpmHolderFor, useTpm } from '../../platform/tpm/storeTpm.js';
import type { RollbackCounter, StoreKeyHolder } from '../../ports/keyManager.js';
import type { SealedSlot } from '../../tpm/sealedSlot.js';

export interface TpmAccess {
  /** Null for a store without a TPM slot. */
  readonly holder: StoreKeyHolder | null;
  readonly counter: RollbackCounter | null;
  /** Why the counter isn't used although there is a slot; null otherwise. */
  readonly notice: string | null;
  close(): Promise<void>;
}

const NO_TPM: TpmAccess = {
  holder: null,
  counter: null,
  notice: null,
  close: () => Promise.resolve(),
};

export interface TpmAccessOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Go on without the counter if the TPM is lost: for recovery alone. */
  readonly withoutCounter: boolean;
}

/**
 * The TPM is opened when the slot is tried or the counter is read. Throws OperatorError for a file that
 * can't be read.
 */
export async function tpmAccess(storePath: string, options: TpmAccessOptions): Promise<TpmAccess> {
  const slot = await slotOf(storePath);
  if (slot === null) return NO_TPM;
  const { connect, close } = useTpm(tctiOf(options.env));
  const parent = pin(slot.parentHandle, slot.parentPublic);
  const counterOf = async (): Promise<RollbackCounter> =>
    tpmRollbackCounter(await connect(), parent);
  const counter: RollbackCounter = {
    read: async () => (await counterOf()).read(),
    increment: async () => (await counterOf()).increment(),
  };
  const holder = tpmHolderFor(storePath, connect, null);
  const lost = options.withoutCounter ? await reasonNotToCount(counter) : null;
  if (lost === null) return { holder, counter, notice: null, close };
  const notice = `the TPM’s counter can’t be asked, so an older store would not be noticed: ${lost}`;
  return { holder, counter: null, notice, close };
}

/** Null if there is no slot that could be used; opening the store says why. */
async function slotOf(storePath: string): Promise<SealedSlot | null> {
  try {
    return (await readStoreSlots(storePath)).tpm;
  } catch (error) {
    const isNoSlot = error instanceof OperatorError && /^E_TPM_/.test(error.code);
    if (isNoSlot) return null;
    throw error;
  }
}

async function reasonNotToCount(counter: RollbackCounter): Promise<string | null> {
  try {
    await counter.read();
    return null;
  } catch (error) {
    if (error instanceof OperatorError) return error.details.found;
    throw error;
  }
}
