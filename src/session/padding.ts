// How far a packet is padded, so that its exact size doesn't show. SPEC.md 4.4.
import { PADDING_BYTES } from '../wire/constants.js';

/** The size to pad to: a multiple of 16 where that is within the MTU. Both in bytes. */
export function paddedBytes(packetBytes: number, mtuBytes: number): number {
  const lastBytes = packetBytes > mtuBytes ? packetBytes % mtuBytes : packetBytes;
  const roundedBytes = Math.ceil(lastBytes / PADDING_BYTES) * PADDING_BYTES;
  return packetBytes - lastBytes + Math.min(mtuBytes, roundedBytes);
}
