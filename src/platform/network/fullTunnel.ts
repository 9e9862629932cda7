// A tunnel that takes default routes: its mark and table, its two rules and where they stand, and
// what protects its addresses. Pure. SPEC.md 8.3.
import type { IpFamily } from '../../base/ip.js';
import type { NetworkFacts } from './facts.js';
import type { Rule } from './ipJson.js';
import type { AddressItem, FirewallItem, NetworkItem } from './networkItem.js';
import type { NetworkSettings } from './settings.js';

export interface FullTunnel {
  readonly mark: number;
  /** Beam picked the mark; the file has none. */
  readonly automaticMark: boolean;
  /** By family, the priorities of rules A and B; absent where the family isn't full. */
  readonly priorities: Readonly<Partial<Record<IpFamily, RulePriorities>>>;
}

export interface RulePriorities {
  readonly suppressMainDefault: number;
  readonly unmarkedToTable: number;
}

export function chooseFullTunnel(
  settings: NetworkSettings,
  facts: NetworkFacts,
  families: readonly IpFamily[],
  kept: FullTunnel | null,
): FullTunnel {
  const automatic = settings.fwmark === 0;
  const keptMark = kept?.automaticMark === true ? kept.mark : facts.freeTable;
  const priorities = Object.fromEntries(
    families.map((family) => [
      family,
      kept?.priorities[family] ?? rulePriorities(facts.rules[family]),
    ]),
  );
  return { mark: automatic ? keptMark : settings.fwmark, automaticMark: automatic, priorities };
}

/** Where rules A and B stand among those of one family. SPEC.md 8.3. */
export function rulePriorities(rules: readonly Rule[]): RulePriorities {
  const own = rules.filter((rule) => rule.table !== LOCAL_TABLE || !catchesEverything(rule));
  const firstCatchAll = own.find(catchesEverything)?.priority ?? MAIN_RULE_PRIORITY;
  const lastBefore = own.filter((rule) => rule.priority < firstCatchAll).at(-1)?.priority ?? 0;
  // Rules of one priority apply in the order in which they were added.
  const unmarkedToTable = Math.max(1, firstCatchAll - 1);
  return {
    unmarkedToTable,
    suppressMainDefault: Math.max(
      1,
      Math.min(unmarkedToTable, Math.max(firstCatchAll - 2, lastBefore)),
    ),
  };
}

/** RT_TABLE_LOCAL. */
const LOCAL_TABLE = '255';
/** Where the kernel puts the look-up of the main table. */
const MAIN_RULE_PRIORITY = 32766;

function catchesEverything(rule: Rule): boolean {
  if (rule.negated) return true;
  const { source, destination, mark, inputInterface, other } = rule;
  return (
    source === null && destination === null && mark === null && inputInterface === null && !other
  );
}

export function protection(
  tunnel: FullTunnel,
  addresses: readonly AddressItem[],
  facts: NetworkFacts,
  warnings: string[],
): NetworkItem[] {
  const families = fullFamiliesOf(tunnel);
  const validMark: NetworkItem[] = families.includes(4) ? [{ kind: 'validMark' }] : [];
  const tool = facts.firewallTool;
  if (tool === null) {
    warnings.push(
      "neither nft nor iptables-restore is installed: the tunnel's addresses are not guarded against " +
        'packets from other interfaces, and a strict rp_filter will drop what the peers send',
    );
    return validMark;
  }
  const tables = families.map((family): FirewallItem => ({
    kind: 'firewall',
    tool,
    family,
    mark: tunnel.mark,
    addresses: addresses
      .filter((item) => item.family === family)
      .map((item) => item.address.slice(0, item.address.indexOf('/'))),
  }));
  return [...validMark, ...tables];
}

export const fullFamiliesOf = (tunnel: FullTunnel): IpFamily[] =>
  ([4, 6] as const).filter((family) => tunnel.priorities[family] !== undefined);

/** A before B: at no time are local networks routed into the tunnel. */
export function ruleItems(tunnel: FullTunnel): NetworkItem[] {
  const table = String(tunnel.mark);
  return fullFamiliesOf(tunnel).flatMap((family): NetworkItem[] => {
    const { suppressMainDefault, unmarkedToTable } = tunnel.priorities[family]!;
    return [
      {
        kind: 'rule',
        family,
        rule: { rule: 'suppressMainDefault', priority: suppressMainDefault },
      },
      {
        kind: 'rule',
        family,
        rule: { rule: 'unmarkedToTable', priority: unmarkedToTable, mark: tunnel.mark, table },
      },
    ];
  });
}
