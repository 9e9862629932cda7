// TPMT_SIGNATURE with ECDSA over SHA-256, and the 64 bytes that everybody else knows. TPM 2.0
// Library, Part 2, 11.3.4.
import { concat } from '../base/bytes.js';
import { ALG } from './constants.js';
import { sized, TpmReader, u16 } from './encoding.js';
import { COORDINATE_BYTES, padded } from './publicArea.js';

export const SIGNATURE_BYTES = 64;

/** r and s, 32 bytes each; null for a signature of another kind. */
export function decodeSignature(bytes: Uint8Array): Uint8Array | null {
  const reader = new TpmReader(bytes);
  const signature = readSignature(reader);
  return reader.finished ? signature : null;
}

export function readSignature(reader: TpmReader): Uint8Array | null {
  if (reader.u16() !== ALG.ECDSA || reader.u16() !== ALG.SHA256) return null;
  const r = padded(reader.sized());
  const s = padded(reader.sized());
  if (!reader.ok || r.length !== COORDINATE_BYTES || s.length !== COORDINATE_BYTES) return null;
  return concat(r, s);
}

export const encodeSignature = (signature: Uint8Array): Uint8Array =>
  concat(
    u16(ALG.ECDSA),
    u16(ALG.SHA256),
    sized(signature.subarray(0, COORDINATE_BYTES)),
    sized(signature.subarray(COORDINATE_BYTES)),
  );
