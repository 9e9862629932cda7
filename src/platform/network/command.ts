// Runs the system's tools: argument lists, never a shell; bounded in time and output. SPEC.md 8.
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

export interface CommandOptions {
  /** Written to the tool's standard input, which is empty otherwise. */
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Resolves with standard output; rejects with CommandError. */
export type CommandRunner = (
  program: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<string>;

/** A tool that is missing, that failed, or that took too long. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly program: string;
  readonly reason: 'missing' | 'failed' | 'timeout';
  readonly stderr: string;

  constructor(
    program: string,
    args: readonly string[],
    reason: CommandError['reason'],
    stderr: string,
  ) {
    super(`${[program, ...args].join(' ')}: ${reason === 'failed' ? lastLine(stderr) : reason}`);
    this.program = program;
    this.reason = reason;
    this.stderr = stderr;
  }
}

/** Far above what `ip` needs for 100,000 routes; a hung D-Bus call ends here too. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** `ip -json route` prints some 150 bytes a route. */
const MAX_OUTPUT_BYTES = 512 * 1024 * 1024;
/** Where the tools are although a service's or a user's PATH may not say so. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** PATH, with the system's own folders behind it. */
export function toolPath(environment: NodeJS.ProcessEnv = process.env): string {
  const folders = (environment['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  return [...new Set([...folders, ...SYSTEM_FOLDERS])].join(':');
}

export const runCommand: CommandRunner = (program, args, options = {}) =>
  new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...args],
      {
        encoding: 'utf8',
        env: { PATH: toolPath(), LC_ALL: 'C' },
        maxBuffer: MAX_OUTPUT_BYTES,
        timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new CommandError(program, args, failureReason(error), stderr));
      },
    );
    // A tool that ends without reading its input is judged by its exit status.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });

function failureReason(
  error: Error & { code?: unknown; killed?: boolean },
): CommandError['reason'] {
  if (error.code === 'ENOENT') return 'missing';
  return error.killed === true ? 'timeout' : 'failed';
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() || 'failed without a word';
}

/** The first executable of that name on `toolPath`; null if there is none. */
export function findExecutable(name: string): string | null {
  for (const folder of toolPath().split(':')) {
    const path = join(folder, name);
    if (isExecutable(path)) return path;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
