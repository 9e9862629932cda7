// The things that a tunnel adds to the system, by their exact values: plain data that is planned,
// printed, written to the state file and taken back. SPEC.md 8 and 8.6.
import { assertNever } from '../../base/assert.js';
import type { IpFamily } from '../../base/ip.js';
import { firewallText } from './firewall.js';
import { routeArguments, ruleArguments, type OwnRule } from './ipTool.js';

export type NetworkItem =
  | { readonly kind: 'mtu'; readonly mtu: number }
  | AddressItem
  | { readonly kind: 'linkUp' }
  /** net.ipv4.conf.all.src_valid_mark = 1. */
  | { readonly kind: 'validMark' }
  | FirewallItem
  | RoutesItem
  | RuleItem
  | DnsItem;

export interface AddressItem {
  readonly kind: 'address';
  readonly family: IpFamily;
  /** `address/length`, host bits kept. */
  readonly address: string;
}

export interface FirewallItem {
  readonly kind: 'firewall';
  readonly tool: 'nft' | 'iptables';
  readonly family: IpFamily;
  readonly mark: number;
  /** The tunnel's addresses of this family, without length. */
  readonly addresses: readonly string[];
}

export interface RoutesItem {
  readonly kind: 'routes';
  readonly family: IpFamily;
  /** A number, or a name of /etc/iproute2/rt_tables. */
  readonly table: string;
  /** The longest first. */
  readonly prefixes: readonly string[];
}

export interface RuleItem {
  readonly kind: 'rule';
  readonly family: IpFamily;
  readonly rule: OwnRule;
}

export interface DnsItem {
  readonly kind: 'dns';
  readonly tool: 'resolvectl' | 'resolvconf';
  /** The name under which resolvconf keeps it; the interface's name for resolvectl. */
  readonly record: string;
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** Every question goes to these servers, not only those of the search domains. */
  readonly allDomains: boolean;
}

export type Step =
  | { readonly verb: 'add'; readonly item: NetworkItem }
  | { readonly verb: 'remove'; readonly item: NetworkItem }
  /** In place: at no time is neither in force. Both have the same key. */
  | { readonly verb: 'replace'; readonly old: NetworkItem; readonly item: NetworkItem };

export function inverse(step: Step): Step {
  switch (step.verb) {
    case 'add':
      return { verb: 'remove', item: step.item };
    case 'remove':
      return { verb: 'add', item: step.item };
    case 'replace':
      return { verb: 'replace', old: step.item, item: step.old };
    default:
      return assertNever(step);
  }
}

/** Two items with one key are one place on the system: only one of them can be in force. */
export function itemKey(item: NetworkItem): string {
  switch (item.kind) {
    case 'mtu':
    case 'linkUp':
    case 'validMark':
      return item.kind;
    case 'address':
      return `address ${item.address}`;
    case 'firewall':
      return `firewall ${item.tool} ${item.family}`;
    case 'routes':
      return `routes ${item.family} ${item.table}`;
    case 'rule':
      return `rule ${item.family} ${ruleArguments('add', item.rule).join(' ')}`;
    case 'dns':
      return `dns ${item.tool} ${item.record}`;
    default:
      return assertNever(item);
  }
}

/** What vanishes by itself when the interface is deleted. */
export type InterfaceItem = Extract<NetworkItem, { kind: 'mtu' | 'address' | 'linkUp' | 'routes' }>;

export const diesWithInterface = (item: NetworkItem): item is InterfaceItem =>
  item.kind === 'mtu' ||
  item.kind === 'address' ||
  item.kind === 'linkUp' ||
  item.kind === 'routes';

/** Routes shown one by one; more are counted. */
const SHOWN_ROUTES = 16;

/** What a step does, as the commands that a person would type. */
export function describeStep(step: Step, device: string): string[] {
  switch (step.verb) {
    case 'add':
      return describeAdd(step.item, device);
    case 'remove':
      return describeRemove(step.item, device);
    case 'replace':
      return describeAdd(step.item, device);
    default:
      return assertNever(step);
  }
}

function describeAdd(item: NetworkItem, device: string): string[] {
  switch (item.kind) {
    case 'mtu':
      return [`ip link set mtu ${item.mtu} dev ${device}`];
    case 'address':
      return [`ip -${item.family} address add ${item.address} dev ${device}`];
    case 'linkUp':
      return [`ip link set up dev ${device}`];
    case 'validMark':
      return ['sysctl -q net.ipv4.conf.all.src_valid_mark=1'];
    case 'firewall':
      return [`${firewallCommand(item)}:`, ...indent(firewallText(item, device, 'add'))];
    case 'routes':
      return describeRoutes('add', item, device);
    case 'rule':
      return [`ip -${item.family} ${ruleArguments('add', item.rule).join(' ')}`];
    case 'dns':
      return describeDns(item, device);
    default:
      return assertNever(item);
  }
}

function describeRemove(item: NetworkItem, device: string): string[] {
  switch (item.kind) {
    case 'mtu':
    case 'linkUp':
    case 'validMark':
      return [
        `restore ${item.kind === 'validMark' ? 'net.ipv4.conf.all.src_valid_mark' : item.kind}`,
      ];
    case 'address':
      return [`ip -${item.family} address delete ${item.address} dev ${device}`];
    case 'firewall':
      return [`${firewallCommand(item)}:`, ...indent(firewallText(item, device, 'remove'))];
    case 'routes':
      return describeRoutes('delete', item, device);
    case 'rule':
      return [`ip -${item.family} ${ruleArguments('delete', item.rule).join(' ')}`];
    case 'dns':
      return item.tool === 'resolvectl'
        ? [`resolvectl revert ${device}`]
        : [`resolvconf -d ${item.record} -f`];
    default:
      return assertNever(item);
  }
}

const indent = (block: string): string[] =>
  block
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`);

function firewallCommand(item: FirewallItem): string {
  if (item.tool === 'nft') return 'nft -f -';
  return item.family === 4 ? 'iptables-restore --noflush' : 'ip6tables-restore --noflush';
}

function describeRoutes(verb: 'add' | 'delete', item: RoutesItem, device: string): string[] {
  const shown = item.prefixes
    .slice(0, SHOWN_ROUTES)
    .map(
      (prefix) =>
        `ip -${item.family} ${routeArguments(verb, { prefix, table: item.table, device }).join(' ')}`,
    );
  const rest = item.prefixes.length - shown.length;
  return rest === 0 ? shown : [...shown, `… and ${rest} more routes`];
}

function describeDns(item: DnsItem, device: string): string[] {
  if (item.tool === 'resolvconf')
    return [
      `resolvconf -a ${item.record} -m 0 -x (${[...item.servers, ...item.search].join(', ')})`,
    ];
  const domains = [...item.search, ...(item.allDomains ? ['~.'] : [])];
  return [
    `resolvectl dns ${device} ${item.servers.join(' ')}`,
    `resolvectl domain ${device} ${domains.join(' ')}`,
  ];
}
