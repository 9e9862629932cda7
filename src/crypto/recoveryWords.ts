// A 32-byte key as 24 words of BIP-39's English list, the last of which has a checksum. SPEC.md 10.13.
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import type { Secret } from '../base/secret.js';
import { moveToLocked } from './lockedMemory.js';

export const RECOVERY_WORDS = 24;

/** In lower case, one space between. The text is a JavaScript string: it can't be zeroed. */
export const recoveryWords = (key: Secret): string =>
  entropyToMnemonic(new Uint8Array(key.expose()), wordlist);

export type WordsRefusal = 'count' | 'word' | 'checksum';

/**
 * Case, white space and the numbers that people write in front of words mean nothing. The caller
 * owns the secret. `at` is the place of a word that is not in the list, from 1.
 */
export function parseRecoveryWords(
  text: string,
): Secret | { readonly refusal: WordsRefusal; readonly at: number } {
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) return { refusal: 'word', at: unknown + 1 };
  if (words.length !== RECOVERY_WORDS) return { refusal: 'count', at: words.length };
  try {
    return moveToLocked(mnemonicToEntropy(words.join(' '), wordlist));
  } catch {
    return { refusal: 'checksum', at: 0 };
  }
}
