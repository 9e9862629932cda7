// The settings made concrete for this machine: every item that the tunnel adds, by its exact
// value. Pure. SPEC.md 8.2 to 8.4.
import { assertNever } from '../../base/assert.js';
import {
  formatAddress,
  formatPrefix,
  maskPrefix,
  type IpFamily,
  type IpPrefix,
} from '../../base/ip.js';
import type { NetworkFacts } from './facts.js';
import { chooseFullTunnel, protection, ruleItems, type FullTunnel } from './fullTunnel.js';
import { MAIN_TABLE } from './ipTool.js';
import type { AddressItem, DnsItem, NetworkItem, RoutesItem } from './networkItem.js';
import type { NetworkSettings } from './settings.js';

export interface Layout {
  readonly interfaceName: string;
  /** In the order in which they are added. */
  readonly items: readonly NetworkItem[];
  /** The mark that the device's sockets need; 0 for none. */
  readonly mark: number;
  /** Kept over reloads while the tunnel is full; null if it isn't. */
  readonly fullTunnel: FullTunnel | null;
  readonly warnings: readonly string[];
}

/** IPv6 40, UDP 8, type-4 header 16, tag 16. */
export const TUNNEL_OVERHEAD_BYTES = 80;
/** RFC 8200 section 5: below it Linux takes IPv6 away from the interface. */
export const MIN_IPV6_MTU = 1280;
const FALLBACK_PATH_MTU = 1500;

/**
 * `before` is the layout in force, whose mark, table and priorities stay; null where the tunnel
 * isn't up.
 */
export function layoutNetwork(
  settings: NetworkSettings,
  facts: NetworkFacts,
  before: Layout | null,
): Layout {
  const warnings: string[] = [];
  const mtu = chooseMtu(settings, facts, warnings);
  const families = usableFamilies(settings, facts, mtu, warnings);
  const addresses = addressItems(settings, families);
  const prefixes = distinctPrefixes(
    settings.allowedIps.filter(({ family }) => families.includes(family)),
  );
  const isFull = (family: IpFamily): boolean =>
    settings.table.kind === 'auto' && prefixes.some((p) => p.length === 0 && p.family === family);
  const fullFamilies = families.filter(isFull);
  const fullTunnel =
    fullFamilies.length === 0
      ? null
      : chooseFullTunnel(settings, facts, fullFamilies, before?.fullTunnel ?? null);
  const items: NetworkItem[] = [
    { kind: 'mtu', mtu },
    ...addresses,
    { kind: 'linkUp' },
    ...(fullTunnel === null ? [] : protection(fullTunnel, addresses, facts, warnings)),
    ...families.flatMap((family) => routesItems(settings, facts, { family, prefixes, fullTunnel })),
    ...(fullTunnel === null ? [] : ruleItems(fullTunnel)),
    ...dnsItems(settings, facts, fullTunnel !== null, warnings),
  ];
  const mark = fullTunnel?.mark ?? settings.fwmark;
  return { interfaceName: settings.interfaceName, items, mark, fullTunnel, warnings };
}

function carriesIpv6(settings: NetworkSettings): boolean {
  return (
    settings.addresses.some(({ address }) => address.family === 6) ||
    settings.allowedIps.some(({ family }) => family === 6)
  );
}

function chooseMtu(settings: NetworkSettings, facts: NetworkFacts, warnings: string[]): number {
  if (settings.mtu !== null) return settings.mtu;
  const computed = (facts.pathMtu ?? FALLBACK_PATH_MTU) - TUNNEL_OVERHEAD_BYTES;
  if (computed >= MIN_IPV6_MTU || !carriesIpv6(settings) || !facts.ipv6) return computed;
  warnings.push(
    `the path to the endpoints has an MTU of ${computed + TUNNEL_OVERHEAD_BYTES}, which leaves ${computed}; ` +
      `IPv6 needs ${MIN_IPV6_MTU}, so outer packets will be fragmented`,
  );
  return MIN_IPV6_MTU;
}

function usableFamilies(
  settings: NetworkSettings,
  facts: NetworkFacts,
  mtu: number,
  warnings: string[],
): IpFamily[] {
  const reason = !facts.ipv6
    ? 'IPv6 is switched off on this system'
    : mtu < MIN_IPV6_MTU
      ? `an MTU of ${mtu} is below ${MIN_IPV6_MTU}, with which Linux has no IPv6 on an interface`
      : null;
  if (reason === null) return [4, 6];
  const lost = [
    ...settings.addresses.filter(({ address }) => address.family === 6).map(addressText),
    ...settings.allowedIps.filter(({ family }) => family === 6).map(formatPrefix),
  ];
  if (lost.length > 0) warnings.push(`${reason}: left out ${shorten(lost)}`);
  return [4];
}

const SHOWN = 4;
const shorten = (texts: readonly string[]): string =>
  texts.length <= SHOWN
    ? texts.join(', ')
    : `${texts.slice(0, SHOWN).join(', ')} and ${texts.length - SHOWN} more`;

const addressText = (entry: NetworkSettings['addresses'][number]): string =>
  `${formatAddress(entry.address)}/${entry.length}`;

function addressItems(settings: NetworkSettings, families: readonly IpFamily[]): AddressItem[] {
  const items = settings.addresses
    .filter(({ address }) => families.includes(address.family))
    .map((entry): AddressItem => ({
      kind: 'address',
      family: entry.address.family,
      address: addressText(entry),
    }));
  // Linux keeps an IPv6 address once on an interface, whatever its length: the last one counts.
  const place = (item: AddressItem): string =>
    item.family === 4 ? item.address : item.address.slice(0, item.address.indexOf('/'));
  return [...new Map(items.map((item) => [place(item), item])).values()];
}

/** Each once, the longest first, otherwise in the order given. */
function distinctPrefixes(prefixes: readonly IpPrefix[]): IpPrefix[] {
  const byText = new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix]));
  return [...byText.values()].sort((a, b) => b.length - a.length);
}

function routesItems(
  settings: NetworkSettings,
  facts: NetworkFacts,
  routed: {
    readonly family: IpFamily;
    readonly prefixes: readonly IpPrefix[];
    readonly fullTunnel: FullTunnel | null;
  },
): RoutesItem[] {
  const { family, fullTunnel } = routed;
  const prefixes = routed.prefixes.filter((prefix) => prefix.family === family);
  const item = (table: string, part: readonly IpPrefix[]): RoutesItem[] =>
    part.length === 0 ? [] : [{ kind: 'routes', family, table, prefixes: part.map(formatPrefix) }];
  switch (settings.table.kind) {
    case 'off':
      return [];
    case 'table':
      return item(tableNumber(settings.table.id, facts), prefixes);
    case 'auto': {
      const connected = connectedPrefixes(settings, family);
      const specific = prefixes.filter((p) => p.length > 0 && !connected.some((c) => covers(c, p)));
      const defaults = prefixes.filter((p) => p.length === 0);
      return [
        ...item(MAIN_TABLE, specific),
        ...(fullTunnel === null ? [] : item(String(fullTunnel.mark), defaults)),
      ];
    }
    default:
      return assertNever(settings.table);
  }
}

/** In decimal, as `ip -N` prints it; a name that nobody knows is left for `ip` to refuse. */
function tableNumber(id: string, facts: NetworkFacts): string {
  return /^(\d+|0x[0-9a-f]+)$/i.test(id) ? String(Number(id)) : (facts.tableNumbers.get(id) ?? id);
}

/** The routes that Linux makes for the interface's addresses itself. */
export function connectedPrefixes(
  settings: Pick<NetworkSettings, 'addresses'>,
  family: IpFamily,
): IpPrefix[] {
  return settings.addresses
    .filter(({ address, length }) => address.family === family && (family === 6 || length < 32))
    .map(({ address, length }) => maskPrefix(address, length));
}

export const covers = (outer: IpPrefix, inner: IpPrefix): boolean =>
  outer.family === inner.family &&
  outer.length <= inner.length &&
  maskPrefix(inner, outer.length).bytes.every((byte, i) => byte === outer.bytes[i]);

function dnsItems(
  settings: NetworkSettings,
  facts: NetworkFacts,
  full: boolean,
  warnings: string[],
): DnsItem[] {
  const servers = settings.dns.servers.map(formatAddress);
  if (servers.length === 0) return [];
  const { dnsTool } = facts;
  if (dnsTool.kind === 'none') {
    warnings.push(
      `DNS ${servers.join(', ')} is not set: neither systemd-resolved nor resolvconf is here ` +
        '(install openresolv or systemd-resolved)',
    );
    return [];
  }
  const { search } = settings.dns;
  const record =
    dnsTool.kind === 'resolvconf'
      ? dnsTool.recordPrefix + settings.interfaceName
      : settings.interfaceName;
  return [
    {
      kind: 'dns',
      tool: dnsTool.kind,
      record,
      servers,
      search,
      allDomains: full || search.length === 0,
    },
  ];
}
