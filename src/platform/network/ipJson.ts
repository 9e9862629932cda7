// What `ip -json -N` prints, parsed into types; tables and route types are numbers in it.
import type { IpFamily } from '../../base/ip.js';

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly loopback: boolean;
}

/** One route, tables by number, prefixes as `address/length`. */
export interface Route {
  readonly prefix: string;
  readonly table: string;
  /** What the kernel does: `unicast` forwards, `throw` goes on with the next rule, the rest refuse. */
  readonly type: 'unicast' | 'throw' | 'refuse' | 'local';
  /** The interfaces it may take: several for next hops by several, none where it refuses. */
  readonly devices: readonly string[];
  readonly metric: number;
  /** The route's own MTU; null if it has none. */
  readonly mtu: number | null;
}

/** One policy rule with the selectors that Beam knows. */
export interface Rule {
  readonly priority: number;
  readonly negated: boolean;
  /** `address/length`; null for all. */
  readonly source: string | null;
  readonly destination: string | null;
  /** null for any mark. */
  readonly mark: { readonly value: number; readonly mask: number } | null;
  readonly inputInterface: string | null;
  /** The table's number; null for an action other than a look-up. */
  readonly table: string | null;
  /** Routes with a prefix of this length or shorter don't count; null for no such limit. */
  readonly suppressPrefixLength: number | null;
  /** A selector or action that none of these fields holds. */
  readonly other: boolean;
}

export interface RouteAnswer {
  readonly device: string;
  /** The route's own MTU; null if it has none. */
  readonly mtu: number | null;
}

export type Json = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | null =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null;
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);

/** `ip -json` prints `{}` for objects that a filter left out. */
const filled = (objects: readonly Json[]): Json[] =>
  objects.filter((object) => Object.keys(object).length > 0);

export function parseLinks(objects: readonly Json[]): Link[] {
  return filled(objects).map((object) => {
    const flags = object['flags'] as readonly string[];
    return {
      index: number(object['ifindex']) ?? 0,
      name: text(object['ifname']) ?? '',
      mtu: number(object['mtu']) ?? 0,
      up: flags.includes('UP'),
      loopback: flags.includes('LOOPBACK'),
    };
  });
}

export function parseAddresses(objects: readonly Json[]): string[] {
  return filled(objects).flatMap((object) =>
    filled((object['addr_info'] ?? []) as Json[]).map(
      (entry) => `${text(entry['local']) ?? ''}/${number(entry['prefixlen']) ?? 0}`,
    ),
  );
}

/** `default`, `10.0.0.0/8`, or an address alone: always with its length. */
function withLength(prefix: string, family: IpFamily): string {
  if (prefix === 'default' || prefix === 'all') return family === 4 ? '0.0.0.0/0' : '::/0';
  return prefix.includes('/') ? prefix : `${prefix}/${family === 4 ? 32 : 128}`;
}

/** RTN_UNICAST, RTN_LOCAL and RTN_THROW of linux/rtnetlink.h; absent means unicast. */
const ROUTE_TYPES: Readonly<Record<string, Route['type']>> = {
  '1': 'unicast',
  '2': 'local',
  '3': 'local',
  '4': 'local',
  '9': 'throw',
};

export function parseRoutes(
  objects: readonly Json[],
  asked: { readonly family: IpFamily; readonly table: string; readonly device: string | null },
): Route[] {
  return filled(objects).map((object) => ({
    prefix: withLength(text(object['dst']) ?? 'default', asked.family),
    table: text(object['table']) ?? asked.table,
    type: ROUTE_TYPES[text(object['type']) ?? '1'] ?? 'refuse',
    devices: routeDevices(object, asked.device),
    metric: number(object['metric']) ?? 0,
    mtu: routeMtu(object),
  }));
}

function routeDevices(route: Json, asked: string | null): string[] {
  const own = text(route['dev']);
  if (own !== null) return [own];
  const hops = route['nexthops'];
  if (!Array.isArray(hops)) return asked === null ? [] : [asked];
  return [...new Set((hops as Json[]).flatMap((hop) => text(hop['dev']) ?? []))];
}

const KNOWN_RULE_FIELDS = new Set([
  'priority',
  'not',
  'src',
  'srclen',
  'dst',
  'dstlen',
  'fwmark',
  'fwmask',
  'iif',
  'table',
  'suppress_prefixlen',
  'protocol',
]);

export function parseRules(objects: readonly Json[], family: IpFamily): Rule[] {
  return filled(objects).map((object) => ({
    priority: number(object['priority']) ?? 0,
    negated: 'not' in object,
    source: selectorPrefix(object['src'], object['srclen'], family),
    destination: selectorPrefix(object['dst'], object['dstlen'], family),
    mark: parseMark(object['fwmark'], object['fwmask']),
    inputInterface: text(object['iif']),
    table: text(object['table']),
    suppressPrefixLength: number(object['suppress_prefixlen']),
    other: Object.keys(object).some((field) => !KNOWN_RULE_FIELDS.has(field)),
  }));
}

function selectorPrefix(address: unknown, length: unknown, family: IpFamily): string | null {
  const value = text(address);
  if (value === null || value === 'all') return null;
  const bits = number(length);
  return bits === null ? withLength(value, family) : `${value}/${bits}`;
}

function parseMark(value: unknown, mask: unknown): Rule['mark'] {
  const mark = text(value);
  if (mark === null) return null;
  return { value: Number(mark), mask: Number(text(mask) ?? 0xffff_ffff) };
}

export function parseRouteAnswer(objects: readonly Json[]): RouteAnswer | null {
  const answer = filled(objects)[0];
  const device = answer === undefined ? null : text(answer['dev']);
  if (answer === undefined || device === null) return null;
  // RTN_UNREACHABLE and its like are answers too when asked for a table with such a route.
  const type = ROUTE_TYPES[text(answer['type']) ?? '1'];
  if (type === undefined || type === 'throw') return null;
  return { device, mtu: routeMtu(answer) };
}

function routeMtu(route: Json): number | null {
  const metrics = (route['metrics'] as Json[] | undefined)?.[0];
  return metrics === undefined ? null : number(metrics['mtu']);
}
