// What is kept to unseal the store key again: bytes that hold no secret which others than this TPM
// can read. SPEC.md 10.22.
import { concat } from '../base/bytes.js';
import { sized, TpmReader, u32, u8 } from './encoding.js';
import { encodePcrs, readPcrs, type PcrSelection } from './pcr.js';
import { decodePublic, type EccPoint } from './publicArea.js';
import { isP256Point } from '../crypto/p256.js';

export interface SealedSlot {
  readonly parentHandle: number;
  /** TPMT_PUBLIC of the storage key, as it was at enrolment. */
  readonly parentPublic: Uint8Array;
  /** TPM2B_PRIVATE's content. */
  readonly privateBytes: Uint8Array;
  /** TPMT_PUBLIC of the sealed object. */
  readonly publicBytes: Uint8Array;
  readonly pcrs: PcrSelection;
  readonly approver: EccPoint;
}

const VERSION = 1;

export const encodeSlot = (slot: SealedSlot): Uint8Array =>
  concat(
    u8(VERSION),
    u32(slot.parentHandle),
    sized(slot.parentPublic),
    sized(slot.privateBytes),
    sized(slot.publicBytes),
    encodePcrs(slot.pcrs),
    slot.approver.x,
    slot.approver.y,
  );

/** Null for anything that isn't a slot of this version, whole. */
export function decodeSlot(bytes: Uint8Array): SealedSlot | null {
  const reader = new TpmReader(bytes);
  const version = reader.u8();
  const parentHandle = reader.u32();
  const parentPublic = reader.sized();
  const privateBytes = reader.sized();
  const publicBytes = reader.sized();
  const pcrs = readPcrs(reader);
  const approver = { x: reader.take(32), y: reader.take(32) };
  if (version !== VERSION || !reader.finished || pcrs === null) return null;
  if (decodePublic(parentPublic)?.kind !== 'ecc' || decodePublic(publicBytes)?.kind !== 'sealed') {
    return null;
  }
  if (!isP256Point(approver.x, approver.y)) return null;
  return { parentHandle, parentPublic, privateBytes, publicBytes, pcrs, approver };
}
