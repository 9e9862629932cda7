// The attestation key's blob as a file. SPEC.md 10.27.
import { toBase64 } from '../base/bytes.js';
import { decodePublic } from './publicArea.js';

/** An object outside of the TPM that only this TPM reads. */
export interface KeyFile {
  /** TPM2B_PRIVATE's content. */
  readonly privateBytes: Uint8Array;
  /** TPMT_PUBLIC. */
  readonly publicBytes: Uint8Array;
}

export const formatKeyFile = ({ privateBytes, publicBytes }: KeyFile): string =>
  `${JSON.stringify({ format: 1, private: toBase64(privateBytes), public: toBase64(publicBytes) })}\n`;

/** Null if the text isn't what formatKeyFile writes. */
export function parseKeyFile(text: string): KeyFile | null {
  try {
    const document = JSON.parse(text) as Record<string, unknown> | null;
    if (document?.['format'] !== 1) return null;
    const privateBytes = bytesOf(document['private']);
    const publicBytes = bytesOf(document['public']);
    if (privateBytes === null || publicBytes === null) return null;
    return decodePublic(publicBytes)?.kind === 'ecc' ? { privateBytes, publicBytes } : null;
  } catch {
    return null;
  }
}

function bytesOf(text: unknown): Uint8Array | null {
  if (typeof text !== 'string') return null;
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return toBase64(bytes) === text && bytes.length > 0 ? bytes : null;
}
