// Starts this program again as a daemon and waits until it says that it works. SPEC.md 9.2.
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { OperatorErrorDetails } from '../base/errors.js';
import {
  OUTPUT_FD_VARIABLE,
  parseReadyMessage,
  READY_FD_VARIABLE,
  type ReadyMessage,
} from './daemonizeReadiness.js';

export interface DaemonizeOptions {
  /** The program and its arguments; it has to stay in the foreground. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Descriptors that the daemon takes over, by the variable that names each (WG_TUN_FD…). */
  readonly inherited: ReadonlyMap<string, number>;
  /** Keep our standard error, rather than /dev/null. */
  readonly keepStderr: boolean;
  /** Steps and warnings, as they come. */
  readonly onMessage: (message: ReadyMessage) => void;
}

export type DaemonStart =
  /** It works and goes on by itself. */
  | { readonly kind: 'ready'; readonly pid: number }
  /** It said why not, and has ended. */
  | { readonly kind: 'failed'; readonly errors: readonly OperatorErrorDetails[] }
  /** It ended without a word. */
  | { readonly kind: 'ended'; readonly exitCode: number | null; readonly signal: string | null }
  /** We were told to stop, and it has undone what it did. */
  | { readonly kind: 'interrupted'; readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' };

const READY_FD = 3;
const OUTPUT_FD = 4;
const MESSAGE_BYTES = 1024 * 1024;

/** Resolves when the daemon is ready or gone. Rejects only if it can't be started at all. */
export async function daemonize(options: DaemonizeOptions): Promise<DaemonStart> {
  const child = start(options);
  const ended = untilEnd(child);
  const signals = forwardSignals(child);
  try {
    const verdict = await readVerdict(child.stdio[READY_FD] as Readable, options.onMessage);
    if (verdict?.kind === 'ready') {
      child.unref();
      return { kind: 'ready', pid: child.pid! };
    }
    const { exitCode, signal } = await ended;
    const received = signals.received();
    if (received !== null) return { kind: 'interrupted', signal: received };
    if (verdict?.kind === 'failed') return { kind: 'failed', errors: verdict.errors };
    return { kind: 'ended', exitCode, signal };
  } finally {
    signals.stop();
    (child.stdio[READY_FD] as Readable).destroy();
  }
}

function start(options: DaemonizeOptions): ChildProcess {
  const { command, args, inherited } = options;
  const env: NodeJS.ProcessEnv = {
    ...options.env,
    [READY_FD_VARIABLE]: String(READY_FD),
    [OUTPUT_FD_VARIABLE]: String(OUTPUT_FD),
  };
  const stderr = options.keepStderr ? 'inherit' : 'ignore';
  const stdio: StdioOptions = ['ignore', 'ignore', stderr, 'pipe', 2];
  for (const [variable, fd] of inherited) {
    env[variable] = String(stdio.length);
    stdio.push(fd);
  }
  return spawn(command, args, { detached: true, cwd: '/', env, stdio });
}

interface End {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

function untilEnd(child: ChildProcess): Promise<End> {
  const ended = new Promise<End>((resolve, reject) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    child.once('error', reject);
  });
  // It may end long after we stopped caring.
  ended.catch(() => undefined);
  return ended;
}

type Verdict = Extract<ReadyMessage, { kind: 'ready' | 'failed' }>;

/** Null if the pipe ended before a verdict. */
async function readVerdict(
  pipe: Readable,
  onMessage: (message: ReadyMessage) => void,
): Promise<Verdict | null> {
  let rest = '';
  pipe.setEncoding('utf8');
  try {
    for await (const chunk of pipe as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = parseReadyMessage(line);
        if (message?.kind === 'ready' || message?.kind === 'failed') return message;
        if (message !== null) onMessage(message);
      }
      if (rest.length > MESSAGE_BYTES) return null;
    }
  } catch {
    // A reset is an end like another; what the child left as exit status says more.
  }
  return null;
}

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Forwarded = (typeof FORWARDED)[number];

/** The child has its own session, so a terminal's Ctrl-C reaches only us. */
function forwardSignals(child: ChildProcess): {
  received: () => Forwarded | null;
  stop: () => void;
} {
  let received: Forwarded | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    received ??= signal as Forwarded;
    child.kill('SIGTERM');
  };
  for (const signal of FORWARDED) process.on(signal, onSignal);
  return {
    received: () => received,
    stop: () => {
      for (const signal of FORWARDED) process.off(signal, onSignal);
    },
  };
}

/**
 * Whether a daemon may keep our standard error: if somebody asked for its log, or if it is the
 * journal. A pipe that someone reads to its end must not be held open by a daemon.
 */
export function keepsStderr(env: NodeJS.ProcessEnv): boolean {
  const level = env['LOG_LEVEL'];
  if (level === 'silent') return false;
  return (level !== undefined && level !== '') || stderrIsJournal(env);
}

/** JOURNAL_STREAM names the device and inode of the stream that leads to the journal. */
export function stderrIsJournal(env: NodeJS.ProcessEnv): boolean {
  const stream = env['JOURNAL_STREAM'];
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
