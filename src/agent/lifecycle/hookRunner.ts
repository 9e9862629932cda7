// Runs the hook commands of one kind. SPEC.md 8.5.
import { OperatorError } from '../../base/errors.js';
import type { HookName } from '../../platform/network/hooks.js';
import type { LifecyclePorts } from './lifecyclePorts.js';

type HookPorts = Pick<LifecyclePorts, 'network' | 'reporter'>;

/** One after the other; throws OperatorError E_HOOK at the first that fails. */
export async function runHooks(
  name: HookName,
  commands: readonly string[],
  interfaceName: string,
  ports: HookPorts,
  abort?: AbortSignal,
): Promise<void> {
  for (const [i, command] of commands.entries()) {
    const position = `${i + 1} of ${commands.length}`;
    ports.reporter.progress(`${name} ${position}`);
    await ports.network.runHook({ name, command, interfaceName, position }, abort);
  }
}

/** All of them, whatever fails; returns the failures. */
export async function runAllHooks(
  name: HookName,
  commands: readonly string[],
  interfaceName: string,
  ports: HookPorts,
): Promise<OperatorError[]> {
  const failures: OperatorError[] = [];
  for (const [i, command] of commands.entries()) {
    const position = `${i + 1} of ${commands.length}`;
    ports.reporter.progress(`${name} ${position}`);
    try {
      await ports.network.runHook({ name, command, interfaceName, position });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      failures.push(error);
    }
  }
  return failures;
}
