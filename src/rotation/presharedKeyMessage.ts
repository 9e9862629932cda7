// The two messages of a pre-shared key's rotation. SPEC.md 10.45.
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat, equalConstantTime } from '../base/bytes.js';
import type { Secret } from '../base/secret.js';
import { sha256 } from '../crypto/hash.js';

export type PresharedKeyMessage = Have | Lacks;

/** The sender will never have this generation, or has another key under its number. */
export interface Lacks {
  readonly kind: 'lacks';
  readonly generation: bigint;
}

export interface Have {
  readonly kind: 'have';
  readonly generation: bigint;
  /** The sender knows that the receiver has the key, and responds with it or a later one. */
  readonly knows: boolean;
  /** The sender has seen the receiver's `knows`. */
  readonly done: boolean;
}

export const HAVE_BYTES = 42;
export const LACKS_BYTES = 10;
const HAVE = 1;
const LACKS = 2;
const KNOWS = 1;
const DONE = 2;
const LABEL = Buffer.from('Beam psk have 1\0');

/** 42 bytes. `sender`: its static public key, 32 bytes. */
export function encodeHave(have: Omit<Have, 'kind'>, key: Secret, sender: Uint8Array): Uint8Array {
  const flags = (have.knows ? KNOWS : 0) | (have.done ? DONE : 0);
  const head = concat(Uint8Array.of(HAVE, flags), unsigned(have.generation, 8));
  return concat(head, tag(head, key, sender));
}

const tag = (head: Uint8Array, key: Secret, sender: Uint8Array): Uint8Array =>
  sha256.hmac(key.expose(), LABEL, sender, head);

/** 10 bytes. */
export const encodeLacks = (generation: bigint): Uint8Array =>
  concat(Uint8Array.of(LACKS, 0), unsigned(generation, 8));

/** Null if these aren't a message's bytes. The tag isn't checked. */
export function decodePresharedKeyMessage(bytes: Uint8Array): PresharedKeyMessage | null {
  const reader = new ByteReader(bytes);
  const [type, flags, generation] = [reader.number(1), reader.number(1), reader.u64()];
  if (flags === null || generation === null) return null;
  if (type === LACKS && flags === 0 && reader.atEnd) return { kind: 'lacks', generation };
  if (type !== HAVE || flags > (KNOWS | DONE) || bytes.length !== HAVE_BYTES) return null;
  return {
    kind: 'have',
    generation,
    knows: (flags & KNOWS) !== 0,
    done: (flags & DONE) !== 0,
  };
}

/** `bytes` is a `have`. */
export const hasRightTag = (bytes: Uint8Array, key: Secret, sender: Uint8Array): boolean =>
  equalConstantTime(bytes.subarray(10), tag(bytes.subarray(0, 10), key, sender));
