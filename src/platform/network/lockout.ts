// Whether new rules and routes would cut off an SSH session. The judgement is pure; the facts for it
// come from the kernel. SPEC.md 8.7.
import { OperatorError } from '../../base/errors.js';
import { maskPrefix, parseAddress, parsePrefix, type IpFamily } from '../../base/ip.js';
import type { Session } from './callerSession.js';
import type { Route, Rule } from './ipJson.js';
import { MAIN_TABLE, type IpTool } from './ipTool.js';
import { connectedPrefixes, covers, type Layout } from './layout.js';
import type { NetworkItem, RuleItem } from './networkItem.js';
import { formatPrefix } from '../../base/ip.js';
import {
  decideRoute,
  outgoingPacket,
  type OutgoingPacket,
  type RouteDecision,
  type RoutingTables,
} from './routeDecision.js';

export interface SessionFacts {
  readonly session: Session;
  readonly packet: OutgoingPacket;
  readonly tables: RoutingTables;
  /** By which interface the kernel sends to the client now. */
  readonly device: string;
}

/** null where the session doesn't run through this network namespace. */
export async function sessionFacts(ip: IpTool, session: Session): Promise<SessionFacts | null> {
  const packet = outgoingPacket(session.server, session.client);
  if (packet === null) return null;
  const answer = await ip.routeTo(session.client, { source: session.server });
  if (answer === null) return null;
  const { family } = packet.destination;
  const rules = await ip.rules(family);
  const tables = new Set(rules.flatMap((rule) => rule.table ?? []));
  const routes: Route[] = [];
  for (const table of tables)
    routes.push(...(await ip.routes(family, table, { matching: session.client })));
  return { session, packet, tables: { rules, routes }, device: answer.device };
}

/** null stands for a tunnel that is not up. */
export interface LayoutChange {
  readonly interfaceName: string;
  readonly before: Layout | null;
  readonly after: Layout | null;
}

export type LockoutVerdict =
  | { readonly kind: 'safe' }
  /** `by`: what takes the session, or what it loses, in words. */
  | { readonly kind: 'cut'; readonly by: string };

export function judgeLockout(facts: SessionFacts, change: LayoutChange): LockoutVerdict {
  const lost = lostAddress(facts, change);
  if (lost !== null) return { kind: 'cut', by: `the address ${lost} goes away` };
  const now = decideRoute(facts.tables, facts.packet);
  if (!agrees(now, facts.device)) return judgeBlindly(facts, change);
  const then = decideRoute(tablesAfter(facts, change), facts.packet);
  if (then.kind === 'unknown') return judgeBlindly(facts, change);
  const own = change.interfaceName;
  const wasInside = facts.device === own;
  if (then.kind === 'refused')
    return wasInside ? { kind: 'cut', by: 'no route is left' } : { kind: 'safe' };
  const isInside = then.devices.includes(own);
  if (isInside === wasInside) return { kind: 'safe' };
  return {
    kind: 'cut',
    by: isInside ? `${then.prefix} leads into ${own}` : `${own} no longer carries it`,
  };
}

function agrees(decision: RouteDecision, device: string): boolean {
  return decision.kind === 'leaves' && decision.devices.includes(device);
}

/** The tunnel's own address at which the client is connected. */
function lostAddress({ session }: SessionFacts, { before, after }: LayoutChange): string | null {
  const had = addressesOf(before).includes(session.server);
  return had && !addressesOf(after).includes(session.server) ? session.server : null;
}

const addressesOf = (layout: Layout | null): string[] =>
  (layout?.items ?? []).flatMap((item) =>
    item.kind === 'address' ? [item.address.slice(0, item.address.indexOf('/'))] : [],
  );

/** Where the rules aren't understood: a new route that holds the client takes it. */
function judgeBlindly(facts: SessionFacts, change: LayoutChange): LockoutVerdict {
  const { interfaceName, before, after } = change;
  const { family } = facts.packet.destination;
  const holding = (layout: Layout | null): string[] =>
    routesOf(layout, family, interfaceName)
      .filter((route) => holdsClient(route, facts))
      .map((route) => route.prefix);
  const had = holding(before);
  const has = holding(after);
  const gained = has.find((prefix) => !had.includes(prefix));
  if (facts.device !== interfaceName)
    return gained === undefined
      ? { kind: 'safe' }
      : { kind: 'cut', by: `${gained} may lead into ${interfaceName}` };
  return has.length > 0
    ? { kind: 'safe' }
    : { kind: 'cut', by: `${interfaceName} no longer carries it` };
}

function holdsClient(route: Route, { packet }: SessionFacts): boolean {
  const prefix = parsePrefix(route.prefix);
  return (
    prefix !== null &&
    covers(prefix, maskPrefix(packet.destination, packet.destination.bytes.length * 8))
  );
}

function tablesAfter(
  facts: SessionFacts,
  { interfaceName, before, after }: LayoutChange,
): RoutingTables {
  const { family } = facts.packet.destination;
  const old = new Set(routesOf(before, family, interfaceName).map(routeKey));
  const routes = [
    ...facts.tables.routes.filter((route) => !old.has(routeKey(route))),
    ...routesOf(after, family, interfaceName),
  ];
  const oldRules = rulesOf(before, family).map(ruleKey);
  const kept = facts.tables.rules.filter((rule) => !oldRules.includes(ruleKey(rule)));
  // Stable: of equal priorities, the one that was there first comes first.
  const rules = [...kept, ...rulesOf(after, family)].sort((a, b) => a.priority - b.priority);
  return { rules, routes };
}

const routeKey = (route: Route): string => `${route.table} ${route.prefix} ${route.devices.join()}`;
const ruleKey = ({ priority, table, mark, negated, suppressPrefixLength }: Rule): string =>
  [priority, table, mark?.value, negated, suppressPrefixLength].join();

/** The layout's routes and those that Linux makes for its addresses. */
function routesOf(layout: Layout | null, family: IpFamily, device: string): Route[] {
  const items = layout?.items ?? [];
  const route = (prefix: string, table: string): Route => ({
    prefix,
    table,
    type: 'unicast',
    devices: [device],
    metric: 0,
    mtu: null,
  });
  const added = items.flatMap((item) =>
    item.kind === 'routes' && item.family === family
      ? item.prefixes.map((prefix) => route(prefix, item.table))
      : [],
  );
  const connected = connectedPrefixes({ addresses: items.flatMap(parsedAddress) }, family);
  return [...added, ...connected.map((prefix) => route(formatPrefix(prefix), MAIN_TABLE))];
}

function parsedAddress(item: NetworkItem) {
  if (item.kind !== 'address') return [];
  const [text = '', length] = item.address.split('/');
  const address = parseAddress(text);
  return address === null ? [] : [{ address, length: Number(length) }];
}

function rulesOf(layout: Layout | null, family: IpFamily): Rule[] {
  return (layout?.items ?? [])
    .filter((item): item is RuleItem => item.kind === 'rule' && item.family === family)
    .map(({ rule }) => {
      const plain = {
        priority: rule.priority,
        source: null,
        destination: null,
        inputInterface: null,
        other: false,
      };
      return rule.rule === 'suppressMainDefault'
        ? { ...plain, negated: false, mark: null, table: MAIN_TABLE, suppressPrefixLength: 0 }
        : {
            ...plain,
            negated: true,
            mark: { value: rule.mark, mask: 0xffff_ffff },
            table: rule.table,
            suppressPrefixLength: null,
          };
    });
}

export function lockoutError(session: Session, by: string, interfaceName: string): OperatorError {
  return new OperatorError({
    code: 'E_LOCKOUT',
    place: interfaceName,
    expected: `the session from ${session.client} to ${session.server}, which this is called from, to go on`,
    found: `that it would be cut off: ${by}`,
    remedy:
      `keep that address off the tunnel with "PreUp = ip rule add from ${session.server} table main priority 100" ` +
      `and "PostDown = ip rule delete from ${session.server} table main priority 100", ` +
      'or make AllowedIPs smaller, or use --force',
  });
}
