// Carries out steps, each written to the state file before it is made and struck out after it is
// taken back; every one can be repeated without harm. SPEC.md 8.1 and 8.6.
import { assertNever } from '../../base/assert.js';
import { OperatorError } from '../../base/errors.js';
import { CommandError } from './command.js';
import { ItemApplier, type ApplierOptions } from './itemApplier.js';
import {
  describeStep,
  diesWithInterface,
  inverse,
  type NetworkItem,
  type Step,
} from './networkItem.js';

export interface ExecutorOptions extends ApplierOptions {
  /** Told before each step, as the commands a person would type. */
  readonly progress: (line: string) => void;
}

/** `onInterface` is what the kernel removes with the interface, `besideInterface` all else. */
export type RemovalScope = 'everything' | 'besideInterface' | 'onInterface';

export class StepExecutor {
  readonly #options: ExecutorOptions;
  readonly #applier: ItemApplier;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#applier = new ItemApplier(options);
  }

  /** All or nothing: on a failure what was done is taken back, and an OperatorError says why. */
  async execute(steps: readonly Step[]): Promise<void> {
    const done: Step[] = [];
    for (const step of steps) {
      done.push(step);
      try {
        await this.#carryOut(step);
      } catch (error) {
        await this.rollBack(done);
        throw stepFailure(step, this.#options.interfaceName, error);
      }
    }
  }

  /** The opposite of steps that were executed, the last first. Goes on past failures and warns. */
  async rollBack(steps: readonly Step[]): Promise<void> {
    for (const step of [...steps].reverse()) {
      const back = inverse(step);
      await this.#carryOut(back).catch((error: unknown) => {
        this.#options.warn(stepFailure(back, this.#options.interfaceName, error).message);
      });
    }
  }

  /** Takes back what the journal lists, the last first; goes on past failures and returns them. */
  async removeAll(scope: RemovalScope): Promise<OperatorError[]> {
    const { journal, interfaceName } = this.#options;
    const isThere = await this.#applier.interfaceIsOurs();
    const failures: OperatorError[] = [];
    for (const item of [...journal.state.items].reverse()) {
      const dies = diesWithInterface(item);
      if (scope !== 'everything' && dies !== (scope === 'onInterface')) continue;
      const step: Step = { verb: 'remove', item };
      try {
        if (dies && !isThere) await journal.exclude(item);
        else await this.#carryOut(step, { mend: false });
      } catch (error) {
        failures.push(stepFailure(step, interfaceName, error));
      }
    }
    return failures;
  }

  async #carryOut(step: Step, { mend } = { mend: true }): Promise<void> {
    const { journal, interfaceName, progress } = this.#options;
    for (const line of describeStep(step, interfaceName)) progress(line);
    switch (step.verb) {
      case 'add':
      case 'replace':
        await journal.include(step.item);
        return this.#applier.add(step.item);
      case 'remove':
        await this.#applier.remove(step.item);
        await journal.exclude(step.item);
        if (mend && step.item.kind === 'address') await this.#mendCollateral();
        return;
      default:
        assertNever(step);
    }
  }

  /** Linux removes more than the address that it is told to: the rest of its network, and routes. */
  async #mendCollateral(): Promise<void> {
    if (!(await this.#applier.interfaceIsOurs())) return;
    for (const item of this.#options.journal.state.items)
      if (item.kind === 'address' || item.kind === 'routes') await this.#applier.add(item);
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

function stepFailure(step: Step, device: string, cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause;
  const [command = step.item.kind] = describeStep(step, device);
  const failedLine = cause instanceof CommandError ? batchLine(cause, step) : null;
  return new OperatorError(
    {
      code: step.item.kind === 'routes' ? 'E_ROUTE' : 'E_NETWORK',
      place: failedLine ?? command,
      expected: 'it to succeed',
      found: reasonOf(cause),
      remedy: remedyFor(step.item, cause),
    },
    { cause },
  );
}

/** `Command failed -:3`: which of the prefixes it was. */
function batchLine(error: CommandError, step: Step): string | null {
  const line = Number(/Command failed -:(\d+)/.exec(error.stderr)?.[1]);
  const prefix = step.item.kind === 'routes' ? step.item.prefixes[line - 1] : undefined;
  return prefix === undefined ? null : `route ${prefix}`;
}

function remedyFor(item: NetworkItem, cause: unknown): string {
  const stderr = cause instanceof CommandError ? cause.stderr : '';
  if (cause instanceof CommandError && cause.reason === 'missing')
    return `install the package that has ${cause.program}`;
  if (/Operation not permitted|must be root/.test(stderr)) return 'run it as root (CAP_NET_ADMIN)';
  if (item.kind === 'routes' && stderr.includes('File exists'))
    return 'the same route leads elsewhere: see ip route; take the prefix out of AllowedIPs, or set Table';
  if (item.kind === 'firewall')
    return 'see whether the kernel has nf_tables; Table = off does without';
  return 'run the command by hand to see more';
}
