// A software TPM for tests: one state folder each, a Unix socket, and nothing left behind. The kernel
// ends it with the test's process; folders of makers that no longer run are removed by the next one.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  rmSync,
  readFileSync,
  writeFileSync,
  closeSync,
  openSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTpmAddon } from '../../src/platform/tpm/addon.js';

const PREFIX = 'beam-t-tpm-';
const TOOLS = ['swtpm', 'tpm2_readpublic', 'setpriv'] as const;
const START_MS = 10_000;

/** Null, or why tests with a software TPM can't run here: one line. */
export function swtpmUnavailable(): string | null {
  const missing = TOOLS.filter(
    (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
  );
  if (missing.length > 0)
    return `${missing.join(' and ')} missing (apt-get install swtpm tpm2-tools)`;
  const load = loadTpmAddon();
  return load.addon === null ? load.reason : null;
}

let serial = 0;

export class Swtpm {
  readonly folder: string;
  #process: ChildProcess | null = null;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Running, as after a reboot. */
  static async start(): Promise<Swtpm> {
    removeLeftovers();
    const folder = join(tmpdir(), `${PREFIX}${process.pid}-${serial++}`);
    mkdirSync(join(folder, 'state'), { recursive: true, mode: 0o700 });
    running.add(folder);
    const swtpm = new Swtpm(folder);
    await swtpm.boot();
    return swtpm;
  }

  get socket(): string {
    return join(this.folder, 'socket');
  }

  get tcti(): string {
    return `swtpm:path=${this.socket}`;
  }

  async boot(): Promise<void> {
    const { folder, socket } = this;
    const args = ['--pdeathsig', 'KILL', 'swtpm', 'socket', '--tpm2'];
    args.push('--tpmstate', `dir=${folder}/state`, '--flags', 'not-need-init,startup-clear');
    args.push('--server', `type=unixio,path=${socket}`);
    args.push('--ctrl', `type=unixio,path=${socket}.ctrl`);
    // A file, not a pipe: it writes a line for each command, and a test that waits for other processes
    // would not read them.
    const log = openSync(this.file('log'), 'a');
    const child = spawn('setpriv', args, { stdio: ['ignore', 'ignore', log] });
    closeSync(log);
    this.#process = child;
    const deadline = performance.now() + START_MS;
    // The file is there before anybody listens.
    while (!(await answers(`${socket}.ctrl`)) || !(await answers(socket))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`swtpm did not start: ${this.read('log').toString()}`);
      }
      await new Promise((resume) => setTimeout(resume, 5));
    }
  }

  /** Ends it as a power cut does. */
  async halt(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null) return;
    const ended = new Promise((resume) => child.once('exit', resume));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended;
    }
    for (const file of [this.socket, `${this.socket}.ctrl`]) rmSync(file, { force: true });
  }

  async reboot(): Promise<void> {
    await this.halt();
    await this.boot();
  }

  /** Copies the state of a halted TPM, as somebody who wants to go back in time would. */
  saveState(name: string): void {
    cpSync(join(this.folder, 'state'), join(this.folder, name), { recursive: true });
  }

  restoreState(name: string): void {
    rmSync(join(this.folder, 'state'), { recursive: true });
    cpSync(join(this.folder, name), join(this.folder, 'state'), { recursive: true });
  }

  /** The next boot is the first of another TPM. */
  forgetState(): void {
    rmSync(join(this.folder, 'state'), { recursive: true });
    mkdirSync(join(this.folder, 'state'), { mode: 0o700 });
  }

  async destroy(): Promise<void> {
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
    running.delete(this.folder);
  }

  /** Runs a program of tpm2-tools against it; standard output. Throws with its words if it fails. */
  tool(program: string, ...args: readonly string[]): string {
    const { status, stdout, stderr } = this.tryTool(program, ...args);
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  tryTool(
    program: string,
    ...args: readonly string[]
  ): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    return spawnSync(program, args, {
      encoding: 'utf8',
      cwd: this.folder,
      env: { ...process.env, TPM2TOOLS_TCTI: this.tcti, TSS2_LOG: 'all+NONE' },
    });
  }

  /** A file in the folder that the tools run in. */
  write(name: string, bytes: Uint8Array | string, mode = 0o644): string {
    writeFileSync(this.file(name), bytes, { mode });
    return this.file(name);
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  read(name: string): Buffer {
    return readFileSync(join(this.folder, name));
  }
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.end(() => resolve(true)));
  });

const running = new Set<string>();
process.once('exit', () => {
  for (const folder of running) rmSync(folder, { recursive: true, force: true });
});

function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const makerPid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (!Number.isInteger(makerPid) || makerPid === process.pid || isAlive(makerPid)) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
