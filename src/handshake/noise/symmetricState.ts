// SymmetricState (SPEC.md 3.1 and 3.7; Noise section 5.2): chaining key, transcript hash, and the
// cipher in between. Every replaced secret is zeroed.
import type { HashFunction } from '../../crypto/hash.js';
import { kdf2, kdf3 } from '../../crypto/hkdf.js';
import { CipherState } from './cipherState.js';
import type { NoiseCipher } from './protocol.js';

const CIPHER_KEY_BYTES = 32;

export interface SymmetricSuite {
  readonly hash: HashFunction;
  readonly cipher: NoiseCipher;
}

export class SymmetricState {
  readonly #suite: SymmetricSuite;
  #chainingKey: Uint8Array;
  #transcript: Uint8Array;
  #cipher: CipherState | null;

  private constructor(
    suite: SymmetricSuite,
    state: { chainingKey: Uint8Array; transcript: Uint8Array; cipher: CipherState | null },
  ) {
    this.#suite = suite;
    this.#chainingKey = state.chainingKey;
    this.#transcript = state.transcript;
    this.#cipher = state.cipher;
  }

  /** Starts from the protocol's name: padded with zeros to a hash, or hashed where it is longer. */
  static start(suite: SymmetricSuite, protocolName: string): SymmetricState {
    const name = new TextEncoder().encode(protocolName);
    let transcript = new Uint8Array(suite.hash.hashBytes);
    if (name.length <= transcript.length) transcript.set(name);
    else transcript = new Uint8Array(suite.hash.hash(name));
    return new SymmetricState(suite, {
      chainingKey: transcript.slice(),
      transcript,
      cipher: null,
    });
  }

  /** A separate state at the same point, to try a message on. */
  clone(): SymmetricState {
    return new SymmetricState(this.#suite, {
      chainingKey: this.#chainingKey.slice(),
      transcript: this.#transcript,
      cipher: this.#cipher?.clone() ?? null,
    });
  }

  /** The transcript hash so far: HASHLEN bytes, not secret. Never changed in place. */
  get handshakeHash(): Uint8Array {
    return this.#transcript;
  }

  mixHash(...parts: readonly Uint8Array[]): void {
    this.#transcript = this.#suite.hash.hash(this.#transcript, ...parts);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = kdf2(this.#suite.hash, this.#chainingKey, input);
    this.#replaceChainingKey(chainingKey);
    this.#replaceCipher(key);
  }

  /** For pre-shared keys. Noise section 9. */
  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, hashed, key] = kdf3(this.#suite.hash, this.#chainingKey, input);
    this.#replaceChainingKey(chainingKey);
    this.mixHash(hashed);
    hashed.fill(0);
    this.#replaceCipher(key);
  }

  /** 16 bytes more than the plaintext once there is a key; before that a copy of it. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#cipher?.seal(this.#transcript, plaintext) ?? plaintext.slice();
    this.mixHash(sealed);
    return sealed;
  }

  /** null, and no change, if there is a key and the bytes are not authentic. */
  decryptAndHash(sealed: Uint8Array): Uint8Array | null {
    const plaintext =
      this.#cipher === null ? sealed.slice() : this.#cipher.open(this.#transcript, sealed);
    if (plaintext !== null) this.mixHash(sealed);
    return plaintext;
  }

  /** True if encryptAndHash adds a tag. */
  get hasKey(): boolean {
    return this.#cipher !== null;
  }

  /** Two keys of 32 bytes: for what the initiator sends, and for what the responder sends. */
  split(): { initiatorKey: Uint8Array; responderKey: Uint8Array } {
    const [first, second] = kdf2(this.#suite.hash, this.#chainingKey, new Uint8Array(0));
    return { initiatorKey: cipherKey(first), responderKey: cipherKey(second) };
  }

  /** Zeroes the secrets. A destroyed cipher stays in place, so that nothing is sealed in clear. */
  destroy(): void {
    this.#chainingKey.fill(0);
    this.#cipher?.destroy();
  }

  #replaceChainingKey(chainingKey: Uint8Array): void {
    this.#chainingKey.fill(0);
    this.#chainingKey = chainingKey;
  }

  #replaceCipher(key: Uint8Array): void {
    this.#cipher?.destroy();
    this.#cipher = new CipherState(this.#suite.cipher, cipherKey(key));
  }
}

/** The first 32 bytes; what a longer hash gives beyond them is zeroed. Noise section 5.2. */
function cipherKey(output: Uint8Array): Uint8Array {
  if (output.length === CIPHER_KEY_BYTES) return output;
  const key = output.slice(0, CIPHER_KEY_BYTES);
  output.fill(0);
  return key;
}
