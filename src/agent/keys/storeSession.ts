// Opens the store from its file and writes it back: which of the two files serves, whether it was
// rolled back, who may write. SPEC.md 10.8 and 10.9.
import { BugError } from '../../base/assert.js';
import { equalConstantTime } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { KeyStore } from '../../keyStore/keyStore.js';
import { keyOfRecord, recordOfKey } from '../../keyStore/records.js';
import { decodeStore, type StoreFrame, type StoreHeader } from '../../keyStore/storeFormat.js';
import { loadStoreBytes, saveStoreBytes } from '../../platform/keyStore/storeFile.js';
import { withStoreLock } from '../../platform/keyStore/storeLock.js';
import { copyToLocked } from '../../crypto/lockedMemory.js';
import type { Entropy } from '../../ports/entropy.js';
import type { KeyBlobs, KeyName, RollbackCounter, UnsealOutcome } from '../../ports/keyManager.js';
import type { StoreFiles } from '../../ports/storeFiles.js';

export interface StorePlace {
  readonly path: string;
  readonly files: StoreFiles;
  readonly entropy: Entropy;
  /** Null where nothing counts; then a store that was put back isn't noticed. */
  readonly counter: RollbackCounter | null;
}

/** Finds the store key through the slots of a file that isn't authenticated yet. */
export type Unlock = (header: StoreHeader) => Promise<UnsealOutcome>;

export type OpenOutcome =
  | { readonly kind: 'open'; readonly session: StoreSession }
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'locked';
      readonly refusal: Extract<UnsealOutcome, { kind: 'refused' }>;
    };

export interface OpenOptions {
  /** Takes a store that is older than the counter says: for `beam key recover` alone. */
  readonly acceptRollback: boolean;
}

/** An open store and the file it came from. One owner, who calls `close`. */
export class StoreSession {
  readonly store: KeyStore;
  readonly place: StorePlace;
  /** Something a person should know: the file before the last write serves. */
  readonly notice: string | null;
  #bytes: Uint8Array | null;
  #replacesDamaged: boolean;
  #counter: RollbackCounter | null;

  constructor(
    place: StorePlace,
    opened: {
      readonly store: KeyStore;
      readonly bytes: Uint8Array | null;
      readonly notice: string | null;
    },
  ) {
    this.place = place;
    this.store = opened.store;
    this.notice = opened.notice;
    this.#bytes = opened.bytes;
    this.#counter = place.counter;
    this.#replacesDamaged = opened.notice !== null;
  }

  /** Resolves once it lasts. Throws OperatorError; the file is then as it was, or new. */
  async save(): Promise<void> {
    const { path, files, entropy } = this.place;
    const counter = this.#counter;
    await withStoreLock(path, async () => {
      await this.#refuseChanged();
      const before = counter === null ? this.store.revision : await counter.read();
      const revision = before + 1n;
      const next = this.store.encode(revision, entropy);
      await saveStoreBytes(files, path, { next, previous: this.#bytes });
      this.store.revision = revision;
      this.#bytes = next;
      this.#replacesDamaged = false;
      await follow(counter, revision);
    });
  }

  /** From the next `save` on the store follows this counter: a TPM slot was added. */
  countWith(counter: RollbackCounter): void {
    this.#counter = counter;
  }

  /** Another process wrote since this one read: its write must not be lost. */
  async #refuseChanged(): Promise<void> {
    if (this.#replacesDamaged) return;
    const { path, files } = this.place;
    const found = await files.read(path);
    if (found === null ? this.#bytes === null : this.#isWhatWasRead(found)) return;
    throw new OperatorError({
      code: 'E_STORE_CHANGED',
      place: path,
      expected: 'the store as it was when it was read',
      found: 'a store that another process wrote meanwhile',
      remedy: 'do it again',
    });
  }

  #isWhatWasRead(found: Uint8Array): boolean {
    return this.#bytes !== null && equalConstantTime(found, this.#bytes);
  }

  /** The signing keys' records, as a key manager uses them. */
  blobs(): KeyBlobs {
    const { store } = this;
    return {
      read: (name) => {
        const value = store.read(recordOfKey(name));
        return value === null ? null : copyToLocked(value.expose());
      },
      write: async (name, blob) => {
        store.set(recordOfKey(name), blob);
        await this.save();
      },
      remove: async (name) => {
        if (!store.remove(recordOfKey(name))) return false;
        await this.save();
        return true;
      },
      list: () =>
        (['identity', 'tunnelSigning'] as const)
          .flatMap((purpose) => store.names(purpose).map((name) => keyOfRecord({ purpose, name })))
          .filter((name) => name !== null)
          .sort(byName),
    };
  }

  close(): void {
    this.store.destroy();
  }
}

function byName(a: KeyName, b: KeyName): number {
  if (a.kind === 'identity' || b.kind === 'identity') return a.kind === 'identity' ? -1 : 1;
  if (a.tunnelId !== b.tunnelId) return a.tunnelId < b.tunnelId ? -1 : 1;
  return a.generation - b.generation;
}

/** The counter goes to `revision`, one step at a time: it is there, or one behind. */
async function follow(counter: RollbackCounter | null, revision: bigint): Promise<void> {
  if (counter === null) return;
  for (let value = await counter.read(); value < revision;) value = await counter.increment();
}

/** Throws OperatorError E_STORE_EXISTS. The store is on the disk only after `save`. */
export async function createStore(place: StorePlace): Promise<StoreSession> {
  const { current, lastGood } = await loadStoreBytes(place.files, place.path);
  if (current !== null || lastGood !== null) {
    throw new OperatorError({
      code: 'E_STORE_EXISTS',
      place: place.path,
      expected: 'no key store yet',
      found: 'one',
      remedy: 'use it, or end it for good with `beam key destroy --all`',
    });
  }
  return new StoreSession(place, {
    store: KeyStore.create(place.entropy),
    bytes: null,
    notice: null,
  });
}

/** Throws OperatorError E_STORE_DAMAGED, E_STORE_ROLLBACK, E_STORE_MODE, E_STORE_FILE. */
export async function openStoreFile(
  place: StorePlace,
  unlock: Unlock,
  options: OpenOptions = { acceptRollback: false },
): Promise<OpenOutcome> {
  const { current, lastGood } = await loadStoreBytes(place.files, place.path);
  if (current === null && lastGood === null) return { kind: 'absent' };
  for (const [bytes, notice] of [
    [current, null],
    [lastGood, LAST_GOOD_NOTICE],
  ] as const) {
    if (bytes === null) continue;
    const attempt = await tryOpen(bytes, unlock, place.path);
    if (attempt.kind === 'opened') {
      await settleRevision(place, attempt.store, options);
      const session = new StoreSession(place, { store: attempt.store, bytes, notice });
      return { kind: 'open', session };
    }
    // A whole file that stays locked is the one that counts: the one before may well open with a
    // passphrase that was replaced since.
    if (attempt.kind === 'locked') return attempt;
  }
  throw damaged(place.path);
}

type Attempt =
  | { readonly kind: 'opened'; readonly store: KeyStore }
  | {
      readonly kind: 'locked';
      readonly refusal: Extract<UnsealOutcome, { kind: 'refused' }>;
    }
  | { readonly kind: 'damaged' };

async function tryOpen(bytes: Uint8Array, unlock: Unlock, path: string): Promise<Attempt> {
  const frame = decodeStore(bytes);
  if (frame === 'unknownVersion') throw newerStore(path);
  if (typeof frame === 'string') return { kind: 'damaged' };
  const outcome = await unlock(frame);
  if (outcome.kind === 'refused') return { kind: 'locked', refusal: outcome };
  const store = openFrame(frame, outcome.storeKey);
  return store === null ? { kind: 'damaged' } : { kind: 'opened', store };
}

function openFrame(frame: StoreFrame, storeKey: Secret): KeyStore | null {
  if (storeKey.byteLength !== 32) throw new BugError('a store key has 32 bytes');
  return KeyStore.open(frame, storeKey);
}

const LAST_GOOD_NOTICE =
  'the key store was damaged: the one before its last write is used, and what that write changed is lost';

/**
 * A write ends with the counter at the file's revision. One behind means that the write was cut off
 * before the last step, which is made up for. Anything else is another time's file.
 */
async function settleRevision(
  place: StorePlace,
  store: KeyStore,
  options: OpenOptions,
): Promise<void> {
  const { counter, path } = place;
  if (counter === null) return;
  const counted = await counter.read();
  if (store.revision === counted) return;
  if (store.revision === counted + 1n) return follow(counter, store.revision);
  if (options.acceptRollback) return;
  const { revision } = store;
  store.destroy();
  throw new OperatorError({
    code: 'E_STORE_ROLLBACK',
    place: path,
    expected: `the store's revision ${counted}, which the TPM counts`,
    found: `revision ${revision}: an older file was put back, or the TPM was replaced`,
    remedy: 'put the newest file back; if there is none: `beam key recover --accept-rollback`',
  });
}

/** Not damage: the file before would silently undo what the newer Beam did. */
const newerStore = (path: string): OperatorError =>
  new OperatorError({
    code: 'E_STORE_VERSION',
    place: path,
    expected: 'a key store of version 1',
    found: 'another version',
    remedy: 'use the version of Beam that wrote it',
  });

const damaged = (path: string): OperatorError =>
  new OperatorError({
    code: 'E_STORE_DAMAGED',
    place: path,
    expected: 'a key store that is whole and authentic',
    found: 'a damaged one, and no good one before it',
    remedy: 'restore a backup: `beam restore FILE`',
  });
