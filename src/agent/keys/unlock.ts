// Tries the slots of a store with the holders that this process has. SPEC.md 10.6.
import { assertNever } from '../../base/assert.js';
import type { OperatorErrorDetails } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { openRecoverySlot, type PassphraseCost } from '../../keyStore/keySlots.js';
import type { KeySlot, SlotKind } from '../../keyStore/storeFormat.js';
import { passphraseHolder } from '../../platform/keyStore/passphraseHolder.js';
import type { Entropy } from '../../ports/entropy.js';
import type { StoreKeyHolder, UnsealOutcome } from '../../ports/keyManager.js';
import type { Unlock } from './storeSession.js';

/** What may open a store; null and `Promise<null>` for what isn't at hand. The caller owns secrets. */
export interface KeySources {
  readonly entropy: Entropy;
  /** Asked once at most, and only if there is a passphrase slot. */
  readonly passphrase: () => Promise<Secret | null>;
  readonly recoveryKey: Secret | null;
  readonly tpm: StoreKeyHolder | null;
  readonly pkcs11: StoreKeyHolder | null;
  readonly cost?: PassphraseCost;
}

/** Cheap and unattended first. */
const ORDER: readonly SlotKind[] = ['recovery', 'tpm', 'pkcs11', 'passphrase'];

/** The first slot that opens. If none does: the refusal of what was given, or what could be given. */
export function unlockWith(sources: KeySources): Unlock {
  let asked: Promise<Secret | null> | null = null;
  const passphrase = (): Promise<Secret | null> => (asked ??= sources.passphrase());
  return async ({ slots, storeId }) => {
    let refusal: UnsealOutcome = NOTHING_FITS;
    for (const kind of ORDER) {
      for (const slot of slots.filter((one) => one.kind === kind)) {
        const outcome = await trySlot(slot, storeId, { ...sources, passphrase });
        if (outcome?.kind === 'unsealed') return outcome;
        if (outcome !== null) refusal = moreTelling(refusal, outcome);
      }
    }
    return refusal;
  };
}

/** What a holder or a key that was there said tells more than that another one wasn't there. */
function moreTelling(earlier: UnsealOutcome, later: UnsealOutcome): UnsealOutcome {
  const notGiven = [NOTHING_FITS, ABSENT_TPM, ABSENT_TOKEN, NO_PASSPHRASE];
  return notGiven.includes(later) && earlier !== NOTHING_FITS ? earlier : later;
}

/** Null if this process has nothing for such a slot. */
async function trySlot(
  { kind, body }: KeySlot,
  storeId: Uint8Array,
  sources: KeySources,
): Promise<UnsealOutcome | null> {
  switch (kind) {
    case 'recovery':
      return sources.recoveryKey === null
        ? null
        : recovered(openRecoverySlot(body, sources.recoveryKey, storeId));
    case 'tpm':
      return sources.tpm === null ? ABSENT_TPM : sources.tpm.unseal(body);
    case 'pkcs11':
      return sources.pkcs11 === null ? ABSENT_TOKEN : sources.pkcs11.unseal(body);
    case 'passphrase': {
      const passphrase = await sources.passphrase();
      if (passphrase === null) return NO_PASSPHRASE;
      const { entropy } = sources;
      return passphraseHolder({ passphrase, kind: 'passphrase', storeId, entropy }).unseal(body);
    }
    default:
      return assertNever(kind);
  }
}

const recovered = (storeKey: Secret | null): UnsealOutcome =>
  storeKey === null ? WRONG_RECOVERY_KEY : { kind: 'unsealed', storeKey };

const refused = (
  reason: Extract<UnsealOutcome, { kind: 'refused' }>['reason'],
  details: OperatorErrorDetails,
): UnsealOutcome => ({ kind: 'refused', reason, details });

const NOTHING_FITS = refused('denied', {
  code: 'E_STORE_LOCKED',
  place: 'the key store',
  expected: 'a key slot that opens it',
  found: 'none that fits what was given',
  remedy: 'see `beam key recover`',
});
const NO_PASSPHRASE = refused('denied', {
  code: 'E_STORE_LOCKED',
  place: 'the key store',
  expected: 'its passphrase',
  found: 'none: no file, no credential, no terminal',
  remedy:
    'name a file with --passphrase-file or StorePassphrase, or pass the credential beam-passphrase',
});
const ABSENT_TPM = refused('absent', {
  code: 'E_STORE_LOCKED',
  place: 'the key store',
  expected: 'the TPM that holds its key',
  found: 'no TPM in use',
  remedy: 'use the recovery key: `beam key recover`',
});
const ABSENT_TOKEN = refused('absent', {
  code: 'E_STORE_LOCKED',
  place: 'the key store',
  expected: 'the PKCS#11 token that holds its key',
  found: 'no token in use',
  remedy: 'name its module and PIN with --pkcs11-module and --pin-file',
});
const WRONG_RECOVERY_KEY = refused('denied', {
  code: 'E_RECOVERY_KEY',
  place: 'the recovery key',
  expected: 'the one that was shown for this store',
  found: 'another one',
  remedy: 'check the words and their order',
});
