// The executable as scripts run it: what goes where, and with which status. SPEC.md 9.1 and 9.4.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { skip } from '../../support/skip.js';

const MAIN = join(process.cwd(), 'dist/src/cli/main.js');
const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\n$/;

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function beam(args: readonly string[], input = '', env: NodeJS.ProcessEnv = {}): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('close', (status) => resolve({ status, stdout, stderr }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const haveWg = spawnSync('wg', ['--version']).status === 0;

test('genkey makes keys that are clamped and differ', async (t) => {
  const [one, two] = await Promise.all([beam(['genkey']), beam(['genkey'])]);
  for (const { status, stdout, stderr } of [one, two]) {
    t.deepEqual([status, stderr], [0, '']);
    t.regex(stdout, KEY);
    const bytes = Buffer.from(stdout, 'base64');
    t.is(bytes[0]! & 7, 0);
    t.is(bytes[31]! & 0xc0, 0x40);
  }
  t.not(one.stdout, two.stdout);
});

test('genpsk makes keys', async (t) => {
  const { status, stdout } = await beam(['genpsk']);
  t.is(status, 0);
  t.regex(stdout, KEY);
});

const SOME_KEY = 'YAnz5TF+lXXJte14tji3zlMNftTdsJiFDuvvDEtcZFY=';

for (const [what, input] of [
  ['a key', SOME_KEY],
  ['a key and white space', `${SOME_KEY} \t\r\n\v\f\n`],
  ['a key and NULs', `${SOME_KEY}\0\0`],
  ['zeros', `${'A'.repeat(43)}=`],
  ['all ones', `${'/'.repeat(42)}8=`],
  ['nothing', ''],
  ['a short text', 'abc'],
  ['a key without its last character', SOME_KEY.slice(0, 43)],
  ['a key with white space in front', ` ${SOME_KEY}`],
  ['a key with something behind it', `${SOME_KEY}x`],
  ['two keys', `${SOME_KEY}\n${SOME_KEY}\n`],
  ['base64 that is not canonical', `${'A'.repeat(42)}B=`],
  ['44 characters that are no base64', '-'.repeat(44)],
  ['hexadecimal', '00'.repeat(32)],
  [
    'a no-break space behind the key',
    Buffer.from(`${SOME_KEY}\u00a0`, 'latin1').toString('latin1'),
  ],
] as const) {
  test(`pubkey treats ${what} as wg does`, async (t) => {
    if (!haveWg) {
      skip(t, 'wg is not installed');
      return;
    }
    const wg = spawnSync('wg', ['pubkey'], { input, encoding: 'utf8' });
    const ours = await beam(['pubkey'], input);
    t.deepEqual(
      [ours.status, ours.stdout, ours.stderr.replace(/^beam:/, 'wg:')],
      [wg.status, wg.stdout, wg.stderr],
    );
  });
}

for (const command of ['genkey', 'genpsk']) {
  for (const mode of [0o600, 0o640, 0o644]) {
    test(`${command} into a file of mode ${mode.toString(8)} warns as wg does`, (t) => {
      if (!haveWg) {
        skip(t, 'wg is not installed');
        return;
      }
      const path = join(folderFor(t), 'key');
      writeFileSync(path, '');
      chmodSync(path, mode);
      const said = ['wg', process.execPath].map((program) => {
        const fd = openSync(path, 'w');
        const args = program === 'wg' ? [command] : [MAIN, command];
        const { stderr } = spawnSync(program, args, { stdio: ['ignore', fd, 'pipe'] });
        closeSync(fd);
        t.regex(readFileSync(path, 'utf8'), KEY);
        return stderr.toString();
      });
      t.is(said[1], said[0]);
    });
  }
}

test('output that cannot be written is an error, and a reader that leaves is none', (t) => {
  const full = openSync('/dev/full', 'w');
  const failed = spawnSync(process.execPath, [MAIN, 'genkey'], { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  t.is(failed.status, 1);
  t.regex(failed.stderr.toString(), /^E_OUTPUT .*ENOSPC/);
  const script = `"${process.execPath}" "${MAIN}" help | true; echo "\${PIPESTATUS[0]}"`;
  const left = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  t.is(left.stdout, '0\n');
  t.is(left.stderr, '');
});

test('the version is that of package.json', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  for (const option of ['--version', '-v']) {
    t.deepEqual(await beam([option]), { status: 0, stdout: `${version}\n`, stderr: '' });
  }
});

test('help goes to standard output and names every command', async (t) => {
  const { status, stdout, stderr } = await beam(['help']);
  t.deepEqual([status, stderr], [0, '']);
  for (const name of ['up', 'down', 'reload', 'save', 'strip', 'status', 'genkey', 'doctor'])
    t.regex(stdout, new RegExp(`beam ${name}\\b`));
  t.regex((await beam(['help', 'up'])).stdout, /--force/);
  t.is((await beam(['up', '--help'])).status, 0);
});

for (const args of [
  [],
  ['--bogus'],
  ['up'],
  ['up', 'a', 'b'],
  ['up', 'wg0', '--bogus'],
  ['genkey', 'x'],
  ['config'],
  ['config', 'chekc'],
  ['completion', 'fish'],
  ['help', 'bogus'],
  ['status', 'a', 'b'],
  ['-f'],
  ['wg0', 'wg1'],
]) {
  test(`\`beam ${args.join(' ')}\` is a usage error`, async (t) => {
    const { status, stdout, stderr } = await beam(args);
    t.is(status, 2, stderr);
    t.is(stdout, '');
    t.regex(stderr, /^E_USAGE /);
  });
}

for (const [word, meant] of [
  ['stauts', 'status'],
  ['relaod', 'reload'],
  ['donw', 'down'],
  ['genkye', 'genkey'],
  ['docter', 'doctor'],
]) {
  test(`\`beam ${word!}\` starts no interface of that name`, async (t) => {
    const { status, stderr } = await beam([word!]);
    t.is(status, 2);
    t.true(stderr.includes(`beam ${meant!}`));
  });
}

for (const name of ['a/b', 'sixteen-letters!', 'a b', 'a:b', '.', '..']) {
  test(`${JSON.stringify(name)} is no interface's name`, async (t) => {
    const { status, stdout, stderr } = await beam(['-f', name], '', { WG_UAPI_FD: '' });
    t.is(status, 1, stderr);
    t.is(stdout, '');
    t.regex(stderr, /^E_/);
  });
}

test('a descriptor that is no number is an error before anything is started', async (t) => {
  const { status, stderr } = await beam(['wg0'], '', { WG_TUN_FD: 'three' });
  t.is(status, 1);
  t.regex(stderr, /^E_DESCRIPTOR WG_TUN_FD/);
});

test('a daemon that fails in the background says why to the command that waited', async (t) => {
  const { status, stdout, stderr } = await beam(['up', '/nonexistent/wg0.conf']);
  t.deepEqual([status, stdout], [1, '']);
  t.regex(stderr, /^E_NO_CONFIG /);
  const path = join(folderFor(t), 'bt0.conf');
  writeFileSync(path, '[Interface]\nPrivateKey = x\nMTU = 5\n', { mode: 0o600 });
  const two = await beam(['up', path]);
  t.is(two.status, 1);
  t.regex(two.stderr, /E_CONFIG_WGKEY .*bt0\.conf:2[^]*E_CONFIG_NUMBER .*bt0\.conf:3/);
});

test('config check reports every mistake of every file, and the files that are right', async (t) => {
  const folder = folderFor(t);
  const [good, bad] = [join(folder, 'good.conf'), join(folder, 'bad.conf')];
  writeFileSync(good, `[Interface]\nPrivateKey = ${SOME_KEY}\n`, { mode: 0o600 });
  writeFileSync(bad, '[Interface]\nMTU = 1\nListenProt = 5\n[Peer]\nAllowedIPs = 10.0.0.0/33\n');
  const { status, stdout, stderr } = await beam(['config', 'check', good, bad]);
  t.is(status, 1);
  t.is(stdout, `${good}: ok\n`);
  for (const expected of ['bad.conf:2', 'bad.conf:3', 'ListenPort', 'bad.conf:4', 'bad.conf:5'])
    t.true(stderr.includes(expected), expected);
  t.deepEqual(await beam(['config', 'check', good]), {
    status: 0,
    stdout: `${good}: ok\n`,
    stderr: '',
  });
});

test('config check warns in wg-quick words where others may read a key', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'open.conf');
  writeFileSync(path, `[Interface]\nPrivateKey = ${SOME_KEY}\n`);
  chmodSync(folder, 0o755);
  chmodSync(path, 0o644);
  const { status, stderr } = await beam(['config', 'check', path]);
  t.is(status, 0);
  t.is(stderr, `Warning: \`${path}' is world accessible\n`);
});

test('no error shows a key that stands in the wrong place', async (t) => {
  const path = join(folderFor(t), 'wg0.conf');
  writeFileSync(path, `[Interface]\nListenPort = ${SOME_KEY}\n${SOME_KEY} = 5\n${SOME_KEY}\n`);
  const { status, stdout, stderr } = await beam(['config', 'check', path]);
  t.is(status, 1);
  t.false((stdout + stderr).includes(SOME_KEY.slice(2, 30)));
});

test('strip leaves what wg-quick strip leaves for wg', async (t) => {
  const path = join(folderFor(t), 'wg0.conf');
  const lines = [
    '[Interface]',
    `PrivateKey = ${SOME_KEY}`,
    'Address = 10.0.0.1/24',
    'PostUp = true',
  ];
  const peer = ['[Peer]', `PublicKey = ${SOME_KEY}`, 'AllowedIPs = 10.0.0.2/32'];
  writeFileSync(path, [...lines, ...peer, ''].join('\n'), { mode: 0o600 });
  const { status, stdout } = await beam(['strip', path]);
  t.is(status, 0);
  t.is(stdout, ['[Interface]', `PrivateKey = ${SOME_KEY}`, ...peer, ''].join('\n'));
});

for (const command of ['down', 'reload', 'save']) {
  test(`${command} of a tunnel that does not run says so`, async (t) => {
    const { status, stdout, stderr } = await beam([command, 'bt-not-there']);
    t.deepEqual([status, stdout], [1, '']);
    t.regex(stderr, /^E_NO_DAEMON bt-not-there/);
  });
}

test('status of an interface that is not there is an error; of all, JSON in any case', async (t) => {
  t.is((await beam(['status', 'bt-not-there'])).status, 1);
  const { status, stdout } = await beam(['status', '--json']);
  t.is(status, 0);
  const document = JSON.parse(stdout) as { format: number; tunnels: unknown[] };
  t.is(document.format, 1);
  t.true(Array.isArray(document.tunnels));
});

for (const seconds of ['0', '-1', '3601', 'soon']) {
  test(`status --watch ${seconds} is refused`, async (t) => {
    const { status, stdout } = await beam(['status', `--watch=${seconds}`]);
    t.true(status === 1 || status === 2);
    t.is(stdout, '');
  });
}

for (const shell of ['bash', 'zsh']) {
  test(`the completion script is one that ${shell} takes`, async (t) => {
    const { status, stdout } = await beam(['completion', shell]);
    t.is(status, 0);
    if (spawnSync(shell, ['-c', 'true']).status !== 0) {
      skip(t, `${shell} is not installed`);
      return;
    }
    const parsed = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    t.deepEqual([parsed.status, parsed.stderr], [0, '']);
  });
}

test('bash completes commands and options', async (t) => {
  const { stdout } = await beam(['completion', 'bash']);
  const complete = (...words: string[]): string[] => {
    const script = `${stdout}
      COMP_WORDS=(beam ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
      _beam; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
  };
  t.deepEqual(complete('gen'), ['genkey', 'genpsk']);
  t.deepEqual(complete('config', ''), ['check', 'diff']);
  t.true(complete('status', '--').includes('--json'));
});
