// Platform configuration registers: which ones, and the digest over their values. TPM 2.0 Library,
// Part 2, 10.6 and 10.9; SPEC.md 10.22.
import { concat } from '../base/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { ALG } from './constants.js';
import type { TpmReader } from './encoding.js';
import { u16, u32, u8 } from './encoding.js';

/** 0 to 23. */
export type PcrIndex = number;

/** Registers of the SHA-256 bank, ascending and each once. */
export type PcrSelection = readonly PcrIndex[];

export const PCR_COUNT = 24;
export const PCR_BYTES = 32;

/** Secure boot's state and keys: firmware and kernel updates leave it as it is. */
export const DEFAULT_PCRS: PcrSelection = [7];

/** `7` or `0,2,4,7`; null for anything else. */
export function parsePcrs(text: string): PcrSelection | null {
  const parts = text.split(',').map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,2}$/.test(part) && Number(part) < PCR_COUNT)) return null;
  return [...new Set(parts.map(Number))].sort((a, b) => a - b);
}

/** TPML_PCR_SELECTION with one TPMS_PCR_SELECTION. */
export function encodePcrs(pcrs: PcrSelection): Uint8Array {
  const bits = new Uint8Array(PCR_COUNT / 8);
  for (const index of pcrs) bits[index >> 3]! |= 1 << (index & 7);
  return concat(u32(1), u16(ALG.SHA256), u8(bits.length), bits);
}

/** Reads a TPML_PCR_SELECTION; null for another bank, or for several. */
export function readPcrs(reader: TpmReader): PcrSelection | null {
  if (reader.u32() !== 1 || reader.u16() !== ALG.SHA256) return null;
  const bits = reader.take(reader.u8());
  if (!reader.ok || bits.length > PCR_COUNT / 8) return null;
  return Array.from({ length: bits.length * 8 }, (_, index) => index).filter(
    (index) => (bits[index >> 3]! & (1 << (index & 7))) !== 0,
  );
}

/** What a quote and PolicyPCR hold: the hash of the values, in the order of their indices. */
export const pcrDigest = (values: readonly Uint8Array[]): Uint8Array => sha256.hash(...values);
