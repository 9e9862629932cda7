// The persisted list of a peer's pre-shared keys as bytes. SPEC.md 10.45.
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat } from '../base/bytes.js';
import { Secret } from '../base/secret.js';
import { PRESHARED_KEYS_MAX } from './limits.js';

export interface SavedPresharedKey {
  readonly generation: bigint;
  /** 32 bytes. */
  readonly key: Secret;
  /** The peer accepts it. */
  readonly peerHas: boolean;
  /** The peer responds with it or a later one. */
  readonly peerSwitched: boolean;
}

const VERSION = 1;
const PEER_HAS = 1;
const PEER_SWITCHED = 2;

/** A new secret, the caller's; the keys are borrowed. */
export function encodePresharedKeys(keys: readonly SavedPresharedKey[]): Secret {
  const parts: Uint8Array[] = [Uint8Array.of(VERSION, keys.length)];
  for (const { generation, key, peerHas, peerSwitched } of keys) {
    const flags = (peerHas ? PEER_HAS : 0) | (peerSwitched ? PEER_SWITCHED : 0);
    parts.push(unsigned(generation, 8), key.expose(), Uint8Array.of(flags));
  }
  return new Secret(concat(...parts));
}

/** Null if these aren't the bytes of a list. The keys are new secrets, the caller's. */
export function decodePresharedKeys(value: Secret): readonly SavedPresharedKey[] | null {
  const reader = new ByteReader(value.expose());
  const [version, count] = [reader.number(1), reader.number(1)];
  if (version !== VERSION || count === null || count < 1 || count > PRESHARED_KEYS_MAX) return null;
  const keys: SavedPresharedKey[] = [];
  for (let i = 0; i < count; i++) {
    const [generation, key, flags] = [reader.u64(), reader.take(32), reader.number(1)];
    if (key !== null) {
      const saved = { generation: generation ?? 0n, key: new Secret(key) };
      const peerHas = ((flags ?? 0) & PEER_HAS) !== 0;
      keys.push({ ...saved, peerHas, peerSwitched: ((flags ?? 0) & PEER_SWITCHED) !== 0 });
    }
    const grows = i === 0 || (keys[i]?.generation ?? 0n) > keys[i - 1]!.generation;
    if (flags === null || flags > (PEER_HAS | PEER_SWITCHED) || !grows) return forget(keys);
  }
  // The first is the one that both had before: 10.45 drops nothing else below a key.
  return reader.atEnd && keys[0]!.peerHas ? keys : forget(keys);
}

function forget(keys: readonly SavedPresharedKey[]): null {
  for (const { key } of keys) key.destroy();
  return null;
}
