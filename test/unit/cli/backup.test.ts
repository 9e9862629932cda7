// `beam backup` and `beam restore` as scripts call them. SPEC.md 10.15.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

const folder = mkdtempSync(join(tmpdir(), 'beam-backup-cli-'));
test.after.always(() => rmSync(folder, { recursive: true }));

interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const beam = (...args: readonly string[]): Answer =>
  spawnSync(process.execPath, [join(process.cwd(), 'dist/src/cli/main.js'), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CREDENTIALS_DIRECTORY: undefined },
  });
const path = (name: string): string => join(folder, name);
function secretFile(name: string, text: string): string {
  writeFileSync(path(name), text, { mode: 0o600 });
  return path(name);
}
const passphrase = secretFile('passphrase', 'of the store');
const ofBackup = secretFile('of-backup', 'of the backup');
const storeAt = (name: string): string[] => [
  '--store',
  join(folder, name, 'store'),
  '--passphrase-file',
  passphrase,
];
const didOf = (answer: Answer): string => (JSON.parse(answer.stdout) as { did: string }).did;

test.serial('a backup under a passphrase is made, verified and restored', (t) => {
  const made = beam('key', 'init', ...storeAt('one'), '--without-recovery', '--json');
  t.is(made.status, 0, made.stderr);
  const file = path('first.backup');
  const create = ['backup', 'create', file, ...storeAt('one')];
  t.regex(beam(...create).stderr, /^E_NO_TERMINAL a passphrase for the backup/);
  const written = beam(...create, '--backup-passphrase-file', ofBackup);
  t.is(written.status, 0, written.stderr);
  t.is(statSync(file).mode & 0o777, 0o600);
  t.regex(
    beam(...create, '--backup-passphrase-file', ofBackup).stderr,
    /^E_OUTPUT /,
    'never over another',
  );
  const verify = ['backup', 'verify', file, '--json'];
  t.regex(beam(...verify).stderr, /^E_BACKUP_LOCKED /);
  t.regex(beam(...verify, '--backup-passphrase-file', passphrase).stderr, /^E_KEY_PASSPHRASE /);
  const verified = beam(...verify, '--backup-passphrase-file', ofBackup);
  t.is(didOf(verified), didOf(made));
  const restore = ['restore', file, '--without-recovery', '--backup-passphrase-file', ofBackup];
  t.regex(beam(...restore, ...storeAt('one')).stderr, /^E_STORE_EXISTS /);
  const restored = beam(...restore, '--json', ...storeAt('two'));
  t.is(restored.status, 0, restored.stderr);
  t.is(didOf(restored), didOf(made));
  t.is(didOf(beam('key', 'show', '--json', ...storeAt('two'))), didOf(made));
});

test.serial('a backup for a recipient opens with the recipient’s key and no passphrase', (t) => {
  const key = secretFile('recipient.key', beam('genpsk').stdout);
  const publicKey = beam('backup', 'recipient', '--key-file', key);
  t.is(Buffer.from(publicKey.stdout, 'base64').length, 1216);
  writeFileSync(path('recipient.pub'), publicKey.stdout);
  const file = path('second.backup');
  const create = ['backup', 'create', file, ...storeAt('one'), '--recipient-file'];
  t.regex(beam(...create, passphrase).stderr, /^E_BACKUP_RECIPIENT /);
  t.is(beam(...create, path('recipient.pub')).status, 0);
  t.is(beam('backup', 'verify', file, '--key-file', key).status, 0);
  const other = secretFile('other.key', beam('genpsk').stdout);
  t.regex(beam('backup', 'verify', file, '--key-file', other).stderr, /^E_BACKUP_LOCKED /);
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path('damaged'), bytes);
  t.regex(beam('backup', 'verify', path('damaged'), '--key-file', key).stderr, /^E_BACKUP /);
});

test.serial('a wrong command line is answered with 2', (t) => {
  for (const args of [
    ['create'],
    ['verify'],
    ['recipient'],
    ['recipient', 'x', '--key-file', 'y'],
    ['verify', 'x', '--store', 'y'],
    ['make', 'x'],
  ]) {
    t.is(beam('backup', ...args).status, 2, args.join(' '));
  }
  t.is(beam('restore').status, 2);
});
