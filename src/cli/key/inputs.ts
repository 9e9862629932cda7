// Where the key commands take secrets from: a file, a systemd credential, a terminal; never from
// arguments or the environment. SPEC.md 10.17.
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { parseRecoveryWords, RECOVERY_WORDS } from '../../crypto/recoveryWords.js';
import {
  checkedPassphrase,
  passphraseCredential,
  readPassphraseFile,
} from '../../platform/keyStore/passphraseFile.js';
import { readSecretFile } from '../../platform/configFilesKey.js';
import { equalConstantTime } from '../../base/bytes.js';
import { ask, askSecret, hasTerminal } from '../terminal.js';

const credentialsFolder = (): string | null => process.env['CREDENTIALS_DIRECTORY'] ?? null;

/** An existing passphrase. Null where there is no way to have it. The caller owns it. */
export async function passphrase(
  file: string | undefined,
  question: string,
  useCredential = true,
): Promise<Secret | null> {
  const name = file ?? (useCredential ? await passphraseCredential(credentialsFolder()) : null);
  if (name !== null) return readPassphraseFile(name, credentialsFolder());
  return hasTerminal() ? typed(question) : null;
}

/** A new passphrase, typed twice. Throws OperatorError where there is no way to have it. */
export async function newPassphrase(
  file: string | undefined,
  options: { readonly what: string; readonly flag: string; readonly useCredential: boolean },
): Promise<Secret> {
  const { what, flag, useCredential } = options;
  const name = file ?? (useCredential ? await passphraseCredential(credentialsFolder()) : null);
  if (name !== null) return readPassphraseFile(name, credentialsFolder());
  if (!hasTerminal()) throw noWayToAsk(what, `--${flag} FILE`);
  const first = await typed(`${what}: `);
  const second = await typed('once more: ');
  try {
    if (equalConstantTime(first.expose(), second.expose())) return first;
  } finally {
    second.destroy();
  }
  first.destroy();
  throw new OperatorError({
    code: 'E_PASSPHRASE',
    place: what,
    expected: 'the same twice',
    found: 'two different ones',
    remedy: 'do it again',
  });
}

async function typed(question: string): Promise<Secret> {
  const secret = await askSecret(question);
  try {
    return checkedPassphrase(secret?.expose() ?? new Uint8Array(0), 'what was typed');
  } finally {
    secret?.destroy();
  }
}

/** The recovery key from its words. The caller owns it. Throws OperatorError. */
export async function recoveryKey(wordsFile: string | undefined): Promise<Secret> {
  let text: string;
  if (wordsFile === undefined) {
    if (!hasTerminal()) throw noWayToAsk('the recovery words', '--words-file FILE');
    const words = await askSecret(`the ${RECOVERY_WORDS} words: `);
    text = Buffer.from(words?.expose() ?? []).toString('utf8');
    words?.destroy();
  } else {
    const { bytes } = await readSecretFile(wordsFile, credentialsFolder());
    text = bytes.toString('utf8');
    bytes.fill(0);
  }
  const key = parseRecoveryWords(text);
  if (!('refusal' in key)) return key;
  const found = {
    count: `${key.at} words`,
    word: `a word that is not in the list, at place ${key.at}`,
    checksum: 'words that do not fit together',
  }[key.refusal];
  throw new OperatorError({
    code: 'E_RECOVERY_KEY',
    place: wordsFile ?? 'the recovery words',
    expected: `the ${RECOVERY_WORDS} words as they were shown`,
    found,
    remedy: 'check each word and their order',
  });
}

/** True if the person types `name`, or said --yes. Throws OperatorError without a terminal. */
export async function confirm(name: string, warning: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!hasTerminal()) throw noWayToAsk(`a confirmation to destroy ${name}`, '--yes');
  process.stderr.write(`${warning}\n`);
  return (await ask(`type ${name} to destroy it: `)) === name;
}

const noWayToAsk = (place: string, instead: string): OperatorError =>
  new OperatorError({
    code: 'E_NO_TERMINAL',
    place,
    expected: `a terminal to ask at, or ${instead}`,
    found: 'neither',
    remedy: `give ${instead}`,
  });
