// Finding, reading and replacing configuration and key files. SPEC.md 9.1, 9.6 and 9.7.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  lstatSync,
  chownSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  CONFIG_BYTES,
  findTunnel,
  isTunnelName,
  listTunnels,
  readConfigFile,
} from '../../../src/platform/configFiles.js';
import { readKeyFile } from '../../../src/platform/configFilesKey.js';
import { writeConfigFile } from '../../../src/platform/configFilesWrite.js';

const KEY = 'YAnz5TF+lXXJte14tji3zlMNftTdsJiFDuvvDEtcZFY=';

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function twoFolders(t: ExecutionContext): [string, string] {
  const root = folderFor(t);
  const folders: [string, string] = [join(root, 'beam'), join(root, 'wireguard')];
  for (const folder of folders) mkdirSync(folder);
  return folders;
}

test('a name is looked up in the folders in their order', async (t) => {
  const folders = twoFolders(t);
  writeFileSync(join(folders[1], 'wg0.conf'), '');
  t.is((await findTunnel('wg0', folders)).path, join(folders[1], 'wg0.conf'));
  writeFileSync(join(folders[0], 'wg0.conf'), '');
  t.is((await findTunnel('wg0', folders)).path, join(folders[0], 'wg0.conf'));
});

test('a path gives the interface its name', async (t) => {
  const path = join(folderFor(t), 'home.conf');
  writeFileSync(path, '');
  t.deepEqual(await findTunnel(path, []), { interfaceName: 'home', path });
});

test('the name is of the link, not of what it leads to', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'shared.conf'), '');
  symlinkSync('shared.conf', join(folder, 'wg7.conf'));
  t.is((await findTunnel(join(folder, 'wg7.conf'), [])).interfaceName, 'wg7');
});

for (const text of [
  'a b',
  '',
  '.',
  '..',
  'sixteen-letters.',
  'ü',
  'a;b',
  '/x/a b.conf',
  '/x/y',
  '.conf',
]) {
  test(`${JSON.stringify(text)} names no tunnel`, async (t) => {
    await t.throwsAsync(findTunnel(text, []), { code: 'E_TUNNEL_NAME' });
  });
}

for (const text of ['wg0', 'a', 'fifteen-letters', 'a=b+c.d_e-f']) {
  test(`${text} may name a tunnel`, (t) => t.true(isTunnelName(text)));
}

test('a missing file is named with everywhere it was looked for', async (t) => {
  const folders = twoFolders(t);
  const error = await t.throwsAsync(findTunnel('wg0', folders), { code: 'E_NO_CONFIG' });
  for (const folder of folders) t.true(error.message.includes(folder));
  await t.throwsAsync(findTunnel('/nonexistent/wg0.conf', folders), { code: 'E_NO_CONFIG' });
});

test('tunnels are listed once, the earlier folder first, and nothing else', async (t) => {
  const folders = twoFolders(t);
  for (const name of ['b.conf', 'a.conf', 'bad name.conf', 'a.conf.tmp', 'README'])
    writeFileSync(join(folders[0], name), '');
  writeFileSync(join(folders[1], 'a.conf'), '');
  writeFileSync(join(folders[1], 'c.conf'), '');
  const listed = await listTunnels([...folders, '/nonexistent']);
  t.deepEqual(
    listed.map(({ path }) => path),
    [join(folders[0], 'a.conf'), join(folders[0], 'b.conf'), join(folders[1], 'c.conf')],
  );
});

test('others have access only if the file and its folder let them', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'wg0.conf');
  writeFileSync(path, '[Interface]\n');
  const seen: boolean[] = [];
  for (const [file, around] of [
    [0o644, 0o755],
    [0o644, 0o700],
    [0o640, 0o755],
    [0o602, 0o751],
  ] as const) {
    chmodSync(path, file);
    chmodSync(folder, around);
    seen.push((await readConfigFile(path)).worldAccessible);
  }
  t.deepEqual(seen, [true, false, false, false]);
});

for (const [what, make] of [
  ['a folder', (path: string) => mkdirSync(path)],
  ['nothing', () => undefined],
  ['a link to nothing', (path: string) => symlinkSync('gone', path)],
  ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
  ['a link to itself', (path: string) => symlinkSync(path, path)],
  ['Latin-1', (path: string) => writeFileSync(path, Buffer.from([0x23, 0xe9, 0x0a]))],
  ['a NUL', (path: string) => writeFileSync(path, '[Interface]\0\n')],
  ['too much', (path: string) => writeFileSync(path, Buffer.alloc(CONFIG_BYTES + 1, '#'))],
] as const) {
  test(`${what} is no configuration file`, async (t) => {
    const path = join(folderFor(t), 'wg0.conf');
    make(path);
    await t.throwsAsync(readConfigFile(path), { code: 'E_CONFIG_READ' });
  });
}

test('a device is not read', async (t) => {
  await t.throwsAsync(readConfigFile('/dev/zero'), { code: 'E_CONFIG_READ' });
});

test('a key file of its owner alone is read; white space around the key is nothing', async (t) => {
  const path = join(folderFor(t), 'key');
  writeFileSync(path, `\n ${KEY} \n`, { mode: 0o600 });
  const key = await readKeyFile(path, null);
  t.is(Buffer.from(key.expose()).toString('base64'), KEY);
  key.destroy();
});

for (const mode of [0o640, 0o604, 0o620, 0o610, 0o666]) {
  test(`a key file of mode ${mode.toString(8)} is refused with the command that mends it`, async (t) => {
    const path = join(folderFor(t), 'key');
    writeFileSync(path, `${KEY}\n`);
    chmodSync(path, mode);
    const error = await t.throwsAsync(readKeyFile(path, null), { code: 'E_KEY_FILE_MODE' });
    t.true(error.message.includes(`chmod 600 ${path}`));
    t.false(error.message.includes(KEY));
  });
}

for (const text of ['', 'short', `${KEY}x`, `${KEY} ${KEY}`, KEY.replace('=', 'A'), KEY.slice(1)]) {
  test(`a key file with ${text.length} characters that are no key is refused`, async (t) => {
    const path = join(folderFor(t), 'key');
    writeFileSync(path, text, { mode: 0o600 });
    const error = await t.throwsAsync(readKeyFile(path, null), { code: 'E_KEY_FILE' });
    t.false(error.message.includes(KEY.slice(1, 20)));
  });
}

test('a credential is read whatever its mode; elsewhere the rule holds', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'wg'), `${KEY}\n`, { mode: 0o440 });
  const key = await readKeyFile('wg', folder);
  t.is(key.byteLength, 32);
  key.destroy();
  await t.throwsAsync(readKeyFile(join(folder, 'wg'), '/another'), { code: 'E_KEY_FILE_MODE' });
  await t.throwsAsync(readKeyFile('wg', null), { code: 'E_CREDENTIAL' });
});

test('writing keeps mode and owner, and leaves nothing beside the file', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'wg0.conf');
  writeFileSync(path, 'old');
  chmodSync(path, 0o640);
  if (process.getuid?.() === 0) chownSync(path, 12345, 54321);
  const before = statSync(path);
  await writeConfigFile(path, 'new');
  const after = statSync(path);
  t.is(readFileSync(path, 'utf8'), 'new');
  t.deepEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid]);
  t.not(after.ino, before.ino, 'replaced, not overwritten');
  t.deepEqual(readdirSync(folder), ['wg0.conf']);
});

test('a new file is for its owner alone', async (t) => {
  const path = join(folderFor(t), 'wg0.conf');
  await writeConfigFile(path, 'new');
  t.is(statSync(path).mode & 0o777, 0o600);
});

test('a link stays, and its target is replaced', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'real'), 'old');
  symlinkSync('real', join(folder, 'wg0.conf'));
  await writeConfigFile(join(folder, 'wg0.conf'), 'new');
  t.true(lstatSync(join(folder, 'wg0.conf')).isSymbolicLink());
  t.is(readFileSync(join(folder, 'real'), 'utf8'), 'new');
});

test('a file that cannot be written stays as it was', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'gone', 'wg0.conf');
  await t.throwsAsync(writeConfigFile(path, 'new'), { code: 'E_CONFIG_WRITE' });
  t.false(existsSync(path));
  // A folder in the place of the file: the rename fails when all is written.
  mkdirSync(join(folder, 'wg0.conf'));
  await t.throwsAsync(writeConfigFile(join(folder, 'wg0.conf'), 'new'), { code: 'E_CONFIG_WRITE' });
  t.deepEqual(readdirSync(folder), ['wg0.conf']);
});
