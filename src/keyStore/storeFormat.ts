// The store file's frame: which bytes are what, before anything is decrypted. SPEC.md 10.6.
import { assert } from '../base/assert.js';
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat, equalConstantTime } from '../base/bytes.js';
import { TAG_BYTES } from '../crypto/aead.js';
import { sha256 } from '../crypto/hash.js';
import { SLOT_BODY_BYTES } from '../ports/keyManager.js';
import { isRecordName, PURPOSE_CODES, purposeOfCode, recordKey, type RecordId } from './records.js';

export const STORE_ID_BYTES = 16;
export const STORE_SALT_BYTES = 32;
/** Tells damage from a wrong key before there is one: the first bytes of SHA-256. */
export const CHECKSUM_BYTES = 8;
export const STORE_BYTES_MAX = 16 * 1024 * 1024;
export const SLOTS_MAX = 8;
export const RECORDS_MAX = 4096;
export const RECORD_VALUE_BYTES = 65_536;

/** Where the store lies if nothing else is said. */
export const DEFAULT_STORE_PATH = '/var/lib/beam/keys/store';

const MAGIC = new TextEncoder().encode('BEAMKEYS');
const VERSION = 1;

export type SlotKind = 'tpm' | 'pkcs11' | 'passphrase' | 'recovery';
const SLOT_CODES: readonly (SlotKind | null)[] = [null, 'tpm', 'pkcs11', 'passphrase', 'recovery'];

/** One way to the store key. `body` is the holder's. */
export interface KeySlot {
  readonly kind: SlotKind;
  readonly body: Uint8Array;
}

export interface StoreHeader {
  /** Random, made once for each store. */
  readonly storeId: Uint8Array;
  /** Random, made for each write. */
  readonly salt: Uint8Array;
  /** Grows with every write. */
  readonly revision: bigint;
  readonly slots: readonly KeySlot[];
}

export interface SealedRecord extends RecordId {
  /** 16 bytes more than the value. */
  readonly sealed: Uint8Array;
}

/** A file's content, cut up and not yet authenticated. */
export interface StoreFrame extends StoreHeader {
  readonly records: readonly SealedRecord[];
  /** All bytes before tag and checksum. */
  readonly authenticated: Uint8Array;
  readonly tag: Uint8Array;
}

export type StoreRefusal = 'malformed' | 'unknownVersion' | 'notAuthentic';

export function encodeHeader(header: StoreHeader): Uint8Array {
  const { storeId, salt, revision, slots } = header;
  assert(storeId.length === STORE_ID_BYTES && salt.length === STORE_SALT_BYTES, 'id and salt');
  assert(slots.length >= 1 && slots.length <= SLOTS_MAX, 'a store has 1 to 8 key slots');
  const parts = slots.map(({ kind, body }) => {
    assert(body.length >= 1 && body.length <= SLOT_BODY_BYTES, 'the size of a slot');
    return concat(unsigned(SLOT_CODES.indexOf(kind), 1), unsigned(body.length, 2), body);
  });
  return concat(
    MAGIC,
    unsigned(VERSION, 2),
    storeId,
    salt,
    unsigned(revision, 8),
    unsigned(slots.length, 1),
    ...parts,
  );
}

export function encodeRecords(records: readonly SealedRecord[]): Uint8Array {
  assert(records.length <= RECORDS_MAX, 'the number of records');
  const parts = records.flatMap((record) => [
    recordLabel(record),
    unsigned(record.sealed.length, 4),
    record.sealed,
  ]);
  return concat(unsigned(records.length, 2), ...parts);
}

/** Purpose and name as they stand in the file and in the AAD. */
export function recordLabel({ purpose, name }: RecordId): Uint8Array {
  assert(isRecordName(name), 'a record name');
  return concat(Uint8Array.of(PURPOSE_CODES[purpose], name.length), new TextEncoder().encode(name));
}

/** Never throws, whatever the bytes are. */
export function decodeStore(bytes: Uint8Array): StoreFrame | StoreRefusal {
  if (bytes.length > STORE_BYTES_MAX) return 'malformed';
  const reader = new ByteReader(bytes);
  const magic = reader.take(MAGIC.length);
  if (magic?.every((byte, i) => byte === MAGIC[i]) !== true) return 'malformed';
  if (reader.number(2) !== VERSION) return reader.failed ? 'malformed' : 'unknownVersion';
  const storeId = reader.take(STORE_ID_BYTES);
  const salt = reader.take(STORE_SALT_BYTES);
  const revision = reader.u64();
  const slots = readSlots(reader);
  const records = readRecords(reader);
  const end = reader.offset;
  const tag = reader.take(TAG_BYTES);
  const sum = reader.take(CHECKSUM_BYTES);
  if (storeId === null || salt === null || revision === null) return 'malformed';
  if (slots === null || records === null || tag === null || !reader.atEnd) return 'malformed';
  const whole = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (sum === null || !equalConstantTime(sum, checksum(whole))) return 'malformed';
  return { storeId, salt, revision, slots, records, authenticated: bytes.slice(0, end), tag };
}

export const checksum = (bytes: Uint8Array): Uint8Array =>
  sha256.hash(bytes).subarray(0, CHECKSUM_BYTES);

function readSlots(reader: ByteReader): KeySlot[] | null {
  const count = reader.number(1) ?? 0;
  if (count < 1 || count > SLOTS_MAX) return null;
  const slots: KeySlot[] = [];
  for (let i = 0; i < count; i++) {
    const kind = SLOT_CODES[reader.number(1) ?? 0] ?? null;
    const byteLength = reader.number(2) ?? 0;
    if (byteLength < 1 || byteLength > SLOT_BODY_BYTES) return null;
    const body = reader.take(byteLength);
    if (kind === null || body === null) return null;
    slots.push({ kind, body });
  }
  return slots;
}

function readRecords(reader: ByteReader): SealedRecord[] | null {
  const count = reader.number(2) ?? RECORDS_MAX + 1;
  if (count > RECORDS_MAX) return null;
  const records: SealedRecord[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const record = readRecord(reader);
    if (record === null || seen.has(recordKey(record))) return null;
    seen.add(recordKey(record));
    records.push(record);
  }
  return records;
}

function readRecord(reader: ByteReader): SealedRecord | null {
  const purpose = purposeOfCode(reader.number(1) ?? 0);
  const nameBytes = reader.take(reader.number(1) ?? 0);
  const byteLength = reader.number(4) ?? 0;
  if (byteLength < TAG_BYTES || byteLength > RECORD_VALUE_BYTES + TAG_BYTES) return null;
  const sealed = reader.take(byteLength);
  if (purpose === null || nameBytes === null || sealed === null) return null;
  const name = Buffer.from(nameBytes).toString('latin1');
  return isRecordName(name) ? { purpose, name, sealed } : null;
}
