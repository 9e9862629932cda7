// Who holds keys: the TPM, a PKCS#11 token, or this machine's own software. SPEC.md 10.2.
import type { OperatorErrorDetails } from '../base/errors.js';
import type { Secret } from '../base/secret.js';

export type HolderKind = 'tpm' | 'pkcs11' | 'software';

/** Ed25519 (RFC 8032), or ECDSA on P-256 over SHA-256 (FIPS 186-5) with low S. */
export type SignatureAlgorithm = 'ed25519' | 'p256';

/** As a tunnel is named by its file, 1 to 15 characters (SPEC.md 9.1). */
export type TunnelId = string;

export type KeyName =
  | { readonly kind: 'identity' }
  /** The first generation is 1; each rotation adds one. */
  | { readonly kind: 'tunnel'; readonly tunnelId: TunnelId; readonly generation: number };

/** A signing key as everybody may know it. */
export interface HeldKey {
  readonly name: KeyName;
  readonly algorithm: SignatureAlgorithm;
  /** Ed25519: 32 bytes. P-256: 33 bytes, compressed (SEC 1, 2.3.3). */
  readonly publicKey: Uint8Array;
}

/**
 * Holds the 32-byte store key outside of the store file, which `unseal` is needed to open. Has no
 * part in the store, so that it can be asked first.
 */
export interface StoreKeyHolder {
  readonly kind: HolderKind;
  /**
   * Wraps the store key for one key slot (10.6). The answer is opaque to everybody else, at most
   * SLOT_BODY_BYTES. Borrows `storeKey`. Throws OperatorError.
   */
  seal(storeKey: Secret): Promise<Uint8Array>;
  /** The caller owns the secret. Never throws because of what the slot holds. */
  unseal(slotBody: Uint8Array): Promise<UnsealOutcome>;
  /** Ends what the holder itself keeps for this slot, if anything. Done twice is done once. */
  destroySeal(slotBody: Uint8Array): Promise<void>;
}

export const SLOT_BODY_BYTES = 4096;

export type UnsealOutcome =
  | { readonly kind: 'unsealed'; readonly storeKey: Secret }
  | {
      readonly kind: 'refused';
      readonly reason: UnsealRefusal;
      readonly details: OperatorErrorDetails;
    };

export type UnsealRefusal =
  /** The device isn't there, or doesn't answer. */
  | 'absent'
  /** The policy isn't met (PCR values), or the passphrase or PIN is wrong. */
  | 'denied'
  /** Too many wrong attempts: the device takes none for a while, or ever. */
  | 'lockedOut'
  /** Another device than the one that sealed, or one that was cleared. */
  | 'otherDevice'
  /** The slot's bytes aren't what this holder writes. */
  | 'damaged';

/**
 * What a holder must find again at the next start: the key itself (software), a blob that only this
 * TPM loads, an object's id (PKCS#11). Kept as records of the open store, so never in clear.
 */
export interface KeyBlobs {
  /** The caller owns the secret. Null if there is none. */
  read(name: KeyName): Secret | null;
  /** Resolves once the store is on the disk. Copies `blob`. */
  write(name: KeyName, blob: Uint8Array): Promise<void>;
  /** Resolves once the store is on the disk; true if there was one. */
  remove(name: KeyName): Promise<boolean>;
  list(): readonly KeyName[];
}

interface SigningKeys<Kind extends HolderKind, Algorithm extends SignatureAlgorithm> {
  readonly kind: Kind;
  readonly algorithm: Algorithm;
  /** Throws OperatorError E_KEY_EXISTS if there is one. */
  createIdentity(): Promise<HeldKey>;
  /** Null if none was made. Throws OperatorError if it was made and can't be used. */
  loadIdentity(): Promise<HeldKey | null>;
  /** Generation 1. Throws OperatorError E_KEY_EXISTS if the tunnel has one. */
  createTunnelKey(tunnelId: TunnelId): Promise<HeldKey>;
  /** The newest generation; null if there is none. */
  loadTunnelKey(tunnelId: TunnelId): Promise<HeldKey | null>;
  /** A further generation. The one before stays until `destroy`. Throws OperatorError E_NO_KEY. */
  rotateTunnelKey(tunnelId: TunnelId): Promise<HeldKey>;
  /**
   * 64 bytes: Ed25519 over `message`, or r and s of ECDSA over SHA-256 of `message`, s at most half
   * of the order. Throws OperatorError E_NO_KEY.
   */
  signWithIdentity(message: Uint8Array): Promise<Uint8Array>;
  /** As signWithIdentity, by the newest generation. */
  signWithTunnelKey(tunnelId: TunnelId, message: Uint8Array): Promise<Uint8Array>;
  /** Identity first, then tunnels by name and generation. */
  list(): Promise<readonly HeldKey[]>;
  /** False if there was no such key. After it nobody signs with that key again (10.16 for software). */
  destroy(name: KeyName): Promise<boolean>;
  /** Ends sessions and zeroes what is in memory. */
  close(): Promise<void>;
}

/** Keys are Ed25519 seeds in the store: all that reads the open store can copy them. */
export interface SoftwareKeyManager extends SigningKeys<'software', 'ed25519'> {
  readonly rollbackCounter: null;
  /** The 32-byte seed (RFC 8032, 5.1.5), for backup. The caller owns it. Null if there is none. */
  exportKey(name: KeyName): Promise<Secret | null>;
  /** Puts an exported seed in its place. Throws OperatorError E_KEY_EXISTS. */
  importKey(name: KeyName, seed: Secret): Promise<HeldKey>;
}

/** Keys are made in the TPM and never leave it: there is no export and no import. */
export interface TpmKeyManager extends SigningKeys<'tpm', 'p256'> {
  readonly rollbackCounter: RollbackCounter;
}

/** Keys are made in the token and never leave it. A token has no counter that Beam could use. */
export interface Pkcs11KeyManager extends SigningKeys<'pkcs11', 'p256'> {
  readonly rollbackCounter: null;
}

export type KeyManager = SoftwareKeyManager | TpmKeyManager | Pkcs11KeyManager;

/** A number that only grows, whoever writes the disk (10.8). */
export interface RollbackCounter {
  read(): Promise<bigint>;
  /** Adds exactly one; resolves with the new value once it lasts. Wears the device: once a store write. */
  increment(): Promise<bigint>;
}
