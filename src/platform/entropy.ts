// The system's random generator.
import { randomBytes } from 'node:crypto';
import type { Entropy } from '../ports/entropy.js';

export const systemEntropy: Entropy = (byteLength) => new Uint8Array(randomBytes(byteLength));
