// The storage root key: found or made, and the same ever after. SPEC.md 10.20.
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { toHex } from '../../base/bytes.js';
import { decodePublic, encodePublic, nameOf, NO_POINT } from '../../tpm/publicArea.js';
import { STORAGE_KEY, STORAGE_KEY_HANDLE } from '../../tpm/templates.js';
import { createPrimary, readPublic, type NamedPublic, type Parent } from './commands.js';
import { TpmError, type TpmConnection } from './connection.js';

export interface StorageKeyRequest {
  readonly handle: number;
  /** Where an owner's authorization was set on the TPM. Borrowed. */
  readonly ownerAuth: Secret | null;
}

export const DEFAULT_STORAGE_KEY: StorageKeyRequest = {
  handle: STORAGE_KEY_HANDLE,
  ownerAuth: null,
};

/** What is at the handle now; null if nothing is. */
export async function findStorageKey(
  tpm: TpmConnection,
  handle: number,
): Promise<NamedPublic | null> {
  try {
    return await readPublic(tpm, handle);
  } catch (error) {
    if (error instanceof TpmError && error.kind === 'missing') return null;
    throw error;
  }
}

/** At enrolment: takes the key that is there if it is of the template, or makes it. */
export async function enrolStorageKey(
  tpm: TpmConnection,
  { handle, ownerAuth }: StorageKeyRequest,
): Promise<Parent> {
  const found = await findStorageKey(tpm, handle);
  if (found !== null) {
    if (!isOfTemplate(found)) throw notOfTemplate(tpm, handle, found);
    return pin(handle, found.publicBytes);
  }
  const made = await createPrimary(tpm, {
    hierarchy: 'owner',
    hierarchyAuth: ownerAuth,
    template: STORAGE_KEY,
    persistent: handle,
  });
  if (!isOfTemplate(made)) throw notOfTemplate(tpm, handle, made);
  return pin(handle, made.publicBytes);
}

/** A parent from what was kept since enrolment. */
export const pin = (handle: number, publicBytes: Uint8Array): Parent => ({
  handle,
  publicBytes,
  name: nameOf(publicBytes),
});

/** True if the key is what Beam would have made, and its name is its own. */
export function isOfTemplate(found: NamedPublic): boolean {
  const area = decodePublic(found.publicBytes);
  if (area?.kind !== 'ecc' || area.point.x.length === 0) return false;
  const template = encodePublic({ ...area, point: NO_POINT });
  return (
    toHex(template) === toHex(encodePublic(STORAGE_KEY)) &&
    toHex(nameOf(found.publicBytes)) === toHex(found.name)
  );
}

function notOfTemplate(tpm: TpmConnection, handle: number, found: NamedPublic): OperatorError {
  const area = decodePublic(found.publicBytes);
  const text =
    area === null ? 'a key of another kind' : `attributes 0x${area.attributes.toString(16)}`;
  return new OperatorError({
    code: 'E_TPM_STORAGE_KEY',
    place: `${tpm.tcti} 0x${handle.toString(16)}`,
    expected: 'nothing, or a storage key of Beam’s template (SPEC.md 10.20)',
    found: `${text}, name ${toHex(found.name)}`,
    remedy: `look whose it is (tpm2_readpublic -c 0x${handle.toString(16)}); if nobody needs it, tpm2_evictcontrol -c 0x${handle.toString(16)}`,
  });
}
