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
    /** `sk` is 64 bytes, seed and public key. */
    crypto_sign_seed_keypair(pk: Bytes, sk: Bytes, seed: Bytes): void;
    crypto_sign_detached(sig: Bytes, m: Bytes, sk: Bytes): void;
    /** Throws on a wrong size only. */
    crypto_sign_verify_detached(sig: Bytes, m: Bytes, pk: Bytes): boolean;
    readonly crypto_pwhash_ALG_ARGON2ID13: number;
    /** On a thread of libuv's pool. `memlimit` is in bytes. Rejects where the memory can't be had. */
    crypto_pwhash_async(
      out: Bytes,
      passwd: Bytes,
      salt: Bytes,
      opslimit: number,
      memlimit: number,
      alg: number,
    ): Promise<void>;
    /** Guarded, locked memory, zeroed when it is collected. */
    sodium_malloc(byteLength: number): Buffer;
    sodium_memzero(bytes: Bytes): void;
  }

  const sodium: SodiumNative;
  export default sodium;
}
