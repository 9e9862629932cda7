import test from 'ava';
import { concat, toHex } from '../../../src/base/bytes.js';
import { copyToLocked } from '../../../src/crypto/lockedMemory.js';
import { KeyStore } from '../../../src/keyStore/keyStore.js';
import {
  CHECKSUM_BYTES,
  checksum,
  decodeStore,
  STORE_BYTES_MAX,
  type StoreFrame,
} from '../../../src/keyStore/storeFormat.js';
import { sealStore } from '../../../src/keyStore/storeCipher.js';
import { keyOfRecord, recordOfKey } from '../../../src/keyStore/records.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const SLOT = { kind: 'recovery', body: new Uint8Array(64).fill(3) } as const;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function sample(): { store: KeyStore; bytes: Uint8Array } {
  const entropy = seededEntropy('store');
  const store = KeyStore.create(entropy);
  store.slots = [SLOT];
  store.set({ purpose: 'tunnelKey', name: 'wg0' }, text('a tunnel key'));
  store.set({ purpose: 'identity', name: 'identity' }, text('an identity'));
  store.set({ purpose: 'tunnelSigning', name: 'wg0/1' }, text(''));
  return { store, bytes: store.encode(7n, entropy) };
}

const frameOf = (bytes: Uint8Array): StoreFrame => {
  const frame = decodeStore(bytes);
  if (typeof frame === 'string') throw new Error(frame);
  return frame;
};

const reopen = (bytes: Uint8Array, store: KeyStore): KeyStore | string | null => {
  const frame = decodeStore(bytes);
  if (typeof frame === 'string') return frame;
  return KeyStore.open(frame, copyToLocked(store.storeKey.expose()));
};

test('a store that is sealed and opened has the same records, slots and revision', (t) => {
  const { store, bytes } = sample();
  const opened = reopen(bytes, store) as KeyStore;
  t.is(opened.revision, 7n);
  t.deepEqual(opened.slots, [SLOT]);
  t.deepEqual(opened.storeId, store.storeId);
  t.deepEqual(
    opened.records().map(({ purpose, name, value }) => [purpose, name, toHex(value.expose())]),
    store.records().map(({ purpose, name, value }) => [purpose, name, toHex(value.expose())]),
  );
  t.deepEqual(opened.names('tunnelKey'), ['wg0']);
});

test('no byte of a value is in the file, and two writes of one revision share nothing sealed', (t) => {
  const { store, bytes } = sample();
  t.false(Buffer.from(bytes).includes('a tunnel key'));
  t.false(Buffer.from(bytes).includes(Buffer.from(store.storeKey.expose())));
  const again = frameOf(store.encode(7n, seededEntropy('another write')));
  const sealed = frameOf(bytes).records.map((record) => toHex(record.sealed));
  t.true(again.records.every((record) => !sealed.includes(toHex(record.sealed))));
});

test('refuses a file with any one bit changed', (t) => {
  const { store, bytes } = sample();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    t.is(typeof decodeStore(changed), 'string', 'the checksum sees it without a key');
    // Somebody who knows the format mends the checksum: then the tags have to see it.
    const whole = changed.subarray(0, -CHECKSUM_BYTES);
    if (bit < whole.length * 8) changed.set(checksum(whole), whole.length);
    const opened = reopen(changed, store);
    if (opened instanceof KeyStore) t.fail(`bit ${bit} of byte ${bit >> 3} changed, and it opened`);
  }
  t.pass();
});

test('refuses every other length', (t) => {
  const { bytes } = sample();
  for (let length = 0; length < bytes.length; length++) {
    t.is(decodeStore(bytes.subarray(0, length)), 'malformed', String(length));
  }
  t.is(decodeStore(concat(bytes, Uint8Array.of(0))), 'malformed');
  t.is(decodeStore(new Uint8Array(STORE_BYTES_MAX + 1)), 'malformed');
});

test('names a version that it does not know', (t) => {
  const { bytes } = sample();
  bytes[9] = 2;
  t.is(decodeStore(bytes), 'unknownVersion', 'whatever follows the version');
});

test('refuses another key, and records that were swapped, renamed, taken out or put in twice', (t) => {
  const { store, bytes } = sample();
  t.is(KeyStore.open(frameOf(bytes), copyToLocked(new Uint8Array(32))), null);
  const frame = frameOf(bytes);
  const [first, second, third] = frame.records;
  const open = (records: StoreFrame['records']): KeyStore | null =>
    KeyStore.open({ ...frame, records }, copyToLocked(store.storeKey.expose()));
  t.truthy(open(frame.records));
  t.is(open([second!, first!, third!]), null, 'swapped');
  t.is(open([{ ...first!, name: 'wg1' }, second!, third!]), null, 'renamed');
  t.is(open([{ ...first!, purpose: 'holder' }, second!, third!]), null, 'another purpose');
  const values = store.records().map((record) => ({ ...record }));
  const twice = sealStore({ ...frame }, [...values, values[0]!], store.storeKey);
  t.is(decodeStore(twice), 'malformed', 'twice');
});

test('refuses a record of another revision or another store', (t) => {
  const { store, bytes } = sample();
  const frame = frameOf(bytes);
  const key = (): ReturnType<typeof copyToLocked> => copyToLocked(store.storeKey.expose());
  t.is(KeyStore.open({ ...frame, revision: 8n }, key()), null);
  t.is(KeyStore.open({ ...frame, storeId: new Uint8Array(16) }, key()), null);
});

test('a record that is replaced or removed is zeroed, and all are at the end', (t) => {
  const { store } = sample();
  const id = { purpose: 'tunnelKey', name: 'wg0' } as const;
  const before = store.read(id)!;
  store.set(id, text('next'));
  t.true(before.destroyed);
  const next = store.read(id)!;
  t.true(store.remove(id));
  t.true(next.destroyed);
  t.false(store.remove(id));
  const identity = store.read({ purpose: 'identity', name: 'identity' })!;
  store.destroy();
  t.true(identity.destroyed && store.storeKey.destroyed);
});

test('a key name and its record name each other, and other records are no signing keys', (t) => {
  for (const name of [
    { kind: 'identity' },
    { kind: 'tunnel', tunnelId: 'wg0', generation: 1 },
    { kind: 'tunnel', tunnelId: 'a.b_c=d+e-f', generation: 999_999_999 },
  ] as const) {
    t.deepEqual(keyOfRecord(recordOfKey(name)), name);
  }
  for (const name of ['wg0', 'wg0/0', 'wg0/01', '/1', 'wg0/1/2/x', 'sixteen-letters-/1']) {
    t.is(keyOfRecord({ purpose: 'tunnelSigning', name }), null, name);
  }
  t.is(keyOfRecord({ purpose: 'tunnelKey', name: 'wg0/1' }), null);
});
