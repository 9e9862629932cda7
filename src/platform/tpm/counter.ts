// A counter in the TPM's non-volatile memory that only goes up. SPEC.md 10.23.
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { NV } from '../../tpm/constants.js';
import { TpmReader } from '../../tpm/encoding.js';
import { COUNTER_ATTRIBUTES, COUNTER_BYTES, encodeNvPublic } from '../../tpm/templates.js';
import {
  defineIndex,
  incrementIndex,
  readIndex,
  readIndexPublic,
  undefineIndex,
} from './commands.js';
import type { NvPublic, Parent } from './commands.js';
import { TpmError, type TpmConnection } from './connection.js';

export interface CounterPlace {
  readonly tpm: TpmConnection;
  readonly parent: Parent;
  readonly index: number;
}

/**
 * Makes the counter if there is none, and counts to its first value. The TPM starts it above every
 * value that any counter of it had, removed ones included (Part 3, 31.3).
 */
export async function enrolCounter(place: CounterPlace, ownerAuth: Secret | null): Promise<bigint> {
  const { tpm, parent, index } = place;
  if ((await findCounter(place)) === null) {
    const area = encodeNvPublic(index, COUNTER_ATTRIBUTES, COUNTER_BYTES);
    await defineIndex(tpm, parent, { ownerAuth, area });
  }
  const found = await findCounter(place);
  if (found !== null && (found.attributes & NV.written) === 0) return incrementCounter(place);
  return readCounter(place);
}

/** Null if there is nothing. Throws OperatorError E_TPM_COUNTER if it is no counter of ours. */
export async function findCounter({ tpm, index }: CounterPlace): Promise<NvPublic | null> {
  try {
    const found = await readIndexPublic(tpm, index);
    if (isCounter(found)) return found;
    throw new OperatorError({
      code: 'E_TPM_COUNTER',
      place: `${tpm.tcti} 0x${index.toString(16)}`,
      expected: 'nothing, or Beam’s counter',
      found: `an index with attributes 0x${found.attributes.toString(16)}`,
      remedy: `look whose it is (tpm2_nvreadpublic 0x${index.toString(16)}) and remove it if nobody needs it`,
    });
  } catch (error) {
    if (error instanceof TpmError && error.kind === 'missing') return null;
    throw error;
  }
}

const isCounter = ({ attributes, byteLength }: NvPublic): boolean =>
  (attributes & ~NV.written) === COUNTER_ATTRIBUTES && byteLength === COUNTER_BYTES;

/** Rejects with TpmError: `missing` if it was removed, `unwritten` if it never counted. */
export async function readCounter({ tpm, parent, index }: CounterPlace): Promise<bigint> {
  const bytes = await readIndex(tpm, parent, { index, byteLength: COUNTER_BYTES });
  return new TpmReader(bytes).u64();
}

/** Adds one; the value after it. Rejects with TpmError of kind `rate` where the TPM spares its memory. */
export async function incrementCounter(place: CounterPlace): Promise<bigint> {
  await incrementIndex(place.tpm, place.parent, place.index);
  return readCounter(place);
}

/** False if there was none. */
export async function removeCounter(
  place: CounterPlace,
  ownerAuth: Secret | null,
): Promise<boolean> {
  if ((await findCounter(place)) === null) return false;
  await undefineIndex(place.tpm, { index: place.index, ownerAuth });
  return true;
}
