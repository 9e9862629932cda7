// A process that is killed, or a machine that loses power, before every single step of a write.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  createStore,
  openStoreFile,
  type StorePlace,
  type StoreSession,
} from '../../../src/agent/keys/storeSession.js';
import { copyToLocked } from '../../../src/crypto/lockedMemory.js';
import type { RollbackCounter } from '../../../src/ports/keyManager.js';
import { Crash, CrashDisk, type Survival } from '../../support/crashDisk.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-crash-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const RECORD = { purpose: 'tunnelKey', name: 'wg0' } as const;
const OLD = new TextEncoder().encode('old');
const NEW = new TextEncoder().encode('new');
const SURVIVALS: readonly Survival[] = ['nothing', 'everything', 'names', 'half'];

/** A TPM's counter: it survives everything, and may be cut off as the disk is. */
class Counter implements RollbackCounter {
  value = 100n;
  disk: CrashDisk | null = null;

  read(): Promise<bigint> {
    return Promise.resolve(this.value);
  }

  async increment(): Promise<bigint> {
    await this.disk?.flushFolderOf(); // a step of its own, before which the process may end
    return ++this.value;
  }
}

let stores = 0;
async function storeOn(disk: CrashDisk, counter: Counter | null): Promise<StoreSession> {
  const place: StorePlace = {
    // Locks are real files: each store has its own path, whose other files are on the made-up disk.
    path: join(folder, `store${stores++}`),
    files: disk,
    entropy: seededEntropy('crash'),
    counter,
  };
  const session = await createStore(place);
  session.store.slots = [{ kind: 'recovery', body: new Uint8Array(64) }];
  session.store.set(RECORD, OLD);
  await session.save();
  await session.save(); // so that there is a last good one
  return session;
}

async function valueAfter(session: StoreSession, disk: CrashDisk): Promise<string> {
  const key = session.store.storeKey;
  const place = { ...session.place, files: disk };
  const outcome = await openStoreFile(place, () =>
    Promise.resolve({ kind: 'unsealed', storeKey: copyToLocked(key.expose()) }),
  );
  if (outcome.kind !== 'open') return outcome.kind;
  const text = new TextDecoder().decode(outcome.session.store.read(RECORD)!.expose());
  // What opens can also be written again.
  outcome.session.store.set(RECORD, NEW);
  await outcome.session.save();
  outcome.session.close();
  return text;
}

async function stepsOfWrite(counter: Counter | null): Promise<number> {
  const disk = new CrashDisk();
  const session = await storeOn(disk, counter);
  if (counter !== null) counter.disk = disk;
  const before = disk.steps;
  session.store.set(RECORD, NEW);
  await session.save();
  session.close();
  return disk.steps - before;
}

for (const counted of [false, true]) {
  const whose = counted ? 'with a counter' : 'without a counter';

  test(`killed before any step of a write, the store opens, old or new, ${whose}`, async (t) => {
    const steps = await stepsOfWrite(counted ? new Counter() : null);
    t.true(steps >= 12, 'every operation is a step');
    const found: string[] = [];
    for (let step = 0; step <= steps; step++) {
      const disk = new CrashDisk();
      const counter = counted ? new Counter() : null;
      const session = await storeOn(disk, counter);
      if (counter !== null) counter.disk = disk;
      session.store.set(RECORD, NEW);
      disk.stepsLeft = step;
      const end = await session.save().then(
        () => 'saved',
        (error: unknown) => (error instanceof Crash ? 'killed' : String(error)),
      );
      t.is(end, step < steps ? 'killed' : 'saved', `step ${step}`);
      disk.stepsLeft = Infinity;
      found.push(await valueAfter(session, disk));
      if (end === 'saved') t.is(found.at(-1), 'new');
      session.close();
    }
    t.true(
      found.every((text) => text === 'old' || text === 'new'),
      found.join(),
    );
    t.is(found[0], 'old');
    t.deepEqual(found, [...found].sort().reverse(), 'once new, always new');
  });

  test(`after a power cut before any step of a write, the store opens, old or new, ${whose}`, async (t) => {
    const steps = await stepsOfWrite(counted ? new Counter() : null);
    for (let step = 0; step <= steps; step++) {
      for (const survival of SURVIVALS) {
        const disk = new CrashDisk();
        const counter = counted ? new Counter() : null;
        const session = await storeOn(disk, counter);
        if (counter !== null) counter.disk = disk;
        session.store.set(RECORD, NEW);
        disk.stepsLeft = step;
        const saved = await session.save().then(
          () => true,
          () => false,
        );
        if (counter !== null) counter.disk = null;
        const text = await valueAfter(session, disk.afterPowerCut(survival));
        t.true(
          saved ? text === 'new' : text === 'old' || text === 'new',
          `${step} ${survival}: ${text}`,
        );
        session.close();
      }
    }
  });
}

test('the first write, cut off anywhere, leaves no store or a whole one', async (t) => {
  for (let step = 0; step < 12; step++) {
    for (const survival of SURVIVALS) {
      const disk = new CrashDisk();
      const path = join(folder, `first${step}${survival}`);
      const session = await createStore({
        path,
        files: disk,
        entropy: seededEntropy('first'),
        counter: null,
      });
      session.store.slots = [{ kind: 'recovery', body: new Uint8Array(64) }];
      session.store.set(RECORD, OLD);
      disk.stepsLeft = step;
      const saved = await session.save().then(
        () => true,
        () => false,
      );
      const found = await valueAfter(session, disk.afterPowerCut(survival));
      t.true(saved ? found === 'old' : ['absent', 'old'].includes(found), `${step} ${survival}`);
      session.close();
    }
  }
});
