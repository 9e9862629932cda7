// The store's files on the disk, refused when others may touch them. SPEC.md 10.9 and 10.10.
import { constants } from 'node:fs';
import { mkdir, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OperatorError } from '../../base/errors.js';
import type { StoreFiles } from '../../ports/storeFiles.js';
import { isKeyModeTooOpen } from '../configFilesKey.js';
import { errnoOf } from '../unixSocket.js';

const FILE_BYTES_MAX = 16 * 1024 * 1024;

export const diskFiles: StoreFiles = {
  read: (path) => guarded(path, () => readOwn(path)),
  create: (path) =>
    guarded(path, () =>
      withFile(path, constants.O_CREAT | constants.O_EXCL, () => Promise.resolve()),
    ),
  write: (path, bytes) => guarded(path, () => withFile(path, 0, (file) => file.writeFile(bytes))),
  flush: (path) => guarded(path, () => withFile(path, 0, (file) => file.sync())),
  rename: (from, to) => guarded(to, () => rename(from, to)),
  flushFolderOf: (path) => guarded(path, () => flushFolder(dirname(path))),
  unlink: (path) => guarded(path, () => ignoring('ENOENT', unlink(path))),
};

/** Makes the folder, 0700, where it is missing. Throws OperatorError if others may write into it. */
export async function prepareStoreFolder(path: string): Promise<void> {
  const folder = dirname(path);
  await guarded(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }));
  await guarded(folder, () => checkFolder(folder));
}

async function readOwn(path: string): Promise<Uint8Array | null> {
  let file: FileHandle;
  try {
    // A FIFO must not be waited for, a symbolic link not followed.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  try {
    const { mode, uid, size } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw notRegular(path);
    refuseOpen(path, { mode, uid }, '600');
    await checkFolder(dirname(path));
    if (size > FILE_BYTES_MAX) throw tooBig(path, size);
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

async function checkFolder(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  refuseOpen(folder, { mode, uid }, '700');
}

function refuseOpen(path: string, found: { mode: number; uid: number }, wanted: string): void {
  const { mode, uid } = found;
  const owner = process.geteuid!();
  if (uid !== owner && uid !== 0) {
    throw modeError(path, `owner ${uid}`, `chown ${owner} ${path}`);
  }
  if (!isKeyModeTooOpen(mode)) return;
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  throw modeError(path, `mode ${octal}`, `chmod ${wanted} ${path}`);
}

async function withFile(
  path: string,
  flags: number,
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | flags, 0o600);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

/** Some file systems can't flush a folder, and then have nothing to flush. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await ignoring('EINVAL', folder.sync());
  } finally {
    await folder.close();
  }
}

async function ignoring(code: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (errnoOf(error) !== code) throw error;
  }
}

async function guarded<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    const code = errnoOf(cause) ?? String(cause);
    const expected = 'a key store that can be read and written';
    const remedy = REMEDIES[code] ?? 'check the path and its folder';
    throw new OperatorError(
      { code: 'E_STORE_FILE', place: path, expected, found: code, remedy },
      { cause },
    );
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'run this as root',
  EPERM: 'run this as root',
  ENOSPC: 'free space on the disk; the store is unchanged',
  EDQUOT: 'free space under the quota; the store is unchanged',
  EROFS: 'mount the file system for writing; the store is unchanged',
  ELOOP: 'a symbolic link is not followed there: name the file itself',
};

const modeError = (place: string, found: string, remedy: string): OperatorError =>
  new OperatorError({
    code: 'E_STORE_MODE',
    place,
    expected: 'that only its owner, root or the user of this process, may touch it',
    found,
    remedy,
  });

const notRegular = (place: string): OperatorError =>
  new OperatorError({
    code: 'E_STORE_FILE',
    place,
    expected: 'a regular file',
    found: 'something else',
    remedy: 'name the store file with --store',
  });

const tooBig = (place: string, bytes: number): OperatorError =>
  new OperatorError({
    code: 'E_STORE_DAMAGED',
    place,
    expected: `at most ${FILE_BYTES_MAX} bytes`,
    found: `${bytes} bytes`,
    remedy: 'this is no key store of Beam; name the right file with --store',
  });
