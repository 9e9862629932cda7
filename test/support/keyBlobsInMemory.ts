// The store's records of keys, in memory.
import { Secret } from '../../src/base/secret.js';
import type { KeyBlobs, KeyName } from '../../src/ports/keyManager.js';

export class KeyBlobsInMemory implements KeyBlobs {
  readonly records = new Map<string, Uint8Array>();

  read(name: KeyName): Secret | null {
    const blob = this.records.get(JSON.stringify(name));
    return blob === undefined ? null : new Secret(blob.slice());
  }

  write(name: KeyName, blob: Uint8Array): Promise<void> {
    this.records.set(JSON.stringify(name), blob.slice());
    return Promise.resolve();
  }

  remove(name: KeyName): Promise<boolean> {
    return Promise.resolve(this.records.delete(JSON.stringify(name)));
  }

  list(): readonly KeyName[] {
    return [...this.records.keys()].map((text) => JSON.parse(text) as KeyName);
  }
}
