// The few slots that a TPM has for loaded objects. Without a resource manager a process that died may
// have left some taken; only what is known to be Beam's is flushed. SPEC.md 10.24.
import { toHex } from '../../base/bytes.js';
import { HANDLE_RANGE } from '../../tpm/constants.js';
import { flush, listHandles, readPublic } from './commands.js';
import { TpmError, type TpmConnection } from './connection.js';

/** Flushes loaded objects whose names are in `names` (hex); the number of them. */
export async function flushOwnObjects(
  tpm: TpmConnection,
  names: ReadonlySet<string>,
): Promise<number> {
  let flushed = 0;
  for (const handle of await listHandles(tpm, HANDLE_RANGE.transient)) {
    const { name } = await readPublic(tpm, handle);
    if (!names.has(toHex(name))) continue;
    await flush(tpm, handle);
    flushed++;
  }
  return flushed;
}

/** Does the work; if no slot was free, gives back what is ours and tries once more. */
export async function withSlots<Result>(
  tpm: TpmConnection,
  names: ReadonlySet<string>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TpmError) || error.kind !== 'slots') throw error;
    if ((await flushOwnObjects(tpm, names)) === 0) throw error;
    return work();
  }
}
