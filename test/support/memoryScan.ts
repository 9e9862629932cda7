// Looks for bytes in this process's own memory (/proc/self/mem) without holding them: the needle is
// kept masked. Run as a program it opens and closes a store, and prints where its key still is.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KeyStore } from '../../src/keyStore/keyStore.js';
import { decodeStore } from '../../src/keyStore/storeFormat.js';
import { copyToLocked } from '../../src/crypto/lockedMemory.js';
import { systemEntropy } from '../../src/platform/entropy.js';

const MASK = 0x5a;
const CHUNK_BYTES = 1 << 20;

export const masked = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ MASK);

/** Addresses at which the bytes behind `needle` stand, with the mapping's name. */
export function findInOwnMemory(needle: Uint8Array): string[] {
  const found: string[] = [];
  const memory = openSync('/proc/self/mem', 'r');
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      const range = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)$/.exec(line);
      if (range === null || range[3] === '[vvar]') continue;
      const end = parseInt(range[2]!, 16);
      for (let at = parseInt(range[1]!, 16); at < end; at += CHUNK_BYTES - needle.length) {
        const length = readAt(memory, chunk, { at, byteLength: Math.min(CHUNK_BYTES, end - at) });
        const hit = indexOfMasked(chunk.subarray(0, length), needle);
        if (hit >= 0) found.push(`${(at + hit).toString(16)} ${range[3]!}`);
      }
      chunk.fill(0);
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

/** 0 where the pages can't be read. */
function readAt(
  memory: number,
  chunk: Uint8Array,
  { at, byteLength }: { readonly at: number; readonly byteLength: number },
): number {
  try {
    return readSync(memory, chunk, 0, byteLength, at);
  } catch {
    return 0;
  }
}

function indexOfMasked(haystack: Uint8Array, needle: Uint8Array): number {
  const first = needle[0]! ^ MASK;
  for (let at = haystack.indexOf(first); at >= 0; at = haystack.indexOf(first, at + 1)) {
    if (at + needle.length > haystack.length) return -1;
    let same = 1;
    while (same < needle.length && haystack[at + same]! === (needle[same]! ^ MASK)) same++;
    if (same === needle.length) return at;
  }
  return -1;
}

/** A store that is made, written, opened and closed, as often as a process may do it. */
function useStore(rounds: number): { key: Uint8Array; value: Uint8Array; store: KeyStore } {
  const store = KeyStore.create(systemEntropy);
  store.slots = [{ kind: 'recovery', body: new Uint8Array(64) }];
  const id = { purpose: 'tunnelKey', name: 'wg0' } as const;
  const value = systemEntropy(32);
  store.set(id, value);
  const needle = { key: masked(store.storeKey.expose()), value: masked(value) };
  value.fill(0);
  for (let i = 0; i < rounds; i++) {
    const frame = decodeStore(store.encode(BigInt(i + 1), systemEntropy));
    if (typeof frame === 'string') throw new Error(frame);
    KeyStore.open(frame, copyToLocked(store.storeKey.expose()))!.destroy();
  }
  return { ...needle, store };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { key, value, store } = useStore(20);
  const whileOpen = { key: findInOwnMemory(key), value: findInOwnMemory(value) };
  store.destroy();
  const after = { key: findInOwnMemory(key), value: findInOwnMemory(value) };
  process.stdout.write(JSON.stringify({ whileOpen, after }));
}
