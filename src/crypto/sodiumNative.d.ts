// The part of sodium-native that Beam uses. The package has no types of its own.
declare module 'sodium-native' {
  type Bytes = Uint8Array;

  interface SodiumNative {
    /** Returns the bytes written. Throws on a wrong size. */
    crypto_aead_chacha20poly1305_ietf_encrypt(
      c: Bytes,
      m: Bytes,
      ad: Bytes | null,
      nsec: null,
      npub: Bytes,
      k: Bytes,
    ): number;
    /** Returns the bytes written. Throws on a wrong size or tag. */
    crypto_aead_chacha20poly1305_ietf_decrypt(
      m: Bytes,
      nsec: null,
      c: Bytes,
      ad: Bytes | null,
      npub: Bytes,
      k: Bytes,
    ): number;
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      c: Bytes,
      m: Bytes,
      ad: Bytes | null,
      nsec: null,
      npub: Bytes,
      k: Bytes,
    ): number;
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      m: Bytes,
      nsec: null,
      c: Bytes,
      ad: Bytes | null,
      npub: Bytes,
      k: Bytes,
    ): number;
    crypto_scalarmult_base(q: Bytes, n: Bytes): void;
    /** Throws where the result is all zero. */
    crypto_scalarmult(q: Bytes, n: Bytes, p: Bytes): void;
    /** Guarded, locked memory, zeroed when it is collected. */
    sodium_malloc(byteLength: number): Buffer;
    sodium_memzero(bytes: Bytes): void;
  }

  const sodium: SodiumNative;
  export default sodium;
}
