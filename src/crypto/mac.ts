// Keyed BLAKE2s with 16 bytes of output: mac1, mac2 and cookies (SPEC.md 1.3, 3.5).
import { blake2s } from '@noble/hashes/blake2.js';

export const MAC_BYTES = 16;

/** The MAC of a message under a key of 1 to 32 bytes. RFC 7693 section 2.9. */
export function keyedBlake2s(key: Uint8Array, message: Uint8Array): Uint8Array {
  return blake2s(message, { key, dkLen: MAC_BYTES });
}
