// Names of what the namespace tests make, and the removal of what a killed run left behind. Every
// name holds the process id of its maker, so that runs side by side leave each other alone.
import { execFile } from 'node:child_process';
import { readdirSync, unlinkSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const NAMESPACE_PREFIX = 'beam-t-';
/** Interfaces of tunnels: their UAPI sockets lie in one folder for all namespaces. */
export const INTERFACE_PREFIX = 'bt';
export const UAPI_FOLDER = '/var/run/wireguard';
const SOCKET_FOLDERS = [UAPI_FOLDER, '/run/beam'] as const;

export const namespaceName = (makerPid: number, name: string): string =>
  `${NAMESPACE_PREFIX}${makerPid}-${name}`;

/** At most 15 characters, as IFNAMSIZ wants. */
export const interfaceName = (makerPid: number, serial: number): string =>
  `${INTERFACE_PREFIX}${makerPid.toString(36)}x${serial}`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const isLeftover = (makerPid: number): boolean =>
  Number.isInteger(makerPid) && (makerPid === process.pid || !isAlive(makerPid));

/** Ends every process in the namespace, then removes it. Never throws: it may be gone already. */
export async function destroyNamespace(name: string): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const pids = await processesIn(name);
    if (pids.length === 0) break;
    for (const pid of pids) signalProcess(pid, signal);
    for (let i = 0; i < 20 && (await processesIn(name)).length > 0; i++) await pause(25);
  }
  await run('ip', ['netns', 'del', name]).catch(() => undefined);
}

async function processesIn(name: string): Promise<number[]> {
  const { stdout } = await run('ip', ['netns', 'pids', name]).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter(Boolean).map(Number);
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}

const pause = (delayMs: number): Promise<void> =>
  new Promise((resume) => setTimeout(resume, delayMs));

/** Removes namespaces, their processes and sockets of makers that no longer run, and our own. */
export async function removeLeftovers(report: (line: string) => void): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { stdout } = await run('ip', ['netns', 'list']).catch(() => ({ stdout: '' }));
  const names = stdout.split('\n').map((line) => line.split(' ')[0]!);
  for (const name of names) {
    const makerPid = Number(/^beam-t-(\d+)-/.exec(name)?.[1]);
    if (!isLeftover(makerPid)) continue;
    report(`removing namespace ${name}, left behind by an earlier run`);
    await destroyNamespace(name);
  }
  for (const folder of SOCKET_FOLDERS) {
    for (const file of filesIn(folder)) {
      const makerPid = parseInt(/^bt([0-9a-z]+)x\d+\.sock$/.exec(file)?.[1] ?? '', 36);
      if (isLeftover(makerPid)) unlinkSync(`${folder}/${file}`);
    }
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
