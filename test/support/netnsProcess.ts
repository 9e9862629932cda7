// Processes of the namespace tests: commands with a time-out and their output, and background
// processes with a log, an end that is waited for, and no way to outlive the test.
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Where commands are looked for. npm puts node_modules/.bin first, and there lies an `nft` (a tracer
 * of Node.js modules) that is not nftables.
 */
export const SYSTEM_PATH = [
  ...(process.env['PATH'] ?? '').split(':').filter((folder) => !folder.endsWith('/.bin')),
  ...['/usr/local/sbin', '/usr/sbin', '/sbin'],
].join(':');

export interface CommandResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Runs a command to its end, whatever its status; rejects if it can't start or takes too long. */
export async function runToEnd(
  command: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const background = startBackground(command, options);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const child = background.child;
  child.stdin?.end(options.input ?? '');
  const ended = await background.waitForEnd(timeoutMs).catch(async (error: unknown) => {
    await background.stop('SIGKILL');
    throw error;
  });
  return { ...ended, stdout: background.stdout, stderr: background.stderr };
}

/** Runs a command that must succeed, and gives its stdout. */
export async function runCommand(
  command: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await runToEnd(command, options);
  if (result.status === 0) return result.stdout;
  const end = result.signal ?? `status ${result.status}`;
  throw new Error(`${command.join(' ')}: ${end}\n${result.stdout}${result.stderr}`);
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of its own group that the test can watch and end. */
export class Background {
  readonly child: ChildProcess;
  readonly #command: string;
  readonly #ended: Promise<Ended>;
  #outcome: Ended | null = null;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess, command: string) {
    this.child = child;
    this.#command = command;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    child.stdin?.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      const finish = (outcome: Ended): void => {
        this.#outcome ??= outcome;
        resolve(this.#outcome);
      };
      child.once('close', (status, signal) => finish({ status, signal }));
      child.once('error', (error) => {
        this.stderr += error.message;
        finish({ status: 127, signal: null });
      });
    });
  }

  /** `ip netns exec` becomes the command, so this is the command's own id. */
  get pid(): number {
    return this.child.pid!;
  }

  /** Resident memory in bytes. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
  }

  /** Null while it runs. */
  get outcome(): Ended | null {
    return this.#outcome;
  }

  get log(): string {
    return this.stdout + this.stderr;
  }

  async waitForEnd(timeoutMs: number): Promise<Ended> {
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${this.#command}: still runs after ${timeoutMs} ms\n${this.log}`));
      }, timeoutMs);
    });
    return Promise.race([this.#ended, timedOut]).finally(() => clearTimeout(timer));
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#outcome === null && this.child.pid !== undefined) signalGroup(this.pid, signal);
  }

  /** Ends it with the signal, then, if that is not enough, by force. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5_000): Promise<Ended> {
    this.signal(signal);
    try {
      return await this.waitForEnd(graceMs);
    } catch {
      this.signal('SIGKILL');
      return this.waitForEnd(5_000);
    }
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group ended by itself in the meantime.
  }
}

const started = new Set<Background>();
process.once('exit', () => {
  for (const background of started) background.signal('SIGKILL');
});

export function startBackground(
  [command = '', ...args]: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly stdio?: StdioOptions } = {},
): Background {
  const child = spawn(command, args, {
    detached: true,
    stdio: options.stdio ?? 'pipe',
    env: { ...process.env, PATH: SYSTEM_PATH, ...options.env },
    serialization: 'advanced',
  });
  const background = new Background(child, [command, ...args].join(' '));
  started.add(background);
  child.once('close', () => started.delete(background));
  return background;
}

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

/** Polls until `condition` gives something truthy, which is returned; rejects at the deadline. */
export async function waitFor<T>(
  claim: string,
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 25 }: WaitOptions = {},
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadlineMs) {
      throw new Error(`waited ${timeoutMs} ms in vain until ${claim}`);
    }
    await pause(everyMs);
  }
}

export const pause = (delayMs: number): Promise<void> =>
  new Promise((resume) => setTimeout(resume, delayMs));
