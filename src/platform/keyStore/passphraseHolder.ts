// The store key under a passphrase: Argon2id through libsodium, off the main thread. SPEC.md 10.11.
import sodium from 'sodium-native';
import { concat } from '../../base/bytes.js';
import type { OperatorErrorDetails } from '../../base/errors.js';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { lockedSecret } from '../../crypto/lockedMemory.js';
import {
  decodePassphraseSlot,
  MODERATE_COST,
  passphraseParameters,
  SLOT_SALT_BYTES,
  unwrapKey,
  wrapKey,
  type PassphraseCost,
  type WrapContext,
} from '../../keyStore/keySlots.js';
import type { Entropy } from '../../ports/entropy.js';
import type { StoreKeyHolder, UnsealOutcome } from '../../ports/keyManager.js';

interface PassphraseHolderOptions {
  /** Borrowed for the holder's life. */
  readonly passphrase: Secret;
  readonly kind: 'passphrase' | 'backup';
  /** Null for a backup, which belongs to no store. */
  readonly storeId: Uint8Array | null;
  readonly entropy: Entropy;
  /** For new slots; MODERATE_COST where left out. */
  readonly cost?: PassphraseCost;
}

export function passphraseHolder(options: PassphraseHolderOptions): StoreKeyHolder {
  const { passphrase, kind, storeId } = options;
  const context = (parameters: Uint8Array): WrapContext => ({ kind, storeId, parameters });
  return {
    kind: 'software',
    async seal(storeKey) {
      const cost = options.cost ?? MODERATE_COST;
      const salt = options.entropy(SLOT_SALT_BYTES);
      const parameters = passphraseParameters(cost, salt);
      const wrappingKey = await stretch(passphrase, { cost, salt });
      try {
        return concat(parameters, wrapKey(storeKey, wrappingKey, context(parameters)));
      } finally {
        wrappingKey.destroy();
      }
    },
    async unseal(slotBody) {
      const slot = decodePassphraseSlot(slotBody);
      if (slot === null) return refused('damaged', DAMAGED);
      const wrappingKey = await stretch(passphrase, slot);
      try {
        const storeKey = unwrapKey(slot.wrapped, wrappingKey, context(slot.parameters));
        return storeKey === null ? refused('denied', WRONG) : { kind: 'unsealed', storeKey };
      } finally {
        wrappingKey.destroy();
      }
    },
    destroySeal: () => Promise.resolve(),
  };
}

/** 32 bytes. Throws OperatorError E_KEY_MEMORY. */
export async function stretch(
  passphrase: Secret,
  { cost, salt }: { readonly cost: PassphraseCost; readonly salt: Uint8Array },
): Promise<Secret> {
  const key = lockedSecret(32);
  try {
    await sodium.crypto_pwhash_async(
      key.expose(),
      passphrase.expose(),
      salt,
      cost.passes,
      cost.memoryKib * 1024,
      sodium.crypto_pwhash_ALG_ARGON2ID13,
    );
    return key;
  } catch (cause) {
    key.destroy();
    throw new OperatorError(
      {
        code: 'E_KEY_MEMORY',
        place: 'Argon2id',
        expected: `${Math.ceil(cost.memoryKib / 1024)} MiB of free memory`,
        found: 'less',
        remedy: 'free memory and try again',
      },
      { cause },
    );
  }
}

const refused = (reason: 'denied' | 'damaged', details: OperatorErrorDetails): UnsealOutcome => ({
  kind: 'refused',
  reason,
  details,
});

const WRONG: OperatorErrorDetails = {
  code: 'E_KEY_PASSPHRASE',
  place: 'the passphrase',
  expected: 'the one that this was encrypted with',
  found: 'another one',
  remedy: 'type it again, or use the recovery key: `beam key recover`',
};

const DAMAGED: OperatorErrorDetails = {
  code: 'E_STORE_DAMAGED',
  place: 'the passphrase slot',
  expected: 'Argon2id parameters within bounds',
  found: 'other bytes',
  remedy: 'use the recovery key: `beam key recover`',
};
