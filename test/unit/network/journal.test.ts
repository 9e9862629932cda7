// The state file: what it says at each moment, and files that must not be believed. SPEC.md 8.6.
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  Journal,
  isAlive,
  processIdentity,
  readState,
  stateFile,
} from '../../../src/platform/network/journal.js';
import type { NetworkItem } from '../../../src/platform/network/networkItem.js';

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'beam-journal-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return join(path, 'beam');
}

const address: NetworkItem = { kind: 'address', family: 4, address: '10.0.0.1/24' };
const routes = (...prefixes: string[]): NetworkItem => ({
  kind: 'routes',
  family: 4,
  table: '254',
  prefixes,
});

test('the file is for its owner alone and is read back as it was written', async (t) => {
  const path = folder(t);
  const journal = await Journal.create(path, 'wg0');
  await journal.setLink({ index: 7, mtu: 1500, up: false });
  await journal.setPostDown(['true']);
  await journal.include(address);
  t.is(statSync(path).mode & 0o777, 0o700);
  t.is(statSync(stateFile(path, 'wg0')).mode & 0o777, 0o600);
  t.deepEqual(readdirSync(path), ['wg0.state.json']);
  t.deepEqual(await readState(path, 'wg0'), journal.state);
});

test('routes of one table are one item that grows and shrinks', async (t) => {
  const journal = await Journal.create(folder(t), 'wg0');
  await journal.include(routes('10.1.0.0/16'));
  await journal.include(routes('10.1.0.0/16', '10.2.0.0/16'));
  await journal.exclude(routes('10.1.0.0/16'));
  t.deepEqual(journal.state.items, [routes('10.2.0.0/16')]);
  await journal.exclude(routes('10.2.0.0/16', '10.3.0.0/16'));
  t.deepEqual(journal.state.items, []);
});

test('an item replaces the one with its key, in its place', async (t) => {
  const journal = await Journal.create(folder(t), 'wg0');
  await journal.include({ kind: 'mtu', mtu: 1420 });
  await journal.include(address);
  await journal.include({ kind: 'mtu', mtu: 1380 });
  t.deepEqual(journal.state.items, [{ kind: 'mtu', mtu: 1380 }, address]);
});

test('without a file there is no state, and removing twice is no error', async (t) => {
  const path = folder(t);
  t.is(await readState(path, 'wg0'), null);
  const journal = await Journal.create(path, 'wg0');
  await journal.remove();
  await journal.remove();
  t.is(await readState(path, 'wg0'), null);
});

test('a leftover of a write that was cut off does no harm', async (t) => {
  const path = folder(t);
  const journal = await Journal.create(path, 'wg0');
  writeFileSync(`${stateFile(path, 'wg0')}.new`, '{"vers');
  await journal.include(address);
  t.deepEqual((await readState(path, 'wg0'))?.items, [address]);
});

for (const [what, text] of [
  ['no JSON', '{'],
  ['null', 'null'],
  ['another version', '{"version":2}'],
  ['another interface', null],
  [
    'no items',
    '{"version":1,"interfaceName":"wg0","bootId":"a","namespace":"1","owner":{"pid":1}}',
  ],
] as const)
  test(`a file with ${what} is refused`, async (t) => {
    const path = folder(t);
    await Journal.create(path, 'wg0');
    const file = stateFile(path, 'wg0');
    writeFileSync(file, text ?? readFileSync(file, 'utf8').replace('"wg0"', '"wg1"'));
    const error = await t.throwsAsync(readState(path, 'wg0'));
    t.is((error as { code?: string }).code, 'E_STATE_FILE');
  });

test('a file that others can write is refused', async (t) => {
  const path = folder(t);
  await Journal.create(path, 'wg0');
  chmodSync(stateFile(path, 'wg0'), 0o622);
  await t.throwsAsync(readState(path, 'wg0'), { message: /mode 622/ });
});

test('a folder that cannot be written is an error with a remedy', async (t) => {
  const path = folder(t);
  writeFileSync(path, 'a file in the way');
  const error = await t.throwsAsync(Journal.create(path, 'wg0'));
  t.is((error as { code?: string }).code, 'E_STATE_FILE');
});

test('a process is told from a later one with its pid', (t) => {
  const own = processIdentity(process.pid)!;
  t.true(isAlive(own));
  t.false(isAlive({ ...own, startTicks: '1' }));
  t.false(isAlive({ pid: 2 ** 22 + 1, startTicks: '' }));
});
