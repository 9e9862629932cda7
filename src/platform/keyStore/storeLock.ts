// One writer at a time: agent and commands may meet at the store. SPEC.md 10.9.
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../base/errors.js';
import { errnoOf } from '../unixSocket.js';

const WAIT_MS = 5000;
const POLL_MS = 50;

/**
 * Runs `use` while this process holds `PATH.lock`. Waits up to 5 s; a lock whose process is gone is
 * taken over. Throws OperatorError E_STORE_BUSY, E_STORE_FILE.
 */
export async function withStoreLock<Result>(
  path: string,
  use: () => Promise<Result>,
): Promise<Result> {
  const lock = `${path}.lock`;
  await acquire(lock);
  try {
    return await use();
  } finally {
    await unlink(lock).catch(() => undefined);
  }
}

async function acquire(lock: string): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    if (await tryAcquire(lock)) return;
    const holder = await holderOf(lock);
    if (holder !== null && !isAlive(holder)) {
      await clearAway(lock);
      continue;
    }
    if (waitedMs >= WAIT_MS) throw busy(lock, holder);
    await delay(POLL_MS);
  }
}

async function tryAcquire(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx', 0o600);
    try {
      await file.writeFile(`${process.pid}\n`);
    } finally {
      await file.close();
    }
    return true;
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') return false;
    const found = errnoOf(cause) ?? String(cause);
    const remedy = 'check the folder, or run this as root';
    throw new OperatorError(
      { code: 'E_STORE_FILE', place: lock, expected: 'a lock file', found, remedy },
      { cause },
    );
  }
}

/**
 * Removes the lock of a process that is gone. It is moved aside and looked at first: another process
 * may have cleared it away and taken the lock in the meantime, and then gets its lock back.
 */
async function clearAway(lock: string): Promise<void> {
  const aside = `${lock}.${process.pid}`;
  await rename(lock, aside).catch(() => undefined);
  const holder = await holderOf(aside);
  if (holder !== null && isAlive(holder)) await rename(aside, lock).catch(() => undefined);
  else await unlink(aside).catch(() => undefined);
}

/** Null while it is being written, or has gone. */
async function holderOf(lock: string): Promise<number | null> {
  const text = await readFile(lock, 'utf8').catch(() => '');
  return /^[1-9]\d*\n$/.test(text) ? Number(text) : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

const busy = (lock: string, holder: number | null): OperatorError =>
  new OperatorError({
    code: 'E_STORE_BUSY',
    place: lock,
    expected: 'that nobody else writes the key store',
    found: holder === null ? 'a lock file without a process' : `process ${holder}`,
    remedy: 'try again; if no other beam runs, remove the lock file',
  });
