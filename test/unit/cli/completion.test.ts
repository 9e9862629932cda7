// The completion scripts, run by the shells themselves.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { optionsOf } from '../../../src/cli/commandOptions.js';
import { COMMAND_NAMES, COMMANDS } from '../../../src/cli/commandTable.js';
import { completionScript } from '../../../src/cli/commands/completion.js';
import { skip } from '../../support/skip.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-completion-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
for (const [path, names] of [
  ['etc/beam', ['office.conf', 'lab=1.conf', 'notes.txt']],
  ['etc/wireguard', ['wg0.conf']],
  ['run/beam', ['dropin0.sock', 'office.sock', 'office.state.json']],
  ['files', ['with space.conf', 'other.txt', 'x.conf']],
] as const) {
  mkdirSync(join(folder, path), { recursive: true });
  for (const name of names) writeFileSync(join(folder, path, name), '');
}

/** The script, looking into our folder instead of the machine's. */
const script = (shell: 'bash' | 'zsh'): string =>
  completionScript(shell, COMMANDS).replaceAll(/\/(etc|run)\//g, `${folder}/$1/`);

/** What Tab offers behind these words, the last of which is being typed. */
function offered(...words: readonly string[]): string[] {
  const program = `${script('bash')}
COMP_WORDS=(beam "$@")
COMP_CWORD=$#
_beam
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program, 'bash', ...words], {
    encoding: 'utf8',
    cwd: join(folder, 'files'),
  });
  if (stderr !== '') throw new Error(stderr);
  return [...new Set(stdout.split('\n').filter(Boolean))].sort();
}

const TUNNELS = ['dropin0', 'lab=1', 'office', 'wg0'];

test('bash offers every command, and those that begin as what is typed', (t) => {
  t.deepEqual(offered(''), [...COMMAND_NAMES].sort());
  t.deepEqual(offered('gen'), ['genkey', 'genpsk']);
  t.deepEqual(offered('zzz'), []);
  t.deepEqual(offered('help', 'do'), ['doctor', 'down']);
});

for (const command of COMMANDS) {
  test(`bash offers the options of ${command.name} and no others`, (t) => {
    const expected = [...optionsOf(command), 'help'].map((name) => `--${name}`).sort();
    t.deepEqual(offered(command.name, '--'), expected);
    t.deepEqual(offered(command.name, 'x', '--'), expected);
  });
}

test('bash offers tunnels of both folders and what runs, each once', (t) => {
  for (const command of ['up', 'run', 'down', 'reload', 'save', 'strip', 'status', 'doctor']) {
    t.deepEqual(offered(command, ''), TUNNELS, command);
  }
  t.deepEqual(offered('up', '--force', 'of'), ['office']);
  t.deepEqual(offered('config', 'diff', ''), TUNNELS);
  t.deepEqual(offered('genkey', ''), []);
});

test('bash offers files where a path is begun, names with spaces whole', (t) => {
  t.deepEqual(offered('up', './'), ['./with space.conf', './x.conf']);
  t.deepEqual(offered('config', 'check', 'w'), ['with space.conf']);
});

test('bash offers the words that stand for themselves', (t) => {
  t.deepEqual(offered('config', ''), ['check', 'diff']);
  t.deepEqual(offered('completion', ''), ['bash', 'zsh']);
});

const missing = (shell: string): string | null =>
  spawnSync(shell, ['-c', ':']).status === 0 ? null : `${shell} is not installed`;

test('zsh takes the script, sourced and from fpath', (t) => {
  const reason = missing('zsh');
  if (reason !== null) {
    skip(t, reason);
    return;
  }
  mkdirSync(join(folder, 'fpath'));
  writeFileSync(join(folder, 'fpath', '_beam'), script('zsh'));
  for (const load of [`source ${folder}/fpath/_beam`, ':']) {
    const program = `fpath=(${folder}/fpath $fpath); autoload -Uz compinit; compinit -D -u
${load}
print -r -- $_comps[beam]
compadd() { print -r -- "$@" }
_files() { print -r -- files "$@" }
_describe() { print -r -- $commands }
words=(beam up ''); CURRENT=3; _beam
words=(beam up --); CURRENT=3; _beam
words=(beam ''); CURRENT=2; _beam`;
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', program], { encoding: 'utf8' });
    t.is(stderr, '');
    const [name, tunnels, files, options, commands] = stdout.split('\n');
    t.is(name, '_beam');
    t.deepEqual([...new Set(tunnels!.split(' '))].sort(), ['--', ...TUNNELS].sort());
    t.is(files, 'files -g *.conf');
    t.is(options, '-- --force --dry-run --help');
    t.true(commands!.includes('genkey:print a new private key'));
  }
});
