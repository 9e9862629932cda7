// Runs the commands of PreUp, PostUp, PreDown and PostDown. SPEC.md 8.5.
import { spawn } from 'node:child_process';
import { OperatorError } from '../../base/errors.js';
import { findExecutable, toolPath } from './command.js';

export type HookName = 'PreUp' | 'PostUp' | 'PreDown' | 'PostDown';

export interface Hook {
  readonly name: HookName;
  /** As a shell reads it, `%i` replaced. */
  readonly command: string;
  readonly interfaceName: string;
  /** Which of the name's commands it is, `1 of 2`: the command itself may hold a secret. */
  readonly position: string;
}

/** Beam's own standard output and error, a descriptor for both, or nowhere. */
export type HookOutput = 'inherit' | number | 'ignore';

/** Beam's own variables that a hook gets too. */
const INHERITED = [
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'TZ',
  'WG_QUICK_USERSPACE_IMPLEMENTATION',
  'WG_HIDE_KEYS',
  'WG_ENDPOINT_RESOLUTION_RETRIES',
];

/**
 * Resolves when the shell has ended with 0. Throws OperatorError E_HOOK otherwise. `abort` ends the
 * shell and what it has started in the foreground.
 */
export async function runHook(hook: Hook, output: HookOutput, abort?: AbortSignal): Promise<void> {
  const shell = findExecutable('bash') ?? '/bin/sh';
  const child = spawn(shell, ['-c', hook.command], {
    stdio: ['ignore', output, output],
    env: hookEnvironment(hook, process.env),
    // A process group of its own, so that all of it can be ended.
    detached: true,
  });
  const kill = (): void => signalGroup(child.pid);
  abort?.addEventListener('abort', kill);
  // 'exit', not 'close': what the command leaves in the background may keep the output open.
  const found = await new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (status, signal) => resolve(endOf(status, signal)));
  });
  abort?.removeEventListener('abort', kill);
  if (found === null) return;
  throw new OperatorError({
    code: 'E_HOOK',
    place: `${hook.interfaceName} ${hook.name} ${hook.position}`,
    expected: 'the command to end with status 0',
    found,
    remedy:
      'mend the command in the configuration file, or add "|| true" if its failure does not matter',
  });
}

function signalGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGTERM');
  } catch {
    // It has ended by itself in the meantime.
  }
}

function endOf(status: number | null, signal: NodeJS.Signals | null): string | null {
  if (status === 0) return null;
  return signal === null ? `status ${status ?? '?'}` : `signal ${signal}`;
}

export function hookEnvironment(hook: Hook, own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => {
    const value = own[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    PATH: toolPath(own),
    LC_ALL: 'C',
    WG_INTERFACE: hook.interfaceName,
    WG_HOOK: hook.name,
  };
}
