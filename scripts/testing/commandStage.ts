// Runs one command of the test run, bounded in time and with its whole process group.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Each line of stdout and stderr, as it comes. */
  readonly line: (text: string, from: 'stdout' | 'stderr') => void;
}

export type CommandEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'timedOut' };

const KILL_GRACE_MS = 5_000;
const OUTPUT_GRACE_MS = 1_000;
const running = new Set<number>();

/** Process groups that must not outlive this process. */
export function killRunningCommands(signal: NodeJS.Signals): void {
  for (const group of running) killGroup(group, signal);
}

function killGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group ended by itself in the meantime.
  }
}

/** Resolves when the command has ended and its output was read; rejects if it can't be started. */
export async function runCommand(
  [command, ...args]: readonly [string, ...string[]],
  options: CommandOptions,
): Promise<CommandEnd> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...options.env },
  });
  await new Promise<void>((started, failed) => child.once('spawn', started).once('error', failed));
  const group = child.pid!;
  running.add(group);
  const outputEnded = Promise.all([once(child.stdout, 'close'), once(child.stderr, 'close')]);
  createInterface(child.stdout).on('line', (text) => options.line(text, 'stdout'));
  createInterface(child.stderr).on('line', (text) => options.line(text, 'stderr'));

  let timedOut = false;
  const timers = [
    setTimeout(() => {
      timedOut = true;
      killGroup(group, 'SIGTERM');
    }, options.timeoutMs),
    setTimeout(() => killGroup(group, 'SIGKILL'), options.timeoutMs + KILL_GRACE_MS),
  ];
  const end = await new Promise<CommandEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      if (timedOut) resolve({ kind: 'timedOut' });
      else if (signal !== null) resolve({ kind: 'killed', signal });
      else resolve({ kind: 'exited', code: code ?? 0 });
    });
  });
  timers.forEach(clearTimeout);
  // What the command left behind in its group ends with it, and so the output ends too, unless a
  // daemon that left the group holds it open.
  killGroup(group, 'SIGKILL');
  await Promise.race([outputEnded, delay(OUTPUT_GRACE_MS)]);
  running.delete(group);
  return end;
}
