// The system's random generator.
import { randomBytes } from 'node:crypto';
import type { Entropy } from '../ports/entropy.js';

/** The bytes that the generator filled itself, and no copy: whoever zeroes them leaves none. */
export const systemEntropy: Entropy = (byteLength) => {
  const { buffer, byteOffset } = randomBytes(byteLength);
  return new Uint8Array(buffer, byteOffset, byteLength);
};
