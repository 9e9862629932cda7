// What a wrong command line is answered with: what was found, and what was likely meant. SPEC.md 9.1.
import { spawnSync } from 'node:child_process';
import test from 'ava';
import { optionsOf } from '../../../src/cli/commandOptions.js';
import { COMMANDS } from '../../../src/cli/commandTable.js';

function beam(line: string): { readonly status: number | null; readonly text: string } {
  const words = line.split(' ').filter(Boolean);
  const { status, stderr } = spawnSync(process.execPath, ['dist/src/cli/main.js', ...words], {
    encoding: 'utf8',
    // What is said doesn't change with the operator's language: scripts and manuals quote it.
    env: { ...process.env, LC_ALL: 'de_DE.UTF-8' },
  });
  return { status, text: stderr };
}

const SEE_HELP = 'see `beam help`';
const meant = (what: string): string => `did you mean \`beam ${what}\`?`;

for (const [line, found, remedy] of [
  ['', 'a command or the name of an interface is missing', SEE_HELP],
  ['foo bar baz', 'unknown command foo', SEE_HELP],
  ['genky x', 'unknown command genky', meant('genkey')],
  ['help statsu', 'unknown command statsu', meant('status')],
  ['status --wacth', 'unknown option --wacth', meant('status --watch')],
  ['status --wacth=5', 'unknown option --wacth', meant('status --watch')],
  ['up --fore x', 'unknown option --fore', meant('up --force')],
  ['down x --dry-rum', 'unknown option --dry-rum', SEE_HELP],
  ['up', 'expected `beam up <tunnel>`, found less', SEE_HELP],
  ['up a b', 'unexpected argument b', SEE_HELP],
  ['config chekc', 'expected check or diff, found chekc', meant('config check')],
  ['config check --json', 'config check has no --json', SEE_HELP],
  ['completion fish', 'expected bash or zsh, found fish', SEE_HELP],
] as const) {
  test(`\`beam ${line}\` is answered with what is wrong and what was meant`, (t) => {
    const { status, text } = beam(line);
    t.is(text, `E_USAGE beam: ${found}\n  remedy: ${remedy}\n`);
    t.is(status, 2);
  });
}

test('a number of seconds that cannot be is a wrong command line', (t) => {
  const { status, text } = beam('status --watch=0');
  t.regex(text, /^E_USAGE --watch: expected a number of seconds from 1 to 3600, found "0"\n/);
  t.is(status, 2);
});

test('a name that no interface can have says what one can', (t) => {
  const { status, text } = beam('-f a:b');
  t.regex(text, /^E_TUN a:b: .*\n {2}remedy: use 1 to 15 bytes, no slash, colon/);
  t.is(status, 1);
});

test('the options of a command are those that its parser knows', (t) => {
  const options = Object.fromEntries(COMMANDS.map((one) => [one.name, optionsOf(one)]));
  t.deepEqual(options['up'], ['force', 'dry-run']);
  t.deepEqual(options['status'], ['json', 'watch', 'stats']);
  t.deepEqual(options['genkey'], []);
});
