// Where a key manager under test keeps its blobs.
import { Secret } from '../../src/base/secret.js';
import { recordKey, recordOfKey } from '../../src/keyStore/records.js';
import type { KeyBlobs, KeyName } from '../../src/ports/keyManager.js';

export function memoryBlobs(): KeyBlobs {
  const blobs = new Map<string, { name: KeyName; blob: Uint8Array }>();
  const key = (name: KeyName): string => recordKey(recordOfKey(name));
  return {
    read: (name) => {
      const found = blobs.get(key(name));
      return found === undefined ? null : new Secret(found.blob.slice());
    },
    write: (name, blob) => {
      blobs.set(key(name), { name, blob: blob.slice() });
      return Promise.resolve();
    },
    remove: (name) => Promise.resolve(blobs.delete(key(name))),
    list: () => [...blobs.values()].map(({ name }) => name),
  };
}
