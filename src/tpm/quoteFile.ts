// A quote as JSON, for the way from a device to its verifier. SPEC.md 10.27.
import { fromHex, toHex } from '../base/bytes.js';
import { parsePcrs, PCR_BYTES, type PcrSelection } from './pcr.js';
import type { Quote } from './quote.js';

export interface QuoteFile extends Quote {
  /** TPMT_PUBLIC of the attestation key and of the storage key above it; claims, not proofs. */
  readonly key: Uint8Array;
  readonly parent: Uint8Array;
  readonly pcrs: PcrSelection;
}

/** More than any quote of 24 registers takes. */
export const MAX_QUOTE_TEXT = 16_384;

export const formatQuote = (quote: QuoteFile): string =>
  `${JSON.stringify({
    format: 1,
    key: toHex(quote.key),
    parent: toHex(quote.parent),
    pcrs: quote.pcrs.join(),
    values: quote.values.map(toHex),
    statement: toHex(quote.statement),
    signature: toHex(quote.signature),
  })}\n`;

/** Null if the text isn't of that form. Never throws: it comes from a device that isn't trusted yet. */
export function parseQuote(text: string): QuoteFile | null {
  const document = parseObject(text);
  if (document?.['format'] !== 1 || typeof document['pcrs'] !== 'string') return null;
  const pcrs = parsePcrs(document['pcrs']);
  const [key, parent, statement, signature] = ['key', 'parent', 'statement', 'signature'].map(
    (name) => hex(document[name]),
  );
  const values = Array.isArray(document['values']) ? document['values'].map(value) : [];
  if (pcrs === null || !key || !parent || !statement || !signature) return null;
  if (!values.every((one) => one !== null)) return null;
  return { key, parent, pcrs, values, statement, signature };
}

function parseObject(text: string): Record<string, unknown> | null {
  if (text.length > MAX_QUOTE_TEXT) return null;
  try {
    const document = JSON.parse(text) as unknown;
    return typeof document === 'object' ? (document as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

const hex = (text: unknown): Uint8Array | null =>
  typeof text === 'string' ? fromHex(text, text.length / 2) : null;

const value = (text: unknown): Uint8Array | null =>
  typeof text === 'string' ? fromHex(text, PCR_BYTES) : null;
