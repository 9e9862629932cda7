// Randomness that a seed repeats, for handshakes in tests.
import { createHash } from 'node:crypto';
import type { Entropy } from '../../src/ports/entropy.js';

/** The same bytes in the same order for the same seed, on every machine. */
export function seededEntropy(seed: string): Entropy {
  let block = 0;
  return (byteLength) => {
    const bytes = new Uint8Array(byteLength);
    for (let at = 0; at < byteLength; at += 32) {
      const next = createHash('sha256').update(`${seed}/${block++}`).digest();
      bytes.set(next.subarray(0, byteLength - at), at);
    }
    return bytes;
  };
}
