// Adds and removes single items on the system; every call can be repeated without harm. SPEC.md 8.6.
import { assertNever } from '../../base/assert.js';
import { revertDns, setDns } from '../dns/dnsTool.js';
import type { CommandRunner } from './command.js';
import { addFirewall, removeFirewall } from './firewall.js';
import type { Rule } from './ipJson.js';
import { IpTool, MAIN_TABLE, type OwnRule } from './ipTool.js';
import type { Journal } from './journal.js';
import type {
  AddressItem,
  DnsItem,
  InterfaceItem,
  NetworkItem,
  RoutesItem,
  RuleItem,
} from './networkItem.js';
import { restoreValidMark, setValidMark } from './validMark.js';

export interface ApplierOptions {
  readonly run: CommandRunner;
  readonly stateFolder: string;
  readonly interfaceName: string;
  readonly journal: Journal;
  readonly warn: (text: string) => void;
}

export class ItemApplier {
  readonly #options: ApplierOptions;
  readonly #ip: IpTool;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#ip = new IpTool(options.run);
  }

  async add(item: NetworkItem): Promise<void> {
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
        return this.#setDns(item);
      default:
        return assertNever(item);
    }
  }

  async remove(item: NetworkItem): Promise<void> {
    const { run, interfaceName, stateFolder } = this.#options;
    switch (item.kind) {
      case 'mtu':
      case 'address':
      case 'linkUp':
      case 'routes':
        return this.#removeOnInterface(item);
      case 'validMark':
        return restoreValidMark(stateFolder, interfaceName);
      case 'firewall':
        return removeFirewall(run, item, interfaceName);
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

  /** What is gone with the interface, even in this very moment, is removed. */
  async #removeOnInterface(item: InterfaceItem): Promise<void> {
    if (!(await this.interfaceIsOurs())) return;
    try {
      await this.#removeFromOurs(item);
    } catch (error) {
      if (await this.interfaceIsOurs()) throw error;
    }
  }

  async #removeFromOurs(item: InterfaceItem): Promise<void> {
    const { interfaceName, journal } = this.#options;
    const before = journal.state.link;
    switch (item.kind) {
      case 'mtu':
        if (before !== null) await this.#ip.setMtu(interfaceName, before.mtu);
        return;
      case 'address':
        return this.#removeAddress(item);
      case 'linkUp':
        if (before?.up === false) await this.#ip.setUp(interfaceName, false);
        return;
      case 'routes':
        return this.#removeRoutes(item);
      default:
        return assertNever(item);
    }
  }

  /** A tunnel without its DNS is better than none: a failure is a warning, and leaves nothing behind. */
  async #setDns(item: DnsItem): Promise<void> {
    const { run, interfaceName, journal, warn } = this.#options;
    try {
      await setDns(run, item, interfaceName);
    } catch (error) {
      warn(`DNS ${item.servers.join(', ')} is not set: ${reasonOf(error)}`);
      await revertDns(run, item, interfaceName).catch(() => undefined);
      await journal.exclude(item);
    }
  }

  async interfaceIsOurs(): Promise<boolean> {
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
