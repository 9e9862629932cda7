// Key slots that wrap the store key under a key of our own making: passphrase and recovery key.
// SPEC.md 10.11 and 10.13. (Those of TPM and token are opaque here.)
import { assert } from '../base/assert.js';
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat } from '../base/bytes.js';
import type { Secret } from '../base/secret.js';
import { aes256Gcm, TAG_BYTES } from '../crypto/aead.js';
import { sha256 } from '../crypto/hash.js';
import { hkdfExpand, hkdfExtract } from '../crypto/hkdf.js';
import { lockedSecret, moveToLocked } from '../crypto/lockedMemory.js';

export const STORE_KEY_BYTES = 32;
export const RECOVERY_KEY_BYTES = 32;
export const SLOT_SALT_BYTES = 16;
const WRAPPED_BYTES = STORE_KEY_BYTES + TAG_BYTES;

/** Argon2id version 1.3 with one lane (RFC 9106). */
export interface PassphraseCost {
  /** 1 to 64. */
  readonly passes: number;
  /** 8 KiB to 4 GiB. */
  readonly memoryKib: number;
}

/** libsodium's MODERATE; what every new slot has at least. */
export const MODERATE_COST: PassphraseCost = { passes: 3, memoryKib: 256 * 1024 };

export interface PassphraseSlot {
  readonly cost: PassphraseCost;
  readonly salt: Uint8Array;
  /** All but the wrapped key, which is bound to it. */
  readonly parameters: Uint8Array;
  readonly wrapped: Uint8Array;
}

const ARGON2ID = 1;

/** The slot's bytes before the wrapped key: 25. */
export function passphraseParameters(cost: PassphraseCost, salt: Uint8Array): Uint8Array {
  assert(isCost(cost) && salt.length === SLOT_SALT_BYTES, 'the cost of a passphrase');
  return concat(
    Uint8Array.of(ARGON2ID),
    unsigned(cost.passes, 4),
    unsigned(cost.memoryKib, 4),
    salt,
  );
}

const isCost = ({ passes, memoryKib }: PassphraseCost): boolean =>
  passes >= 1 && passes <= 64 && memoryKib >= 8 && memoryKib <= 4 * 1024 * 1024;

/** Null for bytes that aren't such a slot, or one whose cost is out of bounds. */
export function decodePassphraseSlot(body: Uint8Array): PassphraseSlot | null {
  const reader = new ByteReader(body);
  const algorithm = reader.number(1);
  const cost = { passes: reader.number(4) ?? 0, memoryKib: reader.number(4) ?? 0 };
  const salt = reader.take(SLOT_SALT_BYTES);
  const parameters = body.slice(0, reader.offset);
  const wrapped = reader.take(WRAPPED_BYTES);
  if (algorithm !== ARGON2ID || salt === null || wrapped === null || !reader.atEnd) return null;
  return isCost(cost) ? { cost, salt, parameters, wrapped } : null;
}

/** What a wrapped key is bound to. */
export interface WrapContext {
  readonly kind: 'passphrase' | 'recovery' | 'pkcs11' | 'backup';
  /** Null where the slot belongs to no store yet (a backup). */
  readonly storeId: Uint8Array | null;
  readonly parameters: Uint8Array;
}

/** 48 bytes. A wrapping key serves for one wrapped key only: its salt is new each time. */
export function wrapKey(storeKey: Secret, wrappingKey: Secret, context: WrapContext): Uint8Array {
  const target = new Uint8Array(WRAPPED_BYTES);
  aes256Gcm.seal(target, storeKey.expose(), wrapInput(wrappingKey, context));
  return target;
}

/** Null if the wrapping key or the context is another one. The caller owns the secret. */
export function unwrapKey(
  wrapped: Uint8Array,
  wrappingKey: Secret,
  context: WrapContext,
): Secret | null {
  if (wrapped.length !== WRAPPED_BYTES) return null;
  const storeKey = lockedSecret(STORE_KEY_BYTES);
  if (aes256Gcm.open(storeKey.expose(), wrapped, wrapInput(wrappingKey, context))) return storeKey;
  storeKey.destroy();
  return null;
}

function wrapInput(
  wrappingKey: Secret,
  { kind, storeId, parameters }: WrapContext,
): { key: Uint8Array; nonce: Uint8Array; associated: Uint8Array } {
  const context = new TextEncoder().encode(`Beam slot 1 ${kind}\0`);
  return {
    key: wrappingKey.expose(),
    nonce: new Uint8Array(aes256Gcm.nonceBytes),
    associated: concat(context, storeId ?? new Uint8Array(0), parameters),
  };
}

/** 64 bytes: salt and wrapped key. */
export function sealRecoverySlot(
  storeKey: Secret,
  recoveryKey: Secret,
  bound: { readonly storeId: Uint8Array; readonly salt: Uint8Array },
): Uint8Array {
  const { storeId, salt } = bound;
  assert(salt.length === SLOT_SALT_BYTES, 'a salt has 16 bytes');
  const wrappingKey = recoveryWrappingKey(recoveryKey, salt);
  try {
    return concat(
      salt,
      wrapKey(storeKey, wrappingKey, { kind: 'recovery', storeId, parameters: salt }),
    );
  } finally {
    wrappingKey.destroy();
  }
}

/** Null if the slot isn't one, or was made with another recovery key. The caller owns the secret. */
export function openRecoverySlot(
  body: Uint8Array,
  recoveryKey: Secret,
  storeId: Uint8Array,
): Secret | null {
  if (body.length !== SLOT_SALT_BYTES + WRAPPED_BYTES) return null;
  const salt = body.slice(0, SLOT_SALT_BYTES);
  const wrappingKey = recoveryWrappingKey(recoveryKey, salt);
  try {
    const context = { kind: 'recovery', storeId, parameters: salt } as const;
    return unwrapKey(body.subarray(SLOT_SALT_BYTES), wrappingKey, context);
  } finally {
    wrappingKey.destroy();
  }
}

/** The recovery key has 256 random bits: HKDF is enough for it. */
function recoveryWrappingKey(recoveryKey: Secret, salt: Uint8Array): Secret {
  const key = hkdfExtract(sha256, salt, recoveryKey.expose());
  const info = new TextEncoder().encode('Beam slot 1 recovery');
  try {
    return moveToLocked(hkdfExpand(sha256, { key, info, byteLength: 32 }));
  } finally {
    key.fill(0);
  }
}
