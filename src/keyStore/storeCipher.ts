// Seals and opens a store: every record under a key for its purpose, the frame as a whole under one
// more. SPEC.md 10.6.
import { concat } from '../base/bytes.js';
import { unsigned } from '../base/byteReader.js';
import type { Secret } from '../base/secret.js';
import { aes256Gcm, TAG_BYTES } from '../crypto/aead.js';
import { sha256 } from '../crypto/hash.js';
import { hkdfExpand, hkdfExtract } from '../crypto/hkdf.js';
import { lockedSecret } from '../crypto/lockedMemory.js';
import type { RecordId, RecordPurpose } from './records.js';
import {
  checksum,
  encodeHeader,
  encodeRecords,
  recordLabel,
  type SealedRecord,
  type StoreFrame,
  type StoreHeader,
} from './storeFormat.js';

export interface OpenRecord extends RecordId {
  readonly value: Secret;
}

/** The whole file. Borrows the secrets. A header's salt serves for one call. */
export function sealStore(
  header: StoreHeader,
  records: readonly OpenRecord[],
  storeKey: Secret,
): Uint8Array {
  return withKeys(header, storeKey, (keyOf) => {
    const sealed = records.map((record, index): SealedRecord => {
      const { purpose, name, value } = record;
      const target = new Uint8Array(value.byteLength + TAG_BYTES);
      aes256Gcm.seal(target, value.expose(), recordInput(header, record, index, keyOf(purpose)));
      return { purpose, name, sealed: target };
    });
    const body = concat(encodeHeader(header), encodeRecords(sealed));
    const tag = new Uint8Array(TAG_BYTES);
    aes256Gcm.seal(tag, new Uint8Array(0), frameInput(body, keyOf('frame')));
    return concat(body, tag, checksum(concat(body, tag)));
  });
}

/** The records in locked memory, for the caller to own; null if a single byte isn't authentic. */
export function openStore(frame: StoreFrame, storeKey: Secret): OpenRecord[] | null {
  return withKeys(frame, storeKey, (keyOf) => {
    const input = frameInput(frame.authenticated, keyOf('frame'));
    if (!aes256Gcm.open(new Uint8Array(0), frame.tag, input)) return null;
    const opened: OpenRecord[] = [];
    for (const [index, record] of frame.records.entries()) {
      const { purpose, name, sealed } = record;
      const value = lockedSecret(sealed.length - TAG_BYTES);
      opened.push({ purpose, name, value });
      const key = keyOf(purpose);
      if (aes256Gcm.open(value.expose(), sealed, recordInput(frame, record, index, key))) continue;
      for (const one of opened) one.value.destroy();
      return null;
    }
    return opened;
  });
}

type KeyUse = RecordPurpose | 'frame';

/** HKDF-SHA-256: salt is store id and salt of the write, info names the use. Keys end with the call. */
function withKeys<Result>(
  { storeId, salt }: Pick<StoreHeader, 'storeId' | 'salt'>,
  storeKey: Secret,
  use: (keyOf: (use: KeyUse) => Uint8Array) => Result,
): Result {
  const extracted = hkdfExtract(sha256, concat(storeId, salt), storeKey.expose());
  const keys = new Map<KeyUse, Uint8Array>();
  const keyOf = (use: KeyUse): Uint8Array => {
    const info = new TextEncoder().encode(`Beam store 1 ${use}`);
    const key = keys.get(use) ?? hkdfExpand(sha256, { key: extracted, info, byteLength: 32 });
    keys.set(use, key);
    return key;
  };
  try {
    return use(keyOf);
  } finally {
    extracted.fill(0);
    for (const key of keys.values()) key.fill(0);
  }
}

interface Input {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
}

function recordInput(
  { storeId, revision }: Pick<StoreHeader, 'storeId' | 'revision'>,
  record: RecordId,
  index: number,
  key: Uint8Array,
): Input {
  const context = new TextEncoder().encode('Beam store 1 record');
  const associated = concat(context, storeId, unsigned(revision, 8), recordLabel(record));
  return { key, nonce: nonceOf(index), associated };
}

const frameInput = (body: Uint8Array, key: Uint8Array): Input => ({
  key,
  nonce: nonceOf(0),
  associated: body,
});

/** The keys are new with every write, so that a record's place is nonce enough. */
const nonceOf = (index: number): Uint8Array => concat(new Uint8Array(8), unsigned(index, 4));
