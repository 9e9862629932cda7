// CipherState (SPEC.md 3.7; Noise section 5.1): a key and the counter that keeps its nonces apart.
import { assert } from '../../base/assert.js';
import { TAG_BYTES } from '../../crypto/aead.js';
import type { NoiseCipher } from './protocol.js';

/** Reserved for rekey; no message ever has it. Noise section 5.1. */
const MAX_NONCE = 2n ** 64n - 1n;

export class CipherState {
  readonly #cipher: NoiseCipher;
  readonly #key: Uint8Array;
  readonly #nonce: Uint8Array;
  #counter = 0n;

  /** Takes over the key, 32 bytes. */
  constructor(cipher: NoiseCipher, key: Uint8Array) {
    this.#cipher = cipher;
    this.#key = key;
    this.#nonce = new Uint8Array(cipher.aead.nonceBytes);
  }

  /** A separate state at the same point; only one of the two may go on to seal. */
  clone(): CipherState {
    const copy = new CipherState(this.#cipher, this.#key.slice());
    copy.#counter = this.#counter;
    return copy;
  }

  /** Ciphertext and tag, in a new array. */
  seal(associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
    assert(this.#counter < MAX_NONCE, 'a key seals fewer than 2^64 - 1 messages');
    const sealed = this.#sealAt(this.#counter, associated, plaintext);
    this.#counter++;
    return sealed;
  }

  /** The plaintext in a new array; null, and no step of the counter, if it isn't authentic. */
  open(associated: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    if (sealed.length < TAG_BYTES || this.#counter >= MAX_NONCE) return null;
    const plaintext = new Uint8Array(sealed.length - TAG_BYTES);
    const nonce = this.#nonceFor(this.#counter);
    const input = { key: this.#key, nonce, associated };
    if (!this.#cipher.aead.open(plaintext, sealed, input)) return null;
    this.#counter++;
    return plaintext;
  }

  /** Replaces the key by a one-way function of it. Noise section 4.2, REKEY. */
  rekey(): void {
    const sealed = this.#sealAt(MAX_NONCE, new Uint8Array(0), new Uint8Array(this.#key.length));
    this.#key.set(sealed.subarray(0, this.#key.length));
    sealed.fill(0);
  }

  destroy(): void {
    this.#key.fill(0);
    this.#counter = MAX_NONCE;
  }

  #sealAt(counter: bigint, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    const nonce = this.#nonceFor(counter);
    this.#cipher.aead.seal(sealed, plaintext, { key: this.#key, nonce, associated });
    return sealed;
  }

  #nonceFor(counter: bigint): Uint8Array {
    const view = new DataView(this.#nonce.buffer);
    const littleEndian = this.#cipher.counterOrder === 'littleEndian';
    view.setBigUint64(this.#nonce.length - 8, counter, littleEndian);
    return this.#nonce;
  }
}
