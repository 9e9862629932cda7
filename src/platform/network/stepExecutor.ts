// Carries out steps, each written to the state file before it is made and struck out after it is
// taken back; every one can be repeated without harm. SPEC.md 8.1 and 8.6.
import { assertNever } from '../../base/assert.js';
import { OperatorError } from '../../base/errors.js';
import { revertDns, setDns } from '../dns/dnsTool.js';
import { CommandError, type CommandRunner } from './command.js';
import { addFirewall, removeFirewall } from './firewall.js';
import type { Rule } from './ipJson.js';
import { IpTool, MAIN_TABLE, type OwnRule } from './ipTool.js';
import type { Journal } from './journal.js';
import {
  describeStep,
  diesWithInterface,
  inverse,
  type AddressItem,
  type NetworkItem,
  type RoutesItem,
  type RuleItem,
  type Step,
} from './networkItem.js';
import { restoreValidMark, setValidMark } from './validMark.js';

export interface ExecutorOptions {
  readonly run: CommandRunner;
  readonly stateFolder: string;
  readonly interfaceName: string;
  readonly journal: Journal;
  /** Told before each step, as the commands a person would type. */
  readonly progress: (line: string) => void;
  readonly warn: (text: string) => void;
}

export class StepExecutor {
  readonly #options: ExecutorOptions;
  readonly #ip: IpTool;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#ip = new IpTool(options.run);
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

  /**
   * Takes back all that the journal lists, the last first, and returns what failed. `interfaceGoes`
   * leaves alone what the kernel will remove with the interface.
   */
  async removeAll(how: { readonly interfaceGoes: boolean }): Promise<OperatorError[]> {
    const { journal, interfaceName } = this.#options;
    const isThere = await this.#interfaceIsOurs();
    const failures: OperatorError[] = [];
    for (const item of [...journal.state.items].reverse()) {
      const dies = diesWithInterface(item);
      if (dies && how.interfaceGoes) continue;
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
        return this.#add(step.item);
      case 'remove':
        await this.#remove(step.item);
        await journal.exclude(step.item);
        if (mend && step.item.kind === 'address') await this.#mendCollateral();
        return;
      default:
        assertNever(step);
    }
  }

  async #add(item: NetworkItem): Promise<void> {
    const { run, interfaceName, stateFolder, warn } = this.#options;
    switch (item.kind) {
      case 'mtu':
        return this.#ip.setMtu(interfaceName, item.mtu);
      case 'address':
        return this.#addAddress(item);
      case 'linkUp':
        return this.#ip.setUp(interfaceName, true);
      case 'validMark':
        return setValidMark(stateFolder).catch((error: unknown) =>
          warn(
            `net.ipv4.conf.all.src_valid_mark can't be set (${String(error)}): a strict rp_filter will drop what the peers send`,
          ),
        );
      case 'firewall':
        return addFirewall(run, item, interfaceName);
      case 'routes':
        return this.#addRoutes(item);
      case 'rule':
        return this.#addRule(item);
      case 'dns':
        return setDns(run, item, interfaceName).catch((error: unknown) =>
          warn(`DNS ${item.servers.join(', ')} is not set: ${reasonOf(error)}`),
        );
      default:
        return assertNever(item);
    }
  }

  async #remove(item: NetworkItem): Promise<void> {
    const { run, interfaceName, stateFolder } = this.#options;
    if (diesWithInterface(item) && !(await this.#interfaceIsOurs())) return;
    switch (item.kind) {
      case 'mtu':
        return this.#ip.setMtu(interfaceName, this.#options.journal.state.link!.mtu);
      case 'address':
        return this.#removeAddress(item);
      case 'linkUp':
        if (!this.#options.journal.state.link!.up) await this.#ip.setUp(interfaceName, false);
        return;
      case 'validMark':
        return restoreValidMark(stateFolder, interfaceName);
      case 'firewall':
        return removeFirewall(run, item, interfaceName);
      case 'routes':
        return this.#removeRoutes(item);
      case 'rule':
        if (await this.#ruleIsThere(item))
          await this.#ip.changeRule('delete', item.family, item.rule);
        return;
      case 'dns':
        return revertDns(run, item, interfaceName);
      default:
        return assertNever(item);
    }
  }

  async #interfaceIsOurs(): Promise<boolean> {
    const recorded = this.#options.journal.state.link;
    const link = await this.#ip.link(this.#options.interfaceName);
    return recorded !== null && link?.index === recorded.index;
  }

  async #addAddress(item: AddressItem): Promise<void> {
    const present = await this.#ip.addresses(this.#options.interfaceName);
    if (present.includes(item.address)) return;
    await this.#ip.addAddress(item.family, item.address, this.#options.interfaceName);
  }

  async #removeAddress(item: AddressItem): Promise<void> {
    const present = await this.#ip.addresses(this.#options.interfaceName);
    if (!present.includes(item.address)) return;
    await this.#ip.removeAddress(item.family, item.address, this.#options.interfaceName);
  }

  async #addRoutes(item: RoutesItem): Promise<void> {
    const present = await this.#ownRoutes(item);
    const missing = item.prefixes.filter((prefix) => !present.has(prefix));
    await this.#ip.changeRoutes('add', {
      ...item,
      prefixes: missing,
      device: this.#options.interfaceName,
    });
  }

  async #removeRoutes(item: RoutesItem): Promise<void> {
    const present = await this.#ownRoutes(item);
    const there = item.prefixes.filter((prefix) => present.has(prefix));
    await this.#ip.changeRoutes('delete', {
      ...item,
      prefixes: there,
      device: this.#options.interfaceName,
    });
  }

  async #ownRoutes({ family, table }: RoutesItem): Promise<Set<string>> {
    const routes = await this.#ip.routes(family, table, {
      through: this.#options.interfaceName,
    });
    return new Set(routes.map((route) => route.prefix));
  }

  async #addRule(item: RuleItem): Promise<void> {
    if (!(await this.#ruleIsThere(item))) await this.#ip.changeRule('add', item.family, item.rule);
  }

  async #ruleIsThere(item: RuleItem): Promise<boolean> {
    const rules = await this.#ip.rules(item.family);
    return rules.some((rule) => isOwnRule(rule, item.rule));
  }

  /** Linux removes more than the address that it is told to: the rest of its network, and routes. */
  async #mendCollateral(): Promise<void> {
    if (!(await this.#interfaceIsOurs())) return;
    for (const item of this.#options.journal.state.items)
      if (item.kind === 'address' || item.kind === 'routes') await this.#add(item);
  }
}

export function isOwnRule(rule: Rule, own: OwnRule): boolean {
  const plain = rule.source === null && rule.destination === null && rule.inputInterface === null;
  if (!plain || rule.other || rule.priority !== own.priority) return false;
  if (own.rule === 'suppressMainDefault')
    return (
      !rule.negated &&
      rule.mark === null &&
      rule.table === MAIN_TABLE &&
      rule.suppressPrefixLength === 0
    );
  return (
    rule.negated &&
    rule.mark?.value === own.mark &&
    rule.table === own.table &&
    rule.suppressPrefixLength === null
  );
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
