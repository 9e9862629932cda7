// Key files and systemd credentials: refused when others may touch them, as OpenSSH does.
// SPEC.md 9.6 and 9.7.
import { dirname, join, resolve } from 'node:path';
import { keyFromBase64 } from '../base/bytes.js';
import { OperatorError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { readBounded } from './configFiles.js';

const KEY_FILE_BYTES = 4096;

/**
 * The 32-byte key in a file, base64 as `wg genkey` writes it, white space around it allowed. A text
 * without a slash names a credential in `credentialsFolder` ($CREDENTIALS_DIRECTORY). The caller
 * owns the secret. Throws OperatorError E_KEY_FILE_MODE, E_KEY_FILE, E_CREDENTIAL, E_CONFIG_READ.
 */
export async function readKeyFile(
  nameOrPath: string,
  credentialsFolder: string | null,
): Promise<Secret> {
  const { bytes, path } = await readSecretFile(nameOrPath, credentialsFolder);
  try {
    const key = keyFromBase64(bytes.toString('latin1').trim());
    if (key === null) throw notAKey(path);
    return new Secret(key);
  } finally {
    bytes.fill(0);
  }
}

/**
 * The bytes of such a file, whatever they are, and its path. The caller zeroes them. Throws
 * OperatorError E_KEY_FILE_MODE, E_CREDENTIAL, E_CONFIG_READ.
 */
export async function readSecretFile(
  nameOrPath: string,
  credentialsFolder: string | null,
): Promise<{ bytes: Buffer; path: string }> {
  const path = keyPath(nameOrPath, credentialsFolder);
  const { bytes, mode } = await readBounded(path, KEY_FILE_BYTES);
  try {
    if (!isCredential(path, credentialsFolder)) refuseOpenMode(path, mode);
    return { bytes, path };
  } catch (error) {
    bytes.fill(0);
    throw error;
  }
}

export function keyPath(nameOrPath: string, credentialsFolder: string | null): string {
  if (nameOrPath.includes('/')) return resolve(nameOrPath);
  if (credentialsFolder !== null) return join(credentialsFolder, nameOrPath);
  throw new OperatorError({
    code: 'E_CREDENTIAL',
    place: nameOrPath,
    expected: 'a systemd credential of this name',
    found: 'no $CREDENTIALS_DIRECTORY',
    remedy: `add LoadCredential=${nameOrPath}:PATH to the unit, or write an absolute path`,
  });
}

/** systemd keeps that folder for the service alone, by mount and by ACL, which a mode doesn't show. */
const isCredential = (path: string, credentialsFolder: string | null): boolean =>
  credentialsFolder !== null && dirname(path) === resolve(credentialsFolder);

/** OpenSSH's rule for private keys: nothing for the group, nothing for others. */
export const isKeyModeTooOpen = (mode: number): boolean => (mode & 0o077) !== 0;

function refuseOpenMode(path: string, mode: number): void {
  if (!isKeyModeTooOpen(mode)) return;
  throw new OperatorError({
    code: 'E_KEY_FILE_MODE',
    place: path,
    expected: 'a key file that only its owner may read',
    found: `mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`,
    remedy: `chmod 600 ${path}`,
  });
}

const notAKey = (path: string): OperatorError =>
  new OperatorError({
    code: 'E_KEY_FILE',
    place: path,
    expected: 'one key of 44 base64 characters',
    found: 'another text',
    remedy: 'write the key with `beam genkey`',
  });
