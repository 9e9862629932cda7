// From one layout to another, as steps: first all that is added, then all that is taken away, so
// that what both have in common never has a gap. Pure. SPEC.md 8.1 and 8.8.
import type { NetworkFacts } from './facts.js';
import { layoutNetwork, type Layout } from './layout.js';
import { itemKey, type NetworkItem, type RoutesItem, type Step } from './networkItem.js';
import type { NetworkSettings } from './settings.js';

export interface NetworkPlan {
  readonly layout: Layout;
  readonly steps: readonly Step[];
}

/** What `up` does to the system for these settings, in order; nothing is touched. */
export function planNetwork(settings: NetworkSettings, facts: NetworkFacts): NetworkPlan {
  const layout = layoutNetwork(settings, facts, null);
  return { layout, steps: planTransition(null, layout).widen };
}

export interface Transition {
  /** Adds and replacements, in the order of the new layout. */
  readonly widen: readonly Step[];
  /** Removals, in the reverse order of the old layout. */
  readonly narrow: readonly Step[];
}

/** null stands for a tunnel that is not up. */
export function planTransition(before: Layout | null, after: Layout | null): Transition {
  const old = new Map((before?.items ?? []).map((item) => [itemKey(item), item]));
  const wanted = new Map((after?.items ?? []).map((item) => [itemKey(item), item]));
  const widen = [...wanted].flatMap(([key, item]) => widening(old.get(key) ?? null, item, old));
  const removedEarly = new Set(
    widen.flatMap((step) => (step.verb === 'remove' ? [itemKey(step.item)] : [])),
  );
  const narrow = [...old]
    .reverse()
    .filter(([key]) => !removedEarly.has(key))
    .flatMap(([key, item]) => narrowing(item, wanted.get(key) ?? null));
  return { widen, narrow };
}

function widening(
  old: NetworkItem | null,
  item: NetworkItem,
  all: ReadonlyMap<string, NetworkItem>,
): Step[] {
  if (item.kind === 'routes') return routesStep('add', item, old as RoutesItem | null);
  if (old === null) return [...conflictingAddress(item, all), { verb: 'add', item }];
  return sameItem(old, item) ? [] : [{ verb: 'replace', old, item }];
}

function narrowing(item: NetworkItem, wanted: NetworkItem | null): Step[] {
  if (item.kind === 'routes') return routesStep('remove', item, wanted as RoutesItem | null);
  return wanted === null ? [{ verb: 'remove', item }] : [];
}

function routesStep(verb: 'add' | 'remove', item: RoutesItem, other: RoutesItem | null): Step[] {
  const both = new Set(other?.prefixes ?? []);
  const prefixes = item.prefixes.filter((prefix) => !both.has(prefix));
  return prefixes.length === 0 ? [] : [{ verb, item: { ...item, prefixes } }];
}

/** Linux keeps an IPv6 address only once on an interface, whatever its length. */
function conflictingAddress(item: NetworkItem, old: ReadonlyMap<string, NetworkItem>): Step[] {
  if (item.kind !== 'address' || item.family !== 6) return [];
  const start = item.address.slice(0, item.address.indexOf('/') + 1);
  return [...old.values()]
    .filter((other) => other.kind === 'address' && other.address.startsWith(start))
    .map((other): Step => ({ verb: 'remove', item: other }));
}

const sameItem = (a: NetworkItem, b: NetworkItem): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
