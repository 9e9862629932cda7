// An open store: its key, its slots and its records, in memory. SPEC.md 10.6 and 10.7.
import { assert } from '../base/assert.js';
import type { Secret } from '../base/secret.js';
import { copyToLocked, moveToLocked } from '../crypto/lockedMemory.js';
import type { Entropy } from '../ports/entropy.js';
import { STORE_KEY_BYTES } from './keySlots.js';
import { isRecordName, recordKey, type RecordId, type RecordPurpose } from './records.js';
import { openStore, sealStore, type OpenRecord } from './storeCipher.js';
import {
  RECORD_VALUE_BYTES,
  RECORDS_MAX,
  STORE_ID_BYTES,
  STORE_SALT_BYTES,
  type KeySlot,
  type StoreFrame,
} from './storeFormat.js';

/** Owns the store key and all values; `destroy` ends them. */
export class KeyStore {
  readonly storeId: Uint8Array;
  readonly storeKey: Secret;
  /** Of the file as it was read or last written; 0 before the first write. */
  revision: bigint;
  slots: readonly KeySlot[];
  readonly #records: Map<string, OpenRecord>;

  private constructor(
    identity: { readonly storeId: Uint8Array; readonly storeKey: Secret },
    content: {
      readonly revision: bigint;
      readonly slots: readonly KeySlot[];
      readonly records: readonly OpenRecord[];
    },
  ) {
    this.storeId = identity.storeId;
    this.storeKey = identity.storeKey;
    this.revision = content.revision;
    this.slots = content.slots;
    this.#records = new Map(content.records.map((record) => [recordKey(record), record]));
  }

  /** A new, empty store with a random key, which has no slots yet. */
  static create(entropy: Entropy): KeyStore {
    return new KeyStore(
      { storeId: entropy(STORE_ID_BYTES), storeKey: moveToLocked(entropy(STORE_KEY_BYTES)) },
      { revision: 0n, slots: [], records: [] },
    );
  }

  /** Takes `storeKey` over, whatever the answer; null if it doesn't open the frame. */
  static open(frame: StoreFrame, storeKey: Secret): KeyStore | null {
    const records = openStore(frame, storeKey);
    if (records === null) {
      storeKey.destroy();
      return null;
    }
    const { storeId, revision, slots } = frame;
    return new KeyStore({ storeId, storeKey }, { revision, slots, records });
  }

  /** Borrowed: gone after `set`, `remove` or `destroy`. */
  read(id: RecordId): Secret | null {
    return this.#records.get(recordKey(id))?.value ?? null;
  }

  /** Copies `value`. */
  set(id: RecordId, value: Uint8Array): void {
    assert(isRecordName(id.name) && value.length <= RECORD_VALUE_BYTES, 'a record fits');
    assert(
      this.#records.has(recordKey(id)) || this.#records.size < RECORDS_MAX,
      'a store has room',
    );
    const copy = copyToLocked(value);
    this.#records.get(recordKey(id))?.value.destroy();
    const { purpose, name } = id;
    this.#records.set(recordKey(id), { purpose, name, value: copy });
  }

  /** True if there was one. */
  remove(id: RecordId): boolean {
    this.#records.get(recordKey(id))?.value.destroy();
    return this.#records.delete(recordKey(id));
  }

  names(purpose: RecordPurpose): string[] {
    return [...this.#records.values()]
      .filter((record) => record.purpose === purpose)
      .map(({ name }) => name)
      .sort();
  }

  /** Borrowed, as with `read`. */
  records(): readonly OpenRecord[] {
    return [...this.#records.values()];
  }

  /** The file of that revision, its salt new. */
  encode(revision: bigint, entropy: Entropy): Uint8Array {
    const { storeId, slots, storeKey } = this;
    const salt = entropy(STORE_SALT_BYTES);
    return sealStore({ storeId, salt, revision, slots }, this.records(), storeKey);
  }

  destroy(): void {
    this.storeKey.destroy();
    for (const { value } of this.#records.values()) value.destroy();
    this.#records.clear();
  }
}
