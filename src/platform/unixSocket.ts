// Unix stream sockets as daemons use them: a stale file is replaced, a live one is respected, and
// nobody removes a file that isn't theirs. SPEC.md 9.3.
import { chmod, lstat, mkdir, rename, unlink } from 'node:fs/promises';
import { createConnection, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { OperatorError } from '../base/errors.js';

/** Which file a socket is: the name alone may have been taken over by somebody else. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

export interface ListenOptions {
  readonly path: string;
  /** Of the folder, if it has to be made, and enforced if `ownFolder`. */
  readonly folderMode: number;
  /** The folder is Beam's alone: its mode is corrected where it differs. */
  readonly ownFolder: boolean;
}

/** How long a daemon that is just ending may take to give its socket up. */
const HANDOVER_MS = 2_000;
const HANDOVER_STEP_MS = 50;
const PROBE_MS = 1_000;

/**
 * Listens at `path` with mode 0600. The socket is bound beside its place and renamed into it: the
 * rename replaces a stale file, and Node's removal of the bound name at close hits nothing.
 * Throws OperatorError E_ALREADY_RUNNING if somebody answers there, E_SOCKET for what the system says.
 */
export async function listenUnix(server: Server, options: ListenOptions): Promise<SocketFile> {
  const { path } = options;
  const temporary = `${path}.${process.pid}`;
  try {
    await prepareFolder(options);
    await waitForHandover(path);
    await unlinkIfThere(temporary);
    await listenPrivately(server, temporary);
    await rename(temporary, path);
    const file = await identify(path);
    if (file === null) throw new Error('the socket vanished while it was made');
    return file;
  } catch (error) {
    server.close();
    throw error instanceof OperatorError ? error : socketError(path, error);
  }
}

async function prepareFolder(options: ListenOptions): Promise<void> {
  const folder = dirname(options.path);
  await mkdir(folder, { recursive: true, mode: options.folderMode });
  if (!options.ownFolder) return;
  const { mode } = await lstat(folder);
  if ((mode & 0o777) !== options.folderMode) await chmod(folder, options.folderMode);
}

async function waitForHandover(path: string): Promise<void> {
  const deadline = performance.now() + HANDOVER_MS;
  while (await isAnswered(path)) {
    if (performance.now() > deadline) throw alreadyRunning(path);
    await new Promise((resolve) => setTimeout(resolve, HANDOVER_STEP_MS));
  }
}

/** Whether somebody accepts connections at the path. */
export async function isAnswered(path: string): Promise<boolean> {
  try {
    (await connectUnix(path, PROBE_MS)).destroy();
    return true;
  } catch (error) {
    const code = errnoOf(error);
    // EAGAIN: its backlog is full, so somebody listens. A time-out can only mean the same.
    return code === 'EAGAIN' || code === 'ETIMEDOUT';
  }
}

export function connectUnix(path: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error('connection timed out'), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.removeListener('error', reject);
      resolve();
    });
    // Node binds inside of the call, so that no other file is made under this mask.
    const oldMask = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(oldMask);
    }
  });
}

/** Serves on a descriptor that was inherited as a listening socket. */
export function listenInherited(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(socketError(`descriptor ${fd}`, error)));
    server.listen({ fd }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** The socket file at `path` as it is now; null if there is none. */
export async function identify(path: string): Promise<SocketFile | null> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return { path, device: dev, inode: ino };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

export async function isStillThere(file: SocketFile): Promise<boolean> {
  const now = await identify(file.path);
  return now !== null && now.inode === file.inode && now.device === file.device;
}

/** Removes the file unless its name now belongs to another. */
export async function removeSocket(file: SocketFile): Promise<void> {
  if (await isStillThere(file)) await unlinkIfThere(file.path);
}

/** Removes a socket's file that nobody answers at any more. */
export async function removeDeadSocket(path: string): Promise<void> {
  const file = await identify(path);
  if (file !== null && !(await isAnswered(path))) await removeSocket(file);
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

const alreadyRunning = (path: string): OperatorError =>
  new OperatorError({
    code: 'E_ALREADY_RUNNING',
    place: path,
    expected: 'no other daemon at this socket',
    found: 'one that answers (EADDRINUSE)',
    remedy: 'end the daemon that serves this interface, or choose another interface name',
  });

function socketError(place: string, cause: unknown): OperatorError {
  const found = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  const remedy =
    found === 'EACCES' || found === 'EPERM'
      ? 'run this as root'
      : 'make sure that the folder exists, can be written to, and has space left';
  return new OperatorError(
    { code: 'E_SOCKET', place, expected: 'a Unix socket that can be listened on', found, remedy },
    { cause },
  );
}
