// A passphrase from a file or a systemd credential. SPEC.md 10.11.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { copyToLocked } from '../../crypto/lockedMemory.js';
import { readSecretFile } from '../configFilesKey.js';

export const PASSPHRASE_BYTES_MAX = 1024;
/** What is read where nothing names a file. */
export const PASSPHRASE_CREDENTIAL = 'beam-passphrase';

/**
 * The bytes of the file without the newline at its end. The caller owns them. Throws OperatorError
 * E_PASSPHRASE, E_KEY_FILE_MODE, E_CREDENTIAL, E_CONFIG_READ.
 */
export async function readPassphraseFile(
  nameOrPath: string,
  credentialsFolder: string | null,
): Promise<Secret> {
  const { bytes, path } = await readSecretFile(nameOrPath, credentialsFolder);
  try {
    return checkedPassphrase(bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes, path);
  } finally {
    bytes.fill(0);
  }
}

/** Copies the bytes. Throws OperatorError E_PASSPHRASE. */
export function checkedPassphrase(bytes: Uint8Array, place: string): Secret {
  if (bytes.length >= 1 && bytes.length <= PASSPHRASE_BYTES_MAX) return copyToLocked(bytes);
  throw new OperatorError({
    code: 'E_PASSPHRASE',
    place,
    expected: `a passphrase of 1 to ${PASSPHRASE_BYTES_MAX} bytes`,
    found: `${bytes.length} bytes`,
    remedy: 'take six or more words that nobody chose for their meaning',
  });
}

/** The credential's name if systemd passed it to this process; else null. */
export async function passphraseCredential(
  credentialsFolder: string | null,
): Promise<string | null> {
  if (credentialsFolder === null) return null;
  return access(join(credentialsFolder, PASSPHRASE_CREDENTIAL)).then(
    () => PASSPHRASE_CREDENTIAL,
    () => null,
  );
}
