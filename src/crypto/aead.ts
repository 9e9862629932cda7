// The AEAD constructions, each behind the same two calls (SPEC.md 1.3). sodium-native and
// node:crypto do the work; tests hold them against @noble/ciphers.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import sodium from 'sodium-native';
import { assert } from '../base/assert.js';

/** An AEAD with a 32-byte key and a 16-byte tag behind the ciphertext (RFC 5116). */
export interface Aead {
  readonly nonceBytes: number;
  /**
   * Writes ciphertext and tag into `target`: exactly 16 bytes more than `plaintext`. Both may
   * start at the same byte. No (key, nonce) pair may ever be used for two plaintexts.
   */
  seal(target: Uint8Array, plaintext: Uint8Array, input: AeadInput): void;
  /**
   * Writes the plaintext into `target`: exactly 16 bytes less than `sealed`, which may start at
   * the same byte. False if `sealed` isn't authentic; `target` then holds no plaintext.
   */
  open(target: Uint8Array, sealed: Uint8Array, input: AeadInput): boolean;
}

export interface AeadInput {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  /** null for none. */
  readonly associated: Uint8Array | null;
}

export const TAG_BYTES = 16;

/** RFC 8439 section 2.8; 12-byte nonce. */
export const chacha20Poly1305: Aead = {
  nonceBytes: 12,
  seal(target, plaintext, { key, nonce, associated }) {
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
      target,
      plaintext,
      associated,
      null,
      nonce,
      key,
    );
  },
  open(target, sealed, { key, nonce, associated }) {
    checkOpenSizes(target, sealed);
    try {
      const opened = sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        target,
        null,
        sealed,
        associated,
        nonce,
        key,
      );
      return opened === target.length;
    } catch {
      return false; // The sizes are right, so it was the tag.
    }
  },
};

/** draft-irtf-cfrg-xchacha section 2; 24-byte nonce. */
export const xchacha20Poly1305: Aead = {
  nonceBytes: 24,
  seal(target, plaintext, { key, nonce, associated }) {
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
      target,
      plaintext,
      associated,
      null,
      nonce,
      key,
    );
  },
  open(target, sealed, { key, nonce, associated }) {
    checkOpenSizes(target, sealed);
    try {
      const opened = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        target,
        null,
        sealed,
        associated,
        nonce,
        key,
      );
      return opened === target.length;
    } catch {
      return false;
    }
  },
};

/** NIST SP 800-38D with a 256-bit key; 12-byte nonce. */
export const aes256Gcm: Aead = {
  nonceBytes: 12,
  seal(target, plaintext, { key, nonce, associated }) {
    assert(target.length === plaintext.length + TAG_BYTES, 'a sealed text is 16 bytes longer');
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    if (associated !== null) cipher.setAAD(associated);
    target.set(cipher.update(plaintext));
    cipher.final();
    target.set(cipher.getAuthTag(), plaintext.length);
  },
  open(target, sealed, { key, nonce, associated }) {
    checkOpenSizes(target, sealed);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(target.length));
    if (associated !== null) decipher.setAAD(associated);
    const plaintext = decipher.update(sealed.subarray(0, target.length));
    try {
      decipher.final();
      target.set(plaintext);
      return true;
    } catch {
      return false;
    } finally {
      plaintext.fill(0);
    }
  },
};

function checkOpenSizes(target: Uint8Array, sealed: Uint8Array): void {
  assert(sealed.length === target.length + TAG_BYTES, 'an opened text is 16 bytes shorter');
}
