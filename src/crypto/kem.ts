// What a key encapsulation mechanism must do to take part in a handshake (SPEC.md 3.7).
import type { Entropy } from '../ports/entropy.js';

export interface Kem {
  /** As it stands in protocol names, `MLKEM768`. */
  readonly name: string;
  readonly publicKeyBytes: number;
  readonly ciphertextBytes: number;
  keygen(entropy: Entropy): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  /** null if the key fails its checks (for ML-KEM, FIPS 203 section 7.2). */
  encapsulate(
    publicKey: Uint8Array,
    entropy: Entropy,
  ): { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array } | null;
  /** null if the ciphertext fails its checks. */
  decapsulate(ciphertext: Uint8Array, secretKey: Uint8Array): Uint8Array | null;
}
