// A backup file: everything to rebuild a device, under a passphrase or for a recipient.
// SPEC.md 10.15.
import { assert } from '../base/assert.js';
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat, equalConstantTime } from '../base/bytes.js';
import type { Secret } from '../base/secret.js';
import { wallTime, type WallTime } from '../base/time.js';
import { aes256Gcm, TAG_BYTES } from '../crypto/aead.js';
import { sha256 } from '../crypto/hash.js';
import { hkdfExpand, hkdfExtract } from '../crypto/hkdf.js';
import { copyToLocked, moveToLocked } from '../crypto/lockedMemory.js';
import { isRecordName, PURPOSE_CODES, purposeOfCode, type RecordId } from './records.js';
import type { OpenRecord } from './storeCipher.js';
import {
  CHECKSUM_BYTES,
  checksum,
  RECORD_VALUE_BYTES,
  RECORDS_MAX,
  STORE_BYTES_MAX,
} from './storeFormat.js';

export type BackupLock = 'passphrase' | 'recipient';

/** Authenticated only once the content was opened. */
export interface BackupFrame {
  readonly lock: BackupLock;
  /** How the file key is wrapped: a passphrase slot, or an X-Wing ciphertext and a wrapped key. */
  readonly lockBody: Uint8Array;
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
}

export interface BackupContent {
  readonly createdAt: WallTime;
  /** Of the device that was backed up. */
  readonly did: string;
  /** Owned by whoever opened the backup. */
  readonly records: readonly OpenRecord[];
}

export type BackupRefusal = 'malformed' | 'unknownVersion' | 'damaged';

const MAGIC = new TextEncoder().encode('BEAMBACK');
const VERSION = 1;
const LOCKS: readonly (BackupLock | null)[] = [null, 'passphrase', 'recipient'];
const LOCK_BODY_BYTES = 4096;

/** The file key serves for this one file: 32 random bytes. */
export function sealBackup(
  content: BackupContent,
  fileKey: Secret,
  lock: Pick<BackupFrame, 'lock' | 'lockBody'>,
): Uint8Array {
  const header = concat(
    MAGIC,
    unsigned(VERSION, 2),
    unsigned(LOCKS.indexOf(lock.lock), 1),
    unsigned(lock.lockBody.length, 2),
    lock.lockBody,
  );
  const plaintext = encodeContent(content);
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
  withContentKey(fileKey, (key) =>
    aes256Gcm.seal(sealed, plaintext, { key, nonce: NONCE, associated: header }),
  );
  plaintext.fill(0);
  const body = concat(header, unsigned(sealed.length, 4), sealed);
  assert(body.length + CHECKSUM_BYTES <= STORE_BYTES_MAX, 'a backup has at most 16 MiB');
  return concat(body, checksum(body));
}

/** Never throws, whatever the bytes are. */
export function decodeBackup(bytes: Uint8Array): BackupFrame | BackupRefusal {
  if (bytes.length > STORE_BYTES_MAX) return 'malformed';
  const reader = new ByteReader(bytes);
  const magic = reader.take(MAGIC.length);
  if (magic?.every((byte, i) => byte === MAGIC[i]) !== true) return 'malformed';
  if (reader.number(2) !== VERSION) return reader.failed ? 'malformed' : 'unknownVersion';
  const lock = LOCKS[reader.number(1) ?? 0] ?? null;
  const lockBody = reader.take(Math.min(reader.number(2) ?? 0, LOCK_BODY_BYTES));
  const header = bytes.slice(0, reader.offset);
  const sealed = reader.take(reader.number(4) ?? 0);
  const body = bytes.slice(0, reader.offset);
  const sum = reader.take(CHECKSUM_BYTES);
  if (sum === null || !reader.atEnd || !equalConstantTime(sum, checksum(body))) return 'damaged';
  if (lock === null || lockBody === null || sealed === null) return 'malformed';
  return { lock, lockBody, header, sealed };
}

/** Null if it isn't authentic under that key. The caller owns the records. */
export function openBackup(frame: BackupFrame, fileKey: Secret): BackupContent | null {
  const { sealed, header } = frame;
  if (sealed.length < TAG_BYTES) return null;
  const plaintext = new Uint8Array(sealed.length - TAG_BYTES);
  const opened = withContentKey(fileKey, (key) =>
    aes256Gcm.open(plaintext, sealed, { key, nonce: NONCE, associated: header }),
  );
  try {
    return opened ? decodeContent(plaintext) : null;
  } finally {
    plaintext.fill(0);
  }
}

/** The content key is used once, so that the nonce may be zero. */
const NONCE = new Uint8Array(12);

function withContentKey<Result>(fileKey: Secret, use: (key: Uint8Array) => Result): Result {
  const extracted = hkdfExtract(sha256, new Uint8Array(0), fileKey.expose());
  const info = new TextEncoder().encode('Beam backup 1 content');
  const key = hkdfExpand(sha256, { key: extracted, info, byteLength: 32 });
  extracted.fill(0);
  try {
    return use(key);
  } finally {
    key.fill(0);
  }
}

/** Wraps the file key for a recipient: X-Wing's shared secret through HKDF. The caller owns it. */
export function recipientWrappingKey(sharedSecret: Secret): Secret {
  const key = hkdfExtract(sha256, new Uint8Array(0), sharedSecret.expose());
  const info = new TextEncoder().encode('Beam backup 1 recipient');
  try {
    return moveToLocked(hkdfExpand(sha256, { key, info, byteLength: 32 }));
  } finally {
    key.fill(0);
  }
}

function encodeContent({ createdAt, did, records }: BackupContent): Uint8Array {
  const parts = records.flatMap((record) => [
    recordHead(record),
    unsigned(record.value.byteLength, 4),
    record.value.expose(),
  ]);
  const name = new TextEncoder().encode(did);
  return concat(
    unsigned(Math.floor(createdAt / 1000), 8),
    unsigned(name.length, 1),
    name,
    unsigned(records.length, 2),
    ...parts,
  );
}

function recordHead({ purpose, name }: RecordId): Uint8Array {
  const bytes = new TextEncoder().encode(name);
  return concat(Uint8Array.of(PURPOSE_CODES[purpose], bytes.length), bytes);
}

/** It was authentic: another form is another program's, and no record of it is used. */
function decodeContent(bytes: Uint8Array): BackupContent | null {
  const reader = new ByteReader(bytes);
  const seconds = reader.u64();
  const did = Buffer.from(reader.take(reader.number(1) ?? 0) ?? []).toString('latin1');
  const count = reader.number(2) ?? 0;
  const records: OpenRecord[] = [];
  for (let i = 0; i < Math.min(count, RECORDS_MAX); i++) {
    const record = readRecord(reader);
    if (record !== null) records.push(record);
  }
  if (reader.atEnd && seconds !== null && records.length === count) {
    return { createdAt: wallTime(Number(seconds) * 1000), did, records };
  }
  for (const { value } of records) value.destroy();
  return null;
}

function readRecord(reader: ByteReader): OpenRecord | null {
  const purpose = purposeOfCode(reader.number(1) ?? 0);
  const name = Buffer.from(reader.take(reader.number(1) ?? 0) ?? []).toString('latin1');
  const byteLength = reader.number(4) ?? RECORD_VALUE_BYTES + 1;
  if (byteLength > RECORD_VALUE_BYTES) return null;
  const value = reader.take(byteLength);
  if (purpose === null || value === null || !isRecordName(name)) return null;
  const secret = copyToLocked(value);
  value.fill(0);
  return { purpose, name, value: secret };
}
