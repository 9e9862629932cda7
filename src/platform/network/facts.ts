// What the machine looks like before a plan is made. Only reading happens here. SPEC.md 8.
import { readFile, readdir } from 'node:fs/promises';
import type { IpFamily } from '../../base/ip.js';
import { detectDnsTool, type DnsTool } from '../dns/dnsTool.js';
import { findExecutable, type CommandRunner } from './command.js';
import type { Rule } from './ipJson.js';
import { IpTool, MAIN_TABLE } from './ipTool.js';

export interface NetworkFacts {
  /** The kernel has IPv6 and gives it to new interfaces. */
  readonly ipv6: boolean;
  /** The smallest MTU on the way to the endpoints, else to the default route; null for neither. */
  readonly pathMtu: number | null;
  readonly rules: Readonly<Record<IpFamily, readonly Rule[]>>;
  /** From 51820 upwards, the first table that is empty and that no rule names. */
  readonly freeTable: number;
  readonly firewallTool: 'nft' | 'iptables' | null;
  readonly dnsTool: DnsTool;
  /** The numbers of the tables that have names. */
  readonly tableNumbers: ReadonlyMap<string, string>;
}

export interface FactsRequest {
  readonly interfaceName: string;
  /** Addresses of the endpoints that are known. */
  readonly endpoints: readonly string[];
  /** The tunnel's mark, if it has one already; else 0. */
  readonly mark: number;
}

/** wg-quick's first choice, for the mark and the table of a full tunnel. */
const FIRST_TABLE = 51820;

export async function collectFacts(
  run: CommandRunner,
  request: FactsRequest,
): Promise<NetworkFacts> {
  const ip = new IpTool(run);
  const rules = { 4: await ip.rules(4), 6: await ip.rules(6) };
  return {
    ipv6: await ipv6Enabled(),
    pathMtu: await smallestPathMtu(ip, request),
    rules,
    freeTable: await freeTable(ip, [...rules[4], ...rules[6]]),
    firewallTool: firewallTool(),
    dnsTool: await detectDnsTool(run),
    tableNumbers: await tableNumbers(),
  };
}

async function ipv6Enabled(): Promise<boolean> {
  for (const scope of ['all', 'default']) {
    const value = await readFile(`/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`, 'utf8').catch(
      () => null,
    );
    if (value === null || value.trim() !== '0') return false;
  }
  return true;
}

/** SPEC.md 8.2. */
export async function smallestPathMtu(ip: IpTool, request: FactsRequest): Promise<number | null> {
  const links = await ip.links();
  const linkMtu = (device: string): number | null =>
    links.find((link) => link.name === device)?.mtu ?? null;
  const mtus: number[] = [];
  for (const endpoint of new Set(request.endpoints)) {
    const answer = await ip.routeTo(endpoint, { mark: request.mark });
    if (answer === null || answer.device === request.interfaceName) continue;
    const mtu = answer.mtu ?? linkMtu(answer.device);
    if (mtu !== null) mtus.push(mtu);
  }
  if (mtus.length > 0) return Math.min(...mtus);
  return defaultRouteMtu(ip, request.interfaceName, linkMtu);
}

async function defaultRouteMtu(
  ip: IpTool,
  own: string,
  linkMtu: (device: string) => number | null,
): Promise<number | null> {
  for (const family of [4, 6] as const) {
    const routes = await ip.routes(family, MAIN_TABLE, { exactly: 'default' });
    const best = routes
      .filter((route) => route.devices.length > 0 && !route.devices.includes(own))
      .sort((a, b) => a.metric - b.metric)[0];
    if (best !== undefined) return best.mtu ?? linkMtu(best.devices[0]!);
  }
  return null;
}

async function freeTable(ip: IpTool, rules: readonly Rule[]): Promise<number> {
  for (let table = FIRST_TABLE; ; table++) {
    const id = String(table);
    if (rules.some((rule) => rule.table === id || rule.mark?.value === table)) continue;
    if ((await ip.routes(4, id)).length > 0 || (await ip.routes(6, id)).length > 0) continue;
    return table;
  }
}

function firewallTool(): NetworkFacts['firewallTool'] {
  if (findExecutable('nft') !== null) return 'nft';
  const complete = ['iptables-restore', 'iptables-save', 'ip6tables-restore', 'ip6tables-save'];
  return complete.every((name) => findExecutable(name) !== null) ? 'iptables' : null;
}

/** Where iproute2 keeps them: its own, the administrator's, and those of other packages. */
const TABLE_NAME_FOLDERS = ['/usr/share/iproute2', '/usr/lib/iproute2', '/etc/iproute2'];

async function tableNumbers(): Promise<Map<string, string>> {
  const numbers = new Map<string, string>();
  for (const folder of TABLE_NAME_FOLDERS) {
    const more = await readdir(`${folder}/rt_tables.d`).catch(() => []);
    const files = [
      'rt_tables',
      ...more.filter((n) => n.endsWith('.conf')).map((n) => `rt_tables.d/${n}`),
    ];
    for (const file of files)
      for (const [name, number] of parseTableNames(
        await readFile(`${folder}/${file}`, 'utf8').catch(() => ''),
      ))
        numbers.set(name, number);
  }
  return numbers;
}

export function parseTableNames(text: string): [string, string][] {
  return text.split('\n').flatMap((line): [string, string][] => {
    const [number = '', name = ''] = line.trim().split(/\s+/);
    return /^(\d+|0x[0-9a-fA-F]+)$/.test(number) && name !== ''
      ? [[name, String(Number(number))]]
      : [];
  });
}
