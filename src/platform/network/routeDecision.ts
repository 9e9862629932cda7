// Where a packet that this machine sends would go, worked out from rules and routes: the kernel's
// policy routing as far as it decides about an answer to an SSH client. Pure. SPEC.md 8.7.
import { maskPrefix, parseAddress, parsePrefix, type IpAddress } from '../../base/ip.js';
import type { Route, Rule } from './ipJson.js';
import { covers } from './layout.js';

export interface RoutingTables {
  /** In the order of their priorities. */
  readonly rules: readonly Rule[];
  /** At least those that cover the packet's destination, of every table that the rules name. */
  readonly routes: readonly Route[];
}

/** A packet without a mark, from a local address. */
export interface OutgoingPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

export type RouteDecision =
  | { readonly kind: 'leaves'; readonly devices: readonly string[]; readonly prefix: string }
  | { readonly kind: 'refused' }
  /** A rule of a kind that isn't modelled stands before the one that decides. */
  | { readonly kind: 'unknown' };

export function decideRoute(tables: RoutingTables, packet: OutgoingPacket): RouteDecision {
  for (const rule of tables.rules) {
    const applies = ruleApplies(rule, packet);
    if (applies === 'unknown') return { kind: 'unknown' };
    if (!applies || rule.table === null) continue;
    const route = longestMatch(tables.routes, rule.table, packet.destination);
    if (route === null || route.type === 'throw') continue;
    if (rule.suppressPrefixLength !== null && lengthOf(route) <= rule.suppressPrefixLength)
      continue;
    if (route.type === 'refuse') return { kind: 'refused' };
    return { kind: 'leaves', devices: route.devices, prefix: route.prefix };
  }
  return { kind: 'refused' };
}

function ruleApplies(rule: Rule, packet: OutgoingPacket): boolean | 'unknown' {
  const selected =
    holds(rule.source, packet.source) &&
    holds(rule.destination, packet.destination) &&
    (rule.mark === null || (rule.mark.value & rule.mark.mask) === 0) &&
    // What this machine sends itself counts as coming in by the loopback interface.
    (rule.inputInterface === null || rule.inputInterface === 'lo');
  // A further selector can only narrow what the known ones let through.
  if (rule.other && selected) return 'unknown';
  return selected !== rule.negated;
}

function holds(prefix: string | null, address: IpAddress): boolean {
  if (prefix === null) return true;
  const parsed = parsePrefix(prefix);
  return parsed !== null && covers(parsed, hostPrefix(address));
}

const hostPrefix = (address: IpAddress) => maskPrefix(address, address.bytes.length * 8);

const lengthOf = (route: Route): number => parsePrefix(route.prefix)?.length ?? 0;

function longestMatch(
  routes: readonly Route[],
  table: string,
  destination: IpAddress,
): Route | null {
  const candidates = routes.filter(
    (route) => route.table === table && holds(route.prefix, destination),
  );
  candidates.sort((a, b) => lengthOf(b) - lengthOf(a) || a.metric - b.metric);
  return candidates[0] ?? null;
}

/** For text that came from the system: null if it isn't a pair of addresses of one family. */
export function outgoingPacket(source: string, destination: string): OutgoingPacket | null {
  const from = parseAddress(source);
  const to = parseAddress(destination);
  return from === null || to?.family !== from.family ? null : { source: from, destination: to };
}
