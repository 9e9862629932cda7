// Starts this program again in the background and waits for its verdict. SPEC.md 9.2.
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../base/errors.js';
import { daemonize, keepsStderr, type DaemonStart } from '../platform/daemonize.js';
import type { ReadyMessage } from '../platform/daemonizeReadiness.js';
import { asError, EXIT, say } from './report.js';

export interface BackgroundOptions {
  /** The command line of the daemon: it must stay in the foreground. */
  readonly args: readonly string[];
  /** Show what is being done, as wg-quick does. */
  readonly showSteps: boolean;
  /** Descriptors to hand on, by the variable that names each. */
  readonly inherited: ReadonlyMap<string, number>;
}

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

/** The exit status for the command that waited. Throws what the daemon says. */
export async function startInBackground(options: BackgroundOptions): Promise<number> {
  const { args, showSteps, inherited } = options;
  const start = await daemonize({
    command: process.execPath,
    args: [...process.execArgv, MAIN, ...args],
    env: process.env,
    inherited,
    keepStderr: keepsStderr(process.env),
    onMessage: (message) => show(message, showSteps),
  });
  return verdict(start);
}

function show(message: ReadyMessage, showSteps: boolean): void {
  if (message.kind === 'warning') say(message.text);
  if (message.kind !== 'step' || !showSteps) return;
  say(`[#] ${message.text}`);
}

const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

function verdict(start: DaemonStart): number {
  switch (start.kind) {
    case 'ready':
      return EXIT.OK;
    case 'failed':
      throw asError(start.errors);
    case 'interrupted':
      return SIGNAL_EXIT[start.signal];
    case 'ended':
      throw new OperatorError({
        code: 'E_DAEMON_ENDED',
        place: 'daemon',
        expected: 'that it says whether it works',
        found: start.signal ?? `exit status ${start.exitCode ?? 'unknown'}`,
        remedy: 'start it in the foreground (beam run, or beam -f) to see why',
      });
  }
}
