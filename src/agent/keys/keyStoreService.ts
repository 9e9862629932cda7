// What the `beam key` commands do with a store, without the terminal. SPEC.md 10.13, 10.14, 10.17.
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { x25519 } from '../../crypto/dh.js';
import { moveToLocked } from '../../crypto/lockedMemory.js';
import { fingerprint, identityOf, type Identity } from '../../identity/identity.js';
import {
  RECOVERY_KEY_BYTES,
  sealRecoverySlot,
  SLOT_SALT_BYTES,
  type PassphraseCost,
} from '../../keyStore/keySlots.js';
import type { OpenRecord } from '../../keyStore/storeCipher.js';
import { SLOTS_MAX, type KeySlot, type SlotKind } from '../../keyStore/storeFormat.js';
import { passphraseHolder } from '../../platform/keyStore/passphraseHolder.js';
import { softwareKeyManager } from '../../platform/keyStore/softwareKeyManager.js';
import type { HeldKey, KeyManager } from '../../ports/keyManager.js';
import { createStore, type StorePlace, type StoreSession } from './storeSession.js';
import { tunnelKeyRecord } from './tunnelKeySource.js';

export interface NewStore {
  readonly session: StoreSession;
  readonly identity: Identity;
}

export interface NewStoreOptions {
  readonly passphrase: Secret;
  /** Null for a store without a recovery key. */
  readonly recoveryKey: Secret | null;
  readonly cost?: PassphraseCost;
}

/** A store with an identity, on the disk. The caller closes the session. Throws OperatorError. */
export async function initStore(place: StorePlace, options: NewStoreOptions): Promise<NewStore> {
  return withNewStore(place, options, async (session) => {
    const held = await managerOf(session).createIdentity();
    return { session, identity: identityOfKey(held) };
  });
}

/** As initStore, with the records of a backup instead of a new identity. Borrows them. */
export function restoreStore(
  place: StorePlace,
  options: NewStoreOptions,
  backup: { readonly records: readonly OpenRecord[]; readonly identity: Identity },
): Promise<NewStore> {
  return withNewStore(place, options, async (session) => {
    for (const record of backup.records) session.store.set(record, record.value.expose());
    await session.save();
    return { session, identity: backup.identity };
  });
}

async function withNewStore(
  place: StorePlace,
  options: NewStoreOptions,
  fill: (session: StoreSession) => Promise<NewStore>,
): Promise<NewStore> {
  const session = await createStore(place);
  try {
    const slots = [await passphraseSlot(session, options)];
    if (options.recoveryKey !== null) slots.push(recoverySlot(session, options.recoveryKey));
    session.store.slots = slots;
    return await fill(session);
  } catch (error) {
    session.close();
    throw error;
  }
}

export const newRecoveryKey = ({ entropy }: Pick<StorePlace, 'entropy'>): Secret =>
  moveToLocked(entropy(RECOVERY_KEY_BYTES));

export const managerOf = (session: StoreSession): KeyManager =>
  softwareKeyManager(session.blobs(), session.place.entropy);

export async function passphraseSlot(
  session: StoreSession,
  { passphrase, cost }: Pick<NewStoreOptions, 'passphrase' | 'cost'>,
): Promise<KeySlot> {
  const { store, place } = session;
  const holder = passphraseHolder({
    passphrase,
    kind: 'passphrase',
    storeId: store.storeId,
    entropy: place.entropy,
    ...(cost === undefined ? {} : { cost }),
  });
  return { kind: 'passphrase', body: await holder.seal(store.storeKey) };
}

export function recoverySlot({ store, place }: StoreSession, recoveryKey: Secret): KeySlot {
  const bound = { storeId: store.storeId, salt: place.entropy(SLOT_SALT_BYTES) };
  return { kind: 'recovery', body: sealRecoverySlot(store.storeKey, recoveryKey, bound) };
}

/**
 * Puts `slot` in the place of those kinds, and writes the store twice, so that the last good file has
 * the new slots too. What a holder keeps for a slot that goes is the caller's to end, afterwards.
 */
export async function replaceSlots(
  session: StoreSession,
  replaced: readonly SlotKind[],
  slot: KeySlot,
): Promise<void> {
  const kept = session.store.slots.filter(({ kind }) => !replaced.includes(kind));
  session.store.slots = [slot, ...kept].slice(0, SLOTS_MAX);
  await session.save();
  await session.save();
}

/** Proof that a manager's key is one: a holder that answers with another thing has a fault. */
export function identityOfKey({ algorithm, publicKey }: HeldKey): Identity {
  const identity = identityOf(algorithm, publicKey);
  if (identity !== null) return identity;
  throw new OperatorError({
    code: 'E_KEY_HOLDER',
    place: 'the identity',
    expected: `a public key of ${algorithm}`,
    found: 'other bytes',
    remedy: 'the holder of the identity is faulty: recover onto another one',
  });
}

export interface StoreDescription {
  readonly store: string;
  readonly did: string | null;
  readonly fingerprint: string | null;
  readonly algorithm: string | null;
  readonly slots: readonly SlotKind[];
  readonly revision: string;
}

export async function describeStore(session: StoreSession): Promise<StoreDescription> {
  const held = await managerOf(session).loadIdentity();
  const identity = held === null ? null : identityOfKey(held);
  return {
    store: session.place.path,
    did: identity?.did ?? null,
    fingerprint: identity === null ? null : fingerprint(identity),
    algorithm: identity?.algorithm ?? null,
    slots: session.store.slots.map(({ kind }) => kind),
    revision: String(session.store.revision),
  };
}

export interface TunnelKeyDescription {
  readonly tunnel: string;
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export function listTunnelKeys({ store }: StoreSession): TunnelKeyDescription[] {
  return store.names('tunnelKey').flatMap((tunnel) => {
    const key = store.read(tunnelKeyRecord(tunnel));
    return key === null ? [] : [{ tunnel, publicKey: x25519.publicKey(key.expose()) }];
  });
}
