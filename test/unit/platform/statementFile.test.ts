import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { diskFiles } from '../../../src/platform/keyStore/storeFiles.js';
import {
  formatStatements,
  loadStatements,
  saveStatements,
} from '../../../src/platform/trust/statementFile.js';
import { Crash, CrashDisk, type Survival } from '../../support/crashDisk.js';
import { report, revocation, signer, vouch } from '../../support/signers.js';

const [ann, bob] = [signer('ann'), signer('bob', 'p256')];
const old = [vouch(ann, bob), revocation(bob, bob)];
const next = [...old, report(ann, bob, { positive: 1, negative: 2 })];
const PATH = '/var/lib/beam/trust';

const ids = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id).sort();

test('statements are read back as they were saved, in a file that is the same whatever their order', async (t) => {
  const disk = new CrashDisk();
  t.deepEqual(await loadStatements(disk, PATH), []);
  await saveStatements(disk, PATH, next);
  t.deepEqual(ids(await loadStatements(disk, PATH)), ids(next));
  t.is(formatStatements(next), formatStatements([...next].reverse()));
  t.deepEqual(disk.paths(), [PATH]);
});

test('whatever step a crash comes at and whatever the disk then keeps, the old or the new file is there', async (t) => {
  const whole = new CrashDisk();
  whole.put(PATH, Buffer.from(formatStatements(old)));
  await saveStatements(whole, PATH, next);
  t.true(whole.steps > 5);
  const outcomes = new Set<string>();
  for (let stepsLeft = 0; stepsLeft <= whole.steps; stepsLeft++) {
    for (const survival of [
      'nothing',
      'everything',
      'names',
      'half',
    ] as const satisfies readonly Survival[]) {
      const disk = new CrashDisk();
      disk.put(PATH, Buffer.from(formatStatements(old)));
      disk.stepsLeft = stepsLeft;
      const finished = await saveStatements(disk, PATH, next).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Crash) return false;
          throw error;
        },
      );
      const after = disk.afterPowerCut(survival);
      const found = ids(await loadStatements(after, PATH));
      const isNew = found.length === next.length;
      t.deepEqual(found, ids(isNew ? next : old), `${stepsLeft} steps, ${survival}`);
      if (finished) t.true(isNew, 'what was saved stays');
      outcomes.add(isNew ? 'new' : 'old');
      await saveStatements(after, PATH, next);
      t.deepEqual(ids(await loadStatements(after, PATH)), ids(next), 'and it can be saved again');
    }
  }
  t.is(outcomes.size, 2);
});

test('a line that is no signed statement is named by its number, and nothing is overwritten', async (t) => {
  const good = formatStatements(old);
  for (const bad of ['x', '', '{}', old[0]!.text.replace('"level":1', '"level":0.9')]) {
    const disk = new CrashDisk();
    const bytes = new TextEncoder().encode(`${good}${bad}\n`);
    disk.put(PATH, bytes);
    await t.throwsAsync(
      loadStatements(disk, PATH),
      { code: 'E_TRUST_FILE', message: /trust:3/ },
      bad,
    );
    t.deepEqual(disk.peek(PATH), bytes);
  }
});

test('on a real disk the file is 0600, and one that others may write is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'beam-trust-'));
  try {
    const path = join(folder, 'trust');
    await saveStatements(diskFiles, path, old);
    t.is(statSync(path).mode & 0o777, 0o600);
    t.deepEqual(ids(await loadStatements(diskFiles, path)), ids(old));
    chmodSync(path, 0o666);
    await t.throwsAsync(loadStatements(diskFiles, path), {
      code: 'E_TRUST_FILE',
      message: /chmod 600/,
    });
    writeFileSync(path, '');
    await t.throwsAsync(saveStatements(diskFiles, join(folder, 'none', 'trust'), old), {
      code: 'E_TRUST_FILE',
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
