// Overwrites what a file held before it is gone; on flash and copy-on-write storage that promises
// nothing, which is said where it matters. SPEC.md 10.16.
import { constants } from 'node:fs';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { errnoOf } from '../unixSocket.js';

const CHUNK_BYTES = 64 * 1024;

/** Overwrites, flushes and removes. False if there is no such file. */
export async function destroyFile(path: string): Promise<boolean> {
  const file = await openForWriting(path);
  if (file === null) return false;
  try {
    await overwrite(file);
  } finally {
    await file.close();
  }
  await unlink(path);
  return true;
}

/**
 * Runs `replace`, which puts a new file in the place of `path`, and then overwrites the old one, if
 * no other name leads to it. Without the right to write it, it is only replaced.
 */
export async function replaceAndOverwrite(
  path: string,
  replace: () => Promise<void>,
): Promise<void> {
  const old = await openForWriting(path).catch(() => null);
  try {
    await replace();
    if (old !== null && (await old.stat()).nlink === 0) await overwrite(old);
  } finally {
    await old?.close();
  }
}

async function openForWriting(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function overwrite(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const zeros = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    await file.write(zeros, 0, Math.min(CHUNK_BYTES, size - at), at);
  }
  await file.sync();
}
