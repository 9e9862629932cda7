// iproute2's `ip` behind types: questions, and the changes Beam makes through it.
import type { IpFamily } from '../../base/ip.js';
import { OperatorError } from '../../base/errors.js';
import { CommandError, type CommandRunner } from './command.js';
import {
  parseAddresses,
  parseLinks,
  parseRouteAnswer,
  parseRoutes,
  parseRules,
  type Json,
  type Link,
  type Route,
  type RouteAnswer,
  type Rule,
} from './ipJson.js';

/** A rule that Beam adds. */
export type OwnRule =
  | { readonly rule: 'suppressMainDefault'; readonly priority: number }
  | {
      readonly rule: 'unmarkedToTable';
      readonly priority: number;
      readonly mark: number;
      readonly table: string;
    };

export const MAIN_TABLE = '254';

export class IpTool {
  readonly #run: CommandRunner;

  constructor(run: CommandRunner) {
    this.#run = run;
  }

  async links(): Promise<Link[]> {
    return parseLinks(await this.#query(['link', 'show']));
  }

  /** null if there is no interface of that name. */
  async link(name: string): Promise<Link | null> {
    try {
      return parseLinks(await this.#query(['link', 'show', 'dev', name]))[0] ?? null;
    } catch (error) {
      if (isFailure(error, /does not exist|Cannot find device/)) return null;
      throw error;
    }
  }

  /** The addresses of an interface, `address/length`; none if it isn't there. */
  async addresses(device: string): Promise<string[]> {
    try {
      return parseAddresses(await this.#query(['address', 'show', 'dev', device]));
    } catch (error) {
      if (isFailure(error, /does not exist|Cannot find device/)) return [];
      throw error;
    }
  }

  /** The routes of one table: only those `through` an interface, covering an address, to a prefix. */
  async routes(
    family: IpFamily,
    table: string,
    filter: {
      readonly through?: string;
      readonly matching?: string;
      readonly exactly?: string;
    } = {},
  ): Promise<Route[]> {
    const args = [`-${family}`, 'route', 'show', 'table', table];
    if (filter.through !== undefined) args.push('dev', filter.through);
    if (filter.matching !== undefined) args.push('match', filter.matching);
    if (filter.exactly !== undefined) args.push('exact', filter.exactly);
    try {
      return parseRoutes(await this.#query(args), {
        family,
        table,
        device: filter.through ?? null,
      });
    } catch (error) {
      // A table that nothing is in or that has no number, an interface that is gone, no IPv6.
      if (isFailure(error, /table does not exist|is wrong|Cannot find device|not supported/))
        return [];
      throw error;
    }
  }

  async rules(family: IpFamily): Promise<Rule[]> {
    try {
      return parseRules(await this.#query([`-${family}`, 'rule', 'show']), family);
    } catch (error) {
      if (isFailure(error, /not supported/)) return [];
      throw error;
    }
  }

  /** Where a packet to `address` goes; null where no route takes it. */
  async routeTo(
    address: string,
    from: { readonly source?: string; readonly mark?: number } = {},
  ): Promise<RouteAnswer | null> {
    const args = ['route', 'get', address];
    if (from.source !== undefined) args.push('from', from.source);
    if (from.mark !== undefined && from.mark !== 0) args.push('mark', String(from.mark));
    try {
      return parseRouteAnswer(await this.#query(args));
    } catch (error) {
      if (error instanceof CommandError && error.reason === 'failed') return null;
      throw error;
    }
  }

  async addAddress(family: IpFamily, address: string, device: string): Promise<void> {
    await this.#change([`-${family}`, 'address', 'add', address, 'dev', device]);
  }

  async removeAddress(family: IpFamily, address: string, device: string): Promise<void> {
    await this.#change([`-${family}`, 'address', 'delete', address, 'dev', device]);
  }

  async setMtu(device: string, mtu: number): Promise<void> {
    await this.#change(['link', 'set', 'mtu', String(mtu), 'dev', device]);
  }

  async setUp(device: string, up: boolean): Promise<void> {
    await this.#change(['link', 'set', up ? 'up' : 'down', 'dev', device]);
  }

  async changeRoutes(
    verb: 'add' | 'delete',
    routes: {
      readonly family: IpFamily;
      readonly prefixes: readonly string[];
      readonly table: string;
      readonly device: string;
    },
  ): Promise<void> {
    const { family, prefixes, table, device } = routes;
    if (prefixes.length === 0) return;
    const lines = prefixes.map((prefix) =>
      routeArguments(verb, { prefix, table, device }).join(' '),
    );
    await this.#run('ip', [`-${family}`, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  async changeRule(verb: 'add' | 'delete', family: IpFamily, rule: OwnRule): Promise<void> {
    await this.#change([`-${family}`, ...ruleArguments(verb, rule)]);
  }

  async #change(args: readonly string[]): Promise<void> {
    await this.#run('ip', args);
  }

  async #query(args: readonly string[]): Promise<Json[]> {
    const text = await this.#run('ip', ['-json', '-N', ...args]).catch((error: unknown) => {
      throw isFailure(error, /Option "-(json|N)" is unknown|unrecognized option|invalid option/)
        ? withoutJson(error)
        : error;
    });
    return text.trim() === '' ? [] : (JSON.parse(text) as Json[]);
  }
}

export function routeArguments(
  verb: 'add' | 'delete',
  route: { readonly prefix: string; readonly table: string; readonly device: string },
): string[] {
  const table = route.table === MAIN_TABLE ? [] : ['table', route.table];
  return ['route', verb, route.prefix, 'dev', route.device, ...table];
}

export function ruleArguments(verb: 'add' | 'delete', rule: OwnRule): string[] {
  const head = ['rule', verb, 'priority', String(rule.priority)];
  return rule.rule === 'suppressMainDefault'
    ? [...head, 'table', 'main', 'suppress_prefixlength', '0']
    : [...head, 'not', 'fwmark', String(rule.mark), 'table', rule.table];
}

export function isFailure(error: unknown, pattern: RegExp): error is CommandError {
  return error instanceof CommandError && error.reason === 'failed' && pattern.test(error.stderr);
}

function withoutJson(cause: unknown): OperatorError {
  return new OperatorError(
    {
      code: 'E_IP_TOOL',
      place: 'ip',
      expected: 'iproute2 with -json',
      found: 'an ip command that does not know it (BusyBox?)',
      remedy: 'install iproute2 (on OpenWrt: opkg install ip-full)',
    },
    { cause },
  );
}
