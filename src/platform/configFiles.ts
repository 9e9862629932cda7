// Configuration files: where a tunnel's name leads, reading with a look at who else may read, and
// writing so that whatever fails leaves the old file. SPEC.md 9.1 and 9.7.
import { constants } from 'node:fs';
import { open, readdir, realpath, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OperatorError } from '../base/errors.js';
import { errnoOf } from './unixSocket.js';

/** In the order of precedence. */
export const CONFIG_FOLDERS: readonly string[] = ['/etc/beam', '/etc/wireguard'];
export const CONFIG_BYTES = 16 * 1024 * 1024;

/** What wg-quick takes as an interface's name. */
const TUNNEL_NAME = /^[a-zA-Z0-9_=+.-]{1,15}$/;

export const isTunnelName = (text: string): boolean =>
  TUNNEL_NAME.test(text) && text !== '.' && text !== '..';

/** `wg0` for `/etc/beam/wg0.conf`; null where the file names no interface. */
function nameOfFile(path: string): string | null {
  const name = /^(.*)\.conf$/.exec(basename(path))?.[1] ?? '';
  return isTunnelName(name) ? name : null;
}

export interface TunnelFile {
  readonly interfaceName: string;
  /** Absolute. Symbolic links are kept: they are followed when the file is read or written. */
  readonly path: string;
}

/**
 * The file that a name or a path means. A slash or the ending `.conf` makes it a path. Throws
 * OperatorError E_TUNNEL_NAME, E_NO_CONFIG.
 */
export async function findTunnel(
  nameOrPath: string,
  folders: readonly string[] = CONFIG_FOLDERS,
): Promise<TunnelFile> {
  if (nameOrPath.includes('/') || nameOrPath.endsWith('.conf')) return tunnelAtPath(nameOrPath);
  if (!isTunnelName(nameOrPath)) throw badName(nameOrPath);
  for (const folder of folders) {
    const path = join(folder, `${nameOrPath}.conf`);
    if (await exists(path)) return { interfaceName: nameOrPath, path };
  }
  throw new OperatorError({
    code: 'E_NO_CONFIG',
    place: nameOrPath,
    expected: folders.map((folder) => join(folder, `${nameOrPath}.conf`)).join(' or '),
    found: 'neither',
    remedy: 'write one of these files, or give the path of another',
  });
}

async function tunnelAtPath(text: string): Promise<TunnelFile> {
  const path = resolve(text);
  const interfaceName = nameOfFile(path);
  if (interfaceName === null) throw badName(text);
  if (await exists(path)) return { interfaceName, path };
  throw new OperatorError({
    code: 'E_NO_CONFIG',
    place: path,
    expected: 'a configuration file',
    found: 'nothing',
    remedy: text.includes('/')
      ? 'check the path'
      : `check the path, or leave .conf out to look in ${CONFIG_FOLDERS.join(' and ')}`,
  });
}

/** Every tunnel in the folders, by name; a name in an earlier folder hides later ones. */
export async function listTunnels(
  folders: readonly string[] = CONFIG_FOLDERS,
): Promise<TunnelFile[]> {
  const found = new Map<string, TunnelFile>();
  for (const folder of folders) {
    for (const file of await entries(folder)) {
      const interfaceName = nameOfFile(file);
      if (interfaceName === null || found.has(interfaceName)) continue;
      found.set(interfaceName, { interfaceName, path: join(folder, file) });
    }
  }
  return [...found.values()].sort((a, b) => (a.interfaceName < b.interfaceName ? -1 : 1));
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw readError(folder, error);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw readError(path, error);
  }
}

export interface ConfigText {
  readonly text: string;
  /** Others than owner and group may get at the file (wg-quick's rule: file and folder let them). */
  readonly worldAccessible: boolean;
}

/** wg-quick's words for it. */
export const worldAccessibleWarning = (path: string): string =>
  `Warning: \`${path}' is world accessible`;

/** Throws OperatorError E_CONFIG_READ: missing, unreadable, not a regular file, too big, not UTF-8. */
export async function readConfigFile(path: string): Promise<ConfigText> {
  const { bytes, mode } = await readBounded(path, CONFIG_BYTES);
  const folder = await stat(dirname(await realpath(path)));
  return {
    text: decodeUtf8(bytes, path),
    worldAccessible: (mode & folder.mode & 0o007) !== 0,
  };
}

/** At most `maxBytes` of a regular file, and its mode as it was when it was open. */
export async function readBounded(
  path: string,
  maxBytes: number,
): Promise<{ bytes: Buffer; mode: number }> {
  let handle: FileHandle | null = null;
  try {
    // A FIFO must not be waited for: it is refused below.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await handle.stat();
    if (!status.isFile()) throw notReadable(path, 'something that is not a regular file');
    if (status.size > maxBytes) throw notReadable(path, `${status.size} bytes, over ${maxBytes}`);
    const bytes = await handle.readFile();
    if (bytes.length > maxBytes) throw notReadable(path, `more than ${maxBytes} bytes`);
    return { bytes, mode: status.mode };
  } catch (error) {
    throw error instanceof OperatorError ? error : readError(path, error);
  } finally {
    await handle?.close();
  }
}

function decodeUtf8(bytes: Buffer, path: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw notReadable(path, 'bytes that are not UTF-8', cause);
  }
  if (text.includes('\0')) throw notReadable(path, 'a NUL character');
  return text;
}

const badName = (text: string): OperatorError =>
  new OperatorError({
    code: 'E_TUNNEL_NAME',
    place: JSON.stringify(text),
    expected: 'a name of 1 to 15 of the characters a-z A-Z 0-9 _ = + . -, or a path NAME.conf',
    found: text.length > 15 ? `${text.length} characters` : 'another text',
    remedy: 'the file is named after the interface, followed by .conf',
  });

function readError(path: string, cause: unknown): OperatorError {
  const code = errnoOf(cause);
  return code === 'EACCES' || code === 'EPERM'
    ? notReadable(path, 'permission denied', cause, 'run this as root')
    : notReadable(path, code ?? String(cause), cause);
}

const notReadable = (
  path: string,
  found: string,
  cause?: unknown,
  remedy = 'check the file',
): OperatorError =>
  new OperatorError(
    { code: 'E_CONFIG_READ', place: path, expected: 'a readable UTF-8 text file', found, remedy },
    { cause },
  );
