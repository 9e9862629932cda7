// Writes the store so that it opens whatever happens, old or new, and keeps the one before.
// SPEC.md 10.9.
import type { StoreFiles } from '../../ports/storeFiles.js';

export const lastGoodPath = (path: string): string => `${path}.last`;
const newPath = (path: string): string => `${path}.new`;

export interface StoreBytes {
  readonly current: Uint8Array | null;
  /** The file before the current one. */
  readonly lastGood: Uint8Array | null;
}

/** Throws OperatorError. */
export async function loadStoreBytes(files: StoreFiles, path: string): Promise<StoreBytes> {
  return {
    current: await files.read(path),
    lastGood: await files.read(lastGoodPath(path)),
  };
}

/**
 * Replaces the file; `previous`, which was seen to open, becomes the last good one. The caller holds
 * the lock (storeLock.ts). If it rejects or the process ends, either the old or the new file is there.
 */
export async function saveStoreBytes(
  files: StoreFiles,
  path: string,
  content: { readonly next: Uint8Array; readonly previous: Uint8Array | null },
): Promise<void> {
  await writeWhole(files, newPath(path), content.next);
  if (content.previous !== null) {
    const last = lastGoodPath(path);
    await writeWhole(files, newPath(last), content.previous);
    await files.rename(newPath(last), last);
  }
  await files.rename(newPath(path), path);
  await files.flushFolderOf(path);
}

/** A file left over from a write that was cut off goes first. */
async function writeWhole(files: StoreFiles, path: string, bytes: Uint8Array): Promise<void> {
  await files.unlink(path);
  await files.create(path);
  await files.write(path, bytes);
  await files.flush(path);
}
