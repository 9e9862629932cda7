// net.ipv4.conf.all.src_valid_mark, shared by all full tunnels of a network namespace: the first
// sets it, the last puts back what the first found. SPEC.md 8.6.
import { readFile, readdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { networkNamespace, readState } from './journal.js';

const SYSCTL_FILE = '/proc/sys/net/ipv4/conf/all/src_valid_mark';

const originalFile = (folder: string): string =>
  join(folder, `src_valid_mark.${networkNamespace()}`);

/** The caller's state file already says that it relies on the setting. */
export async function setValidMark(folder: string): Promise<void> {
  const found = (await readFile(SYSCTL_FILE, 'utf8')).trim();
  await writeFile(originalFile(folder), found, { mode: 0o600, flag: 'wx' }).catch(
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    },
  );
  try {
    await writeFile(SYSCTL_FILE, '1');
  } catch (error) {
    // In most containers /proc/sys can only be read, which is no harm where the value is right.
    if (found !== '1') throw error;
  }
}

export async function restoreValidMark(folder: string, interfaceName: string): Promise<void> {
  if (await othersRely(folder, interfaceName)) return;
  const original = await readFile(originalFile(folder), 'utf8').catch(() => null);
  if (original === null) return;
  // Where it could not be set in the first place it can't be written now either.
  const current = await readFile(SYSCTL_FILE, 'utf8');
  if (current.trim() !== original.trim()) await writeFile(SYSCTL_FILE, original);
  await unlink(originalFile(folder)).catch(() => undefined);
  // A tunnel that came up meanwhile wrote its state file first and may have been overruled.
  if (await othersRely(folder, interfaceName)) {
    await writeFile(originalFile(folder), original, { mode: 0o600 });
    await writeFile(SYSCTL_FILE, '1');
  }
}

const STATE_SUFFIX = '.state.json';

async function othersRely(folder: string, interfaceName: string): Promise<boolean> {
  const files = await readdir(folder).catch(() => []);
  for (const file of files.filter((name) => name.endsWith(STATE_SUFFIX))) {
    const other = file.slice(0, -STATE_SUFFIX.length);
    if (other === interfaceName) continue;
    const state = await readState(folder, other).catch(() => null);
    if (state?.namespace !== networkNamespace()) continue;
    if (state.items.some((item) => item.kind === 'validMark')) return true;
  }
  return false;
}
