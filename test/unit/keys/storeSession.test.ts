import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  createStore,
  openStoreFile,
  type OpenOutcome,
  type StorePlace,
  type StoreSession,
} from '../../../src/agent/keys/storeSession.js';
import { OperatorError } from '../../../src/base/errors.js';
import { copyToLocked } from '../../../src/crypto/lockedMemory.js';
import { diskFiles, prepareStoreFolder } from '../../../src/platform/keyStore/storeFiles.js';
import { withStoreLock } from '../../../src/platform/keyStore/storeLock.js';
import type { UnsealOutcome, UnsealRefusal } from '../../../src/ports/keyManager.js';
import { CrashDisk } from '../../support/crashDisk.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-store-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const RECORD = { purpose: 'tunnelKey', name: 'wg0' } as const;
let stores = 0;

interface Subject {
  readonly disk: CrashDisk;
  readonly place: StorePlace;
  readonly session: StoreSession;
  readonly counter: { value: bigint };
}

async function subject(counted = false): Promise<Subject> {
  const counter = { value: 40n };
  const disk = new CrashDisk();
  const place: StorePlace = {
    path: join(folder, `store${stores++}`),
    files: disk,
    entropy: seededEntropy('session'),
    counter: counted
      ? {
          read: () => Promise.resolve(counter.value),
          increment: () => Promise.resolve(++counter.value),
        }
      : null,
  };
  const session = await createStore(place);
  session.store.slots = [{ kind: 'tpm', body: Uint8Array.of(1) }];
  session.store.set(RECORD, Uint8Array.of(1));
  await session.save();
  session.store.set(RECORD, Uint8Array.of(2));
  await session.save();
  return { disk, place, session, counter };
}

const unlockOf =
  ({ session }: Subject) =>
  (): Promise<UnsealOutcome> =>
    Promise.resolve({ kind: 'unsealed', storeKey: copyToLocked(session.store.storeKey.expose()) });

const valueOf = (outcome: OpenOutcome): number | string =>
  outcome.kind === 'open' ? outcome.session.store.read(RECORD)!.expose()[0]! : outcome.kind;

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof OperatorError ? error.code : String(error)),
  );

test('without files the store is absent, and with one it is not created again', async (t) => {
  const it = await subject();
  const nowhere = { ...it.place, path: join(folder, 'nowhere') };
  t.is(valueOf(await openStoreFile(nowhere, unlockOf(it))), 'absent');
  t.is(await codeOf(createStore(it.place)), 'E_STORE_EXISTS');
});

test('a damaged file gives way to the last good one, says so, and is replaced at the next write', async (t) => {
  const it = await subject();
  const bytes = it.disk.peek(it.place.path)!.slice();
  for (const damage of [
    bytes.subarray(0, 50),
    new Uint8Array(0),
    bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1),
  ]) {
    it.disk.put(it.place.path, damage);
    const outcome = await openStoreFile(it.place, unlockOf(it));
    t.is(valueOf(outcome), 1);
    if (outcome.kind === 'open') t.regex(outcome.session.notice!, /damaged/);
  }
  const outcome = await openStoreFile(it.place, unlockOf(it));
  if (outcome.kind !== 'open') return t.fail();
  outcome.session.store.set(RECORD, Uint8Array.of(3));
  await outcome.session.save();
  t.is(valueOf(await openStoreFile(it.place, unlockOf(it))), 3);
});

test('two damaged files are an error with a remedy, never a throw of ours', async (t) => {
  const it = await subject();
  it.disk.put(it.place.path, Uint8Array.of(1, 2, 3));
  it.disk.put(`${it.place.path}.last`, new Uint8Array(100));
  t.is(await codeOf(openStoreFile(it.place, unlockOf(it))), 'E_STORE_DAMAGED');
});

test('a store of a newer version is named, and the file before is not used', async (t) => {
  const it = await subject();
  const bytes = it.disk.peek(it.place.path)!.slice();
  bytes[9] = 2;
  it.disk.put(it.place.path, bytes);
  t.is(await codeOf(openStoreFile(it.place, unlockOf(it))), 'E_STORE_VERSION');
});

test('an older file is noticed where something counts, and taken only when asked for', async (t) => {
  const it = await subject(true);
  const older = it.disk.peek(it.place.path)!.slice();
  for (let i = 0; i < 2; i++) await it.session.save();
  t.is(it.counter.value, it.session.store.revision);
  it.disk.put(it.place.path, older);
  it.disk.put(`${it.place.path}.last`, older);
  t.is(await codeOf(openStoreFile(it.place, unlockOf(it))), 'E_STORE_ROLLBACK');
  const outcome = await openStoreFile(it.place, unlockOf(it), { acceptRollback: true });
  t.is(valueOf(outcome), 2);
  if (outcome.kind === 'open') await outcome.session.save();
  t.is(valueOf(await openStoreFile(it.place, unlockOf(it))), 2, 'after that it counts again');
});

test('damage that would bring the store before back is a rollback where something counts', async (t) => {
  const it = await subject(true);
  it.disk.put(it.place.path, new Uint8Array(10));
  t.is(await codeOf(openStoreFile(it.place, unlockOf(it))), 'E_STORE_ROLLBACK');
});

test('a counter that another TPM has is noticed', async (t) => {
  const it = await subject(true);
  it.counter.value = 3n;
  t.is(await codeOf(openStoreFile(it.place, unlockOf(it))), 'E_STORE_ROLLBACK');
});

test('a holder that refuses leaves the store locked, with its reason', async (t) => {
  const it = await subject();
  for (const reason of [
    'absent',
    'denied',
    'lockedOut',
    'otherDevice',
    'damaged',
  ] as UnsealRefusal[]) {
    const details = { code: 'E_X', place: '', expected: '', found: '', remedy: '' } as const;
    const outcome = await openStoreFile(it.place, () =>
      Promise.resolve({ kind: 'refused', reason, details }),
    );
    t.is(outcome.kind === 'locked' && outcome.refusal.reason, reason);
  }
});

test('a passphrase that was replaced does not open the file before', async (t) => {
  const it = await subject();
  it.session.store.slots = [{ kind: 'tpm', body: Uint8Array.of(2) }];
  await it.session.save();
  const details = { code: 'E_X', place: '', expected: '', found: '', remedy: '' } as const;
  const outcome = await openStoreFile(it.place, ({ slots }) =>
    slots[0]!.body[0] === 1
      ? unlockOf(it)()
      : Promise.resolve({ kind: 'refused', reason: 'denied', details }),
  );
  t.is(valueOf(outcome), 'locked');
});

test('a write by another process since is not overwritten', async (t) => {
  const it = await subject();
  const other = await openStoreFile(it.place, unlockOf(it));
  if (other.kind !== 'open') return t.fail();
  await other.session.save();
  t.is(await codeOf(it.session.save()), 'E_STORE_CHANGED');
  t.is(valueOf(await openStoreFile(it.place, unlockOf(it))), 2);
});

test('signing keys are listed identity first, then by tunnel and generation', async (t) => {
  const it = await subject();
  const blobs = it.session.blobs();
  for (const name of [
    { kind: 'tunnel', tunnelId: 'b', generation: 2 },
    { kind: 'tunnel', tunnelId: 'b', generation: 10 },
    { kind: 'tunnel', tunnelId: 'a', generation: 1 },
    { kind: 'identity' },
  ] as const) {
    await blobs.write(name, Uint8Array.of(1));
  }
  const names = blobs
    .list()
    .map((name) => (name.kind === 'identity' ? 'id' : `${name.tunnelId}${name.generation}`));
  t.deepEqual(names, ['id', 'a1', 'b2', 'b10']);
  t.true(await blobs.remove({ kind: 'identity' }));
  t.false(await blobs.remove({ kind: 'identity' }));
  t.is(blobs.read({ kind: 'identity' }), null);
});

test('on the disk: files are 0600 in a folder of 0700, and what others may touch is refused', async (t) => {
  const path = join(folder, 'real', 'store');
  await prepareStoreFolder(path);
  const it = await subject();
  const place = { ...it.place, path, files: diskFiles };
  const session = await createStore(place);
  session.store.slots = it.session.store.slots;
  session.store.set(RECORD, Uint8Array.of(9));
  await session.save();
  await session.save();
  const mode = (of: string): number => statSync(of).mode & 0o777;
  t.deepEqual([path, `${path}.last`, join(folder, 'real')].map(mode), [0o600, 0o600, 0o700]);
  const open = (): Promise<OpenOutcome> => openStoreFile(place, unlockOf({ ...it, session }));
  t.is(valueOf(await open()), 9);
  for (const bad of [0o640, 0o604, 0o620, 0o601]) {
    chmodSync(path, bad);
    t.is(await codeOf(open()), 'E_STORE_MODE', bad.toString(8));
  }
  chmodSync(path, 0o400);
  t.is(valueOf(await open()), 9);
  for (const bad of [0o750, 0o705, 0o711, 0o777]) {
    chmodSync(join(folder, 'real'), bad);
    t.is(await codeOf(open()), 'E_STORE_MODE', bad.toString(8));
    t.is(await codeOf(prepareStoreFolder(path)), 'E_STORE_MODE');
  }
  chmodSync(join(folder, 'real'), 0o700);
  symlinkSync(path, join(folder, 'real', 'link'));
  const link = { ...place, path: join(folder, 'real', 'link') };
  t.is(await codeOf(openStoreFile(link, unlockOf(it))), 'E_STORE_FILE');
  mkdirSync(join(folder, 'real', 'directory'), { mode: 0o700 });
  const directory = { ...place, path: join(folder, 'real', 'directory') };
  t.is(await codeOf(openStoreFile(directory, unlockOf(it))), 'E_STORE_FILE');
});

test('the lock of a process that is gone is taken over; one that lives is waited for', async (t) => {
  const path = join(folder, 'locked');
  writeFileSync(`${path}.lock`, '4194399\n'); // above every pid_max
  t.is(await withStoreLock(path, () => Promise.resolve('in')), 'in');
  const order: string[] = [];
  const slow = withStoreLock(path, async () => {
    order.push('first in');
    await new Promise((resolve) => setImmediate(resolve));
    order.push('first out');
  });
  await Promise.all([slow, withStoreLock(path, () => Promise.resolve(order.push('second')))]);
  t.deepEqual(order, ['first in', 'first out', 'second']);
});
