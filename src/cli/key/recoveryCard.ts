// Shows a new recovery key once: words and a QR code at a terminal, or a file. SPEC.md 10.13.
import { access, open } from 'node:fs/promises';
import encodeQR from 'qr';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { recoveryWords } from '../../crypto/recoveryWords.js';
import { say } from '../report.js';

/** Where the key is shown is settled before it is made. Throws OperatorError E_NO_TERMINAL, E_OUTPUT. */
export async function checkRecoveryPlace(file: string | undefined): Promise<void> {
  if (file !== undefined) {
    const exists = await access(file).then(
      () => true,
      () => false,
    );
    if (exists) throw unwritable(file, Object.assign(new Error(), { code: 'EEXIST' }));
    return;
  }
  if (process.stderr.isTTY) return;
  throw new OperatorError({
    code: 'E_NO_TERMINAL',
    place: 'the recovery key',
    expected: 'a terminal to show it at, --recovery-file FILE, or --without-recovery',
    found: 'none of them',
    remedy: 'give --recovery-file FILE, print the file, and keep it away from this machine',
  });
}

export async function showRecoveryKey(key: Secret, file: string | undefined): Promise<void> {
  const words = recoveryWords(key);
  if (file === undefined) {
    say(recoveryCard(words));
    return;
  }
  const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
  try {
    await handle.writeFile(`${words}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  say(`the recovery key is in ${file}: take it away from this machine`);
}

export function recoveryCard(words: string): string {
  const numbered = words
    .split(' ')
    .map((word, i) => `${String(i + 1).padStart(2)} ${word.padEnd(9)}`);
  const rows = Array.from({ length: 6 }, (_, row) =>
    numbered.slice(row * 4, row * 4 + 4).join(' '),
  );
  return [
    '',
    'The recovery key. It is shown this once: write it down, and keep it away from this machine.',
    'Whoever has it and the key store has every key in it.',
    '',
    ...rows.map((row) => `  ${row.trimEnd()}`),
    '',
    recoveryQr(words),
  ].join('\n');
}

/** Capitals take the fewest modules; the words are read in any case. */
export const recoveryQr = (words: string): string =>
  encodeQR(words.toUpperCase(), 'ascii', { ecc: 'medium', border: 2 });

const unwritable = (place: string, cause: unknown): OperatorError =>
  new OperatorError(
    {
      code: 'E_OUTPUT',
      place,
      expected: 'a new file',
      found: (cause as NodeJS.ErrnoException).code ?? String(cause),
      remedy: 'name a file that is not there yet, in a folder that is',
    },
    { cause },
  );
