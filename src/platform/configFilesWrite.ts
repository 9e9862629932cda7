// Writes a configuration file so that whatever fails, a full disk above all, leaves the old one.
// SPEC.md 9.7.
import { randomBytes } from 'node:crypto';
import { open, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { OperatorError } from '../base/errors.js';
import { errnoOf } from './unixSocket.js';

interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Replaces the file's content: a new file beside it, flushed, renamed over it, the folder flushed.
 * Mode and owner stay; a new file gets 0600. A symbolic link's target is what is replaced. Throws
 * OperatorError E_CONFIG_WRITE; then the old file is as it was.
 */
export async function writeConfigFile(path: string, text: string): Promise<void> {
  let temporary: string | null = null;
  try {
    const target = await followLinks(path);
    const old = await ownership(target);
    temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
    await writeNew(temporary, text, old);
    await rename(temporary, target);
    temporary = null;
    await flushFolder(dirname(target));
  } catch (error) {
    if (temporary !== null) await unlink(temporary).catch(() => undefined);
    throw writeError(path, error);
  }
}

async function followLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return resolve(path);
    throw error;
  }
}

async function ownership(path: string): Promise<Ownership | null> {
  try {
    const { mode, uid, gid } = await stat(path);
    return { mode: mode & 0o7777, uid, gid };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function writeNew(path: string, text: string, old: Ownership | null): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    if (old !== null) await takeOver(file, old);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function takeOver(file: FileHandle, old: Ownership): Promise<void> {
  const { uid, gid } = await file.stat();
  if (uid !== old.uid || gid !== old.gid) await file.chown(old.uid, old.gid);
  await file.chmod(old.mode);
}

/** Makes the rename last; some file systems can't, and then have nothing to flush. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
  } finally {
    await folder.close();
  }
}

function writeError(path: string, cause: unknown): OperatorError {
  const code = errnoOf(cause) ?? String(cause);
  const remedies: Readonly<Record<string, string>> = {
    ENOSPC: 'free space on the disk; the old file is unchanged',
    EDQUOT: 'free space under the quota; the old file is unchanged',
    EROFS: 'the file system is mounted read-only: mount it for writing, or keep the file elsewhere',
    EACCES: 'run this as root',
    EPERM: 'run this as root',
  };
  return new OperatorError(
    {
      code: 'E_CONFIG_WRITE',
      place: path,
      expected: 'a configuration file that can be replaced',
      found: code,
      remedy: remedies[code] ?? 'check the file and its folder; the old file is unchanged',
    },
    { cause },
  );
}
