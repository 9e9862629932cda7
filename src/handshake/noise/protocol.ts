// A Noise protocol by its name (SPEC.md 3.7; Noise section 8): pattern, modifiers and algorithms.
import type { Aead } from '../../crypto/aead.js';
import { aes256Gcm, chacha20Poly1305 } from '../../crypto/aead.js';
import type { DhFunction } from '../../crypto/dh.js';
import { x25519, x448 } from '../../crypto/dh.js';
import type { HashFunction, HashName } from '../../crypto/hash.js';
import { blake2b, blake2s, sha256, sha512 } from '../../crypto/hash.js';
import type { Kem } from '../../crypto/kem.js';
import type { HandshakePattern, Modifier } from './patterns.js';
import { handshakePattern, isModifier, isPatternName } from './patterns.js';

/** An AEAD with Noise's way of making a nonce of its counter. Noise section 12. */
export interface NoiseCipher {
  readonly aead: Aead;
  readonly counterOrder: 'littleEndian' | 'bigEndian';
}

export interface NoiseProtocol {
  /** The exact text, which is hashed. */
  readonly name: string;
  readonly pattern: HandshakePattern;
  readonly usesPsk: boolean;
  readonly dh: DhFunction;
  /** null without the modifier hfs. */
  readonly kem: Kem | null;
  readonly cipher: NoiseCipher;
  readonly hash: HashFunction;
}

export const NOISE_CIPHERS: Readonly<Record<'ChaChaPoly' | 'AESGCM', NoiseCipher>> = {
  ChaChaPoly: { aead: chacha20Poly1305, counterOrder: 'littleEndian' },
  AESGCM: { aead: aes256Gcm, counterOrder: 'bigEndian' },
};
const HASHES: Readonly<Record<HashName, HashFunction>> = {
  BLAKE2s: blake2s,
  BLAKE2b: blake2b,
  SHA256: sha256,
  SHA512: sha512,
};
const DHS: Readonly<Record<DhFunction['name'], DhFunction>> = { '25519': x25519, '448': x448 };

/** null for a name that isn't a protocol of this engine with one of these KEMs. */
export function noiseProtocol(name: string, kems: readonly Kem[] = []): NoiseProtocol | null {
  const [prefix, patternText = '', keyText = '', cipherText = '', hashText = '', ...rest] =
    name.split('_');
  if (prefix !== 'Noise' || rest.length > 0) return null;
  const named = parsePattern(patternText);
  const [dhText = '', kemText, ...more] = keyText.split('+');
  const dh = entry(DHS, dhText);
  const cipher = entry(NOISE_CIPHERS, cipherText);
  const hash = entry(HASHES, hashText);
  if (named === null || !dh || !cipher || !hash || more.length > 0) return null;
  const kem = kems.find((candidate) => candidate.name === kemText) ?? null;
  // A KEM and hfs come together or not at all.
  const wantsKem = named.modifiers.includes('hfs');
  if (wantsKem !== (kemText !== undefined) || wantsKem !== (kem !== null)) return null;
  const usesPsk = named.modifiers.some((modifier) => modifier !== 'hfs');
  return { name, pattern: named.pattern, usesPsk, dh, kem, cipher, hash };
}

/** `XX`, `IKpsk2`, `XXhfs+psk3`: the first modifier follows the name, `+` parts the others. */
function parsePattern(
  text: string,
): { pattern: HandshakePattern; modifiers: readonly Modifier[] } | null {
  const match = /^([A-Z0-9]+)(.*)$/.exec(text);
  const name = match?.[1] ?? '';
  const modifiersText = match?.[2] ?? '';
  const modifiers = modifiersText === '' ? [] : modifiersText.split('+');
  if (!isPatternName(name) || !modifiers.every(isModifier)) return null;
  if (new Set(modifiers).size !== modifiers.length) return null;
  const pattern = handshakePattern(name, modifiers);
  return pattern === null ? null : { pattern, modifiers };
}

function entry<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
