// Registers, nonces and keys from the command line of `beam tpm`. SPEC.md 10.27.
import { readFile, stat } from 'node:fs/promises';
import { fromHex } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { pointFromPem, signerFromPem } from '../../crypto/p256.js';
import type { Approver } from '../../platform/tpm/holder.js';
import { isKeyModeTooOpen } from '../../platform/configFilesKey.js';
import { errnoOf } from '../../platform/unixSocket.js';
import { parsePcrs, type PcrSelection } from '../../tpm/pcr.js';

export const usage = (place: string, expected: string, found: string): OperatorError =>
  new OperatorError({ code: 'E_USAGE', place, expected, found, remedy: 'see `beam help tpm`' });

export function pcrsFrom(text: string | undefined, otherwise: PcrSelection): PcrSelection {
  if (text === undefined) return otherwise;
  const pcrs = parsePcrs(text);
  if (pcrs === null) throw usage('--pcrs', 'registers from 0 to 23, as 0,2,7', text);
  return pcrs;
}

const NONCE_BYTES = { min: 16, max: 64 } as const;

export function nonceFrom(text: string | undefined): Uint8Array {
  const nonce = text === undefined ? null : fromHex(text, text.length / 2);
  if (nonce !== null && nonce.length >= NONCE_BYTES.min && nonce.length <= NONCE_BYTES.max) {
    return nonce;
  }
  throw usage('--nonce', '16 to 64 bytes in hex', text ?? 'none');
}

/** A P-256 key in PEM. A private one must be its owner's alone. Throws OperatorError. */
export async function approverFrom(path: string): Promise<Approver> {
  const pem = (await fileFrom(path)).toString('latin1');
  const point = pointFromPem(pem);
  if (point === null) throw unfit(path, 'a P-256 key in PEM', 'something else');
  const sign = signerFromPem(pem);
  if (sign !== null) await refuseOpen(path);
  return { point, sign };
}

async function refuseOpen(path: string): Promise<void> {
  const { mode } = await stat(path);
  if (!isKeyModeTooOpen(mode)) return;
  throw new OperatorError({
    code: 'E_TPM_FILE',
    place: path,
    expected: 'a private key that only its owner may read',
    found: `mode ${(mode & 0o777).toString(8).padStart(4, '0')}`,
    remedy: `chmod 600 ${path}`,
  });
}

const MAX_FILE_BYTES = 65_536;

/** Throws OperatorError E_TPM_FILE. */
export async function fileFrom(path: string): Promise<Buffer> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= MAX_FILE_BYTES) return bytes;
  } catch (error) {
    throw unfit(path, 'a file that can be read', errnoOf(error) ?? 'an error');
  }
  throw unfit(path, `at most ${MAX_FILE_BYTES} bytes`, 'more');
}

export const unfit = (place: string, expected: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_TPM_FILE',
    place,
    expected,
    found,
    remedy: 'name the right file',
  });
