// `beam key` as scripts call it: files instead of a terminal. SPEC.md 10.17.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import decodeQR from 'qr/decode.js';
import encodeQR from 'qr';
import test from 'ava';
import { recoveryCard } from '../../../src/cli/key/recoveryCard.js';
import { Secret } from '../../../src/base/secret.js';
import { parseRecoveryWords, recoveryWords } from '../../../src/crypto/recoveryWords.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-key-'));
test.after.always(() => rmSync(folder, { recursive: true }));

function secretFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const right = secretFile('right', 'the right passphrase\n');
const wrong = secretFile('wrong', 'another passphrase\n');
const store = join(folder, 'keys', 'store');
const words = join(folder, 'words');

interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function beam(args: readonly string[], env: NodeJS.ProcessEnv = {}): Answer {
  const main = join(process.cwd(), 'dist/src/cli/main.js');
  return spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CREDENTIALS_DIRECTORY: undefined, ...env },
  });
}
const key = (...args: readonly string[]): Answer => beam(['key', ...args, '--store', store]);
const withRight = (...args: readonly string[]): Answer => key(...args, '--passphrase-file', right);

interface Shown {
  readonly did: string;
  readonly fingerprint: string;
  readonly slots: readonly string[];
}
const shown = ({ stdout }: Answer): Shown => JSON.parse(stdout) as Shown;

test.serial(
  'without a store every command says so, and init says what it would have to ask',
  (t) => {
    for (const action of ['show', 'list']) {
      const { status, stderr, stdout } = withRight(action);
      t.deepEqual([status, stdout], [1, '']);
      t.regex(stderr, /^E_NO_STORE /);
    }
    t.regex(withRight('init').stderr, /^E_NO_TERMINAL the recovery key/);
    t.regex(key('init', '--recovery-file', words).stderr, /^E_NO_TERMINAL a passphrase/);
    t.false(existsSync(store));
  },
);

test.serial('a passphrase file that others may read is refused before anything is made', (t) => {
  chmodSync(right, 0o640);
  t.regex(withRight('init', '--recovery-file', words).stderr, /^E_KEY_FILE_MODE /);
  chmodSync(right, 0o600);
  const empty = secretFile('empty', '\n');
  const answer = key('init', '--recovery-file', words, '--passphrase-file', empty);
  t.regex(answer.stderr, /^E_PASSPHRASE /);
  t.false(existsSync(store));
});

test.serial('init makes a store once, and shows and lists its identity', (t) => {
  t.regex(
    withRight('init', '--recovery-file', wrong).stderr,
    /^E_OUTPUT .*EEXIST/,
    'never over a file',
  );
  t.false(existsSync(store));
  const made = withRight('init', '--recovery-file', words, '--json');
  t.is(made.status, 0, made.stderr);
  t.regex(shown(made).did, /^did:key:z6Mk/);
  t.deepEqual(shown(made).slots, ['passphrase', 'recovery']);
  t.is(statSync(words).mode & 0o777, 0o600);
  t.regex(withRight('init', '--without-recovery').stderr, /^E_STORE_EXISTS /);
  t.deepEqual(shown(withRight('show', '--json')), shown(made));
  const listed = JSON.parse(withRight('list', '--json').stdout) as { keys: { did: string }[] };
  t.is(listed.keys[0]!.did, shown(made).did);
});

test.serial('a wrong passphrase, and none, leave the store closed', (t) => {
  t.regex(key('show', '--passphrase-file', wrong).stderr, /^E_KEY_PASSPHRASE /);
  t.regex(key('show').stderr, /^E_STORE_LOCKED /);
});

test.serial('the credential beam-passphrase opens the store where no file is named', (t) => {
  secretFile('beam-passphrase', 'the right passphrase');
  const answer = beam(['key', 'show', '--json', '--store', store], {
    CREDENTIALS_DIRECTORY: folder,
  });
  t.is(answer.status, 0, answer.stderr);
});

test.serial('signing keys of a tunnel are made, rotated and destroyed by name', (t) => {
  t.regex(withRight('rotate', 'wg0').stdout, /wg0\/1\n$/);
  t.regex(withRight('rotate', 'wg0').stdout, /wg0\/2\n$/);
  t.regex(withRight('destroy', 'wg0').stderr, /^E_NO_TERMINAL /);
  t.is(withRight('destroy', 'wg0', '--yes').status, 0);
  t.regex(withRight('destroy', 'wg0', '--yes').stderr, /^E_NO_KEY /);
  t.false(withRight('list').stdout.includes('wg0'));
});

test.serial(
  'the recovery words give the store a new passphrase, and the old one opens it no more',
  (t) => {
    const identity = shown(withRight('show', '--json')).did;
    const next = secretFile('next', 'the next passphrase');
    const bad = secretFile('bad', readFileSync(words, 'utf8').split(' ').reverse().join(' '));
    const args = ['recover', '--json', '--new-passphrase-file', next];
    t.regex(key(...args, '--words-file', bad).stderr, /^E_RECOVERY_KEY /);
    const recovered = key(...args, '--words-file', words);
    t.is(recovered.status, 0, recovered.stderr);
    t.is(shown(recovered).did, identity);
    t.regex(withRight('show').stderr, /^E_KEY_PASSPHRASE /);
    writeFileSync(right, 'the next passphrase');
    t.is(withRight('show').status, 0);
  },
);

test.serial('a new recovery key takes the place of the old one', (t) => {
  const next = join(folder, 'words2');
  t.is(withRight('rotate', '--recovery', '--recovery-file', next).status, 0);
  const file = secretFile('last', 'the last passphrase');
  const recover = (from: string): Answer =>
    key('recover', '--words-file', from, '--new-passphrase-file', file);
  t.regex(recover(words).stderr, /^E_RECOVERY_KEY /);
  t.is(recover(next).status, 0);
  writeFileSync(right, 'the last passphrase');
});

test.serial('a command line that is wrong is answered with 2', (t) => {
  for (const args of [
    ['show', '--yes'],
    ['rotate'],
    ['rotate', 'wg0', '--recovery'],
    ['destroy'],
    ['destroy', 'wg0', '--all'],
    ['show', 'wg0'],
    ['adopt'],
    ['ls'],
  ]) {
    t.is(withRight(...args).status, 2, args.join(' '));
  }
});

test.serial('destroy --all needs no passphrase, and leaves no file', (t) => {
  t.regex(key('destroy', '--all').stderr, /^E_NO_TERMINAL /);
  t.is(key('destroy', '--all', '--yes').status, 0);
  t.deepEqual([store, `${store}.last`].map(existsSync), [false, false]);
  t.regex(key('destroy', '--all', '--yes').stderr, /^E_NO_KEY /);
});

test('recovery words are read as people write them, and a slip is named', (t) => {
  const secret = new Secret(new Uint8Array(32).fill(0x5a));
  const text = recoveryWords(secret);
  const list = text.split(' ');
  t.is(list.length, 24);
  const read = (written: string): unknown => {
    const parsed = parseRecoveryWords(written);
    return 'refusal' in parsed ? parsed : new Uint8Array(parsed.expose());
  };
  const bytes = secret.expose();
  t.deepEqual(read(text), bytes);
  t.deepEqual(read(text.toUpperCase()), bytes);
  t.deepEqual(read(list.map((word, i) => `${i + 1}. ${word}`).join('\n')), bytes);
  t.deepEqual(read(list.slice(1).join(' ')), { refusal: 'count', at: 23 });
  t.deepEqual(read(''), { refusal: 'count', at: 0 });
  t.deepEqual(read(list.with(4, 'qwertz').join(' ')), { refusal: 'word', at: 5 });
  const swapped = list.with(0, list[1] === 'abandon' ? 'ability' : 'abandon');
  t.deepEqual(read(swapped.join(' ')), { refusal: 'checksum', at: 0 });
});

test('the card shows the words in order, and its QR code reads back as them', (t) => {
  const text = recoveryWords(new Secret(new Uint8Array(32).fill(0x5a)));
  const card = recoveryCard(text);
  const numbered = [...card.matchAll(/(\d+) ([a-z]+)/g)].map((match) => match[2]);
  t.is(numbered.slice(0, 24).join(' '), text);
  // The same modules as the card's, as a picture that a decoder takes.
  const rows = encodeQR(text.toUpperCase(), 'raw', { ecc: 'medium', border: 2, scale: 4 });
  const height = rows.length;
  const data = rows.flatMap((row) => row.flatMap((dark) => (dark ? [0, 0, 0] : [255, 255, 255])));
  t.is(decodeQR({ width: height, height, data: Uint8Array.from(data) }), text.toUpperCase());
  t.true(card.includes(encodeQR(text.toUpperCase(), 'ascii', { ecc: 'medium', border: 2 })));
});
