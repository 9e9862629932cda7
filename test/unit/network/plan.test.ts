// Steps from one layout to another. SPEC.md 8.1 and 8.8.
import test from 'ava';
import fc from 'fast-check';
import { layoutNetwork, type Layout } from '../../../src/platform/network/layout.js';
import {
  describeStep,
  inverse,
  itemKey,
  type NetworkItem,
  type Step,
} from '../../../src/platform/network/networkItem.js';
import { planNetwork, planTransition } from '../../../src/platform/network/plan.js';
import { facts, settings, type ShortSettings } from './fixtures.js';

const layout = (short: ShortSettings, before: Layout | null = null): Layout =>
  layoutNetwork(settings(short), facts(), before);

const lines = (steps: readonly Step[]): string[] =>
  steps.map((step) => `${step.verb} ${describeStep(step, 'wg0')[0]!}`);

test('a plan lists every change of an up in its order, as a person would type it', (t) => {
  const plan = planNetwork(
    settings({
      addresses: ['10.0.0.1/24', 'fd00::1/64'],
      allowedIps: ['0.0.0.0/0', '10.7.0.0/16'],
      dns: ['10.0.0.53'],
    }),
    facts(),
  );
  t.deepEqual(
    plan.steps.flatMap((step) => describeStep(step, 'wg0')).filter((line) => !line.startsWith(' ')),
    [
      'ip link set mtu 1420 dev wg0',
      'ip -4 address add 10.0.0.1/24 dev wg0',
      'ip -6 address add fd00::1/64 dev wg0',
      'ip link set up dev wg0',
      'sysctl -q net.ipv4.conf.all.src_valid_mark=1',
      'nft -f -:',
      'ip -4 route add 10.7.0.0/16 dev wg0',
      'ip -4 route add 0.0.0.0/0 dev wg0 table 51820',
      'ip -4 rule add priority 32764 table main suppress_prefixlength 0',
      'ip -4 rule add priority 32765 not fwmark 51820 table 51820',
      'resolvectl dns wg0 10.0.0.53',
      'resolvectl domain wg0 ~.',
    ],
  );
});

test('many routes are counted, not listed', (t) => {
  const allowedIps = Array.from({ length: 100 }, (_, i) => `10.${i}.0.0/16`);
  const step = planNetwork(settings({ allowedIps }), facts()).steps.at(-1)!;
  t.is(describeStep(step, 'wg0').length, 17);
  t.is(describeStep(step, 'wg0').at(-1), '… and 84 more routes');
});

test('the same layout needs no step', (t) => {
  const short = {
    addresses: ['10.0.0.1/24'],
    allowedIps: ['0.0.0.0/0', '10.7.0.0/16'],
    dns: ['10.0.0.53'],
  };
  t.deepEqual(planTransition(layout(short), layout(short)), { widen: [], narrow: [] });
});

test('only the routes that differ are touched, new ones before old ones go', (t) => {
  const before = layout({ allowedIps: ['10.0.0.0/16', '10.1.0.0/16', '10.9.0.0/24'] });
  const after = layout({ allowedIps: ['10.0.0.0/16', '10.1.0.0/16', '10.9.0.0/16'] });
  const { widen, narrow } = planTransition(before, after);
  t.deepEqual(lines(widen), ['add ip -4 route add 10.9.0.0/16 dev wg0']);
  t.deepEqual(lines(narrow), ['remove ip -4 route delete 10.9.0.0/24 dev wg0']);
});

test('an MTU, a firewall table and DNS servers are replaced in place', (t) => {
  const short = { allowedIps: ['0.0.0.0/0'], dns: ['10.0.0.53'] };
  const { widen, narrow } = planTransition(
    layout({ ...short, mtu: 1420 }),
    layout({ ...short, mtu: 1380, addresses: ['10.0.0.1/32'], dns: ['10.0.0.54'] }),
  );
  t.deepEqual(lines(widen), [
    'replace ip link set mtu 1380 dev wg0',
    'add ip -4 address add 10.0.0.1/32 dev wg0',
    'replace nft -f -:',
    'replace resolvectl dns wg0 10.0.0.54',
  ]);
  t.deepEqual(narrow, []);
});

test('the end of a full tunnel takes rule B away before rule A, and both before the route', (t) => {
  const { narrow } = planTransition(layout({ allowedIps: ['0.0.0.0/0'] }), null);
  t.deepEqual(lines(narrow).slice(0, 3), [
    'remove ip -4 rule delete priority 32765 not fwmark 51820 table 51820',
    'remove ip -4 rule delete priority 32764 table main suppress_prefixlength 0',
    'remove ip -4 route delete 0.0.0.0/0 dev wg0 table 51820',
  ]);
});

test('an IPv6 address whose length changes goes before it comes; an IPv4 one comes first', (t) => {
  const six = planTransition(
    layout({ addresses: ['fd00::1/64'] }),
    layout({ addresses: ['fd00::1/48'] }),
  );
  t.deepEqual(lines(six.widen), [
    'remove ip -6 address delete fd00::1/64 dev wg0',
    'add ip -6 address add fd00::1/48 dev wg0',
  ]);
  t.deepEqual(six.narrow, []);
  const four = planTransition(
    layout({ addresses: ['10.0.0.1/24'] }),
    layout({ addresses: ['10.0.0.1/16'] }),
  );
  t.deepEqual(lines([...four.widen, ...four.narrow]), [
    'add ip -4 address add 10.0.0.1/16 dev wg0',
    'remove ip -4 address delete 10.0.0.1/24 dev wg0',
  ]);
});

test('an address is not mistaken for a longer one that begins alike', (t) => {
  const { widen } = planTransition(
    layout({ addresses: ['fd00::11/64'] }),
    layout({ addresses: ['fd00::1/64'] }),
  );
  t.deepEqual(lines(widen), ['add ip -6 address add fd00::1/64 dev wg0']);
});

/** What the system holds after steps, by key, routes one by one. */
function apply(state: Map<string, string>, steps: readonly Step[]): void {
  for (const step of steps) {
    for (const part of parts(step.item)) {
      if (step.verb === 'remove') state.delete(part.key);
      else state.set(part.key, part.value);
    }
  }
}

function parts(item: NetworkItem): { readonly key: string; readonly value: string }[] {
  if (item.kind !== 'routes') return [{ key: itemKey(item), value: JSON.stringify(item) }];
  return item.prefixes.map((prefix) => ({ key: `${itemKey(item)} ${prefix}`, value: prefix }));
}

function stateOf(items: readonly NetworkItem[]): Map<string, string> {
  const state = new Map<string, string>();
  apply(
    state,
    items.map((item) => ({ verb: 'add', item })),
  );
  return state;
}

const anySettings = fc.record({
  addresses: fc.subarray([
    '10.0.0.1/24',
    '10.0.0.1/16',
    '10.0.0.2/24',
    'fd00::1/64',
    'fd00::1/48',
    'fd00::2/128',
  ]),
  allowedIps: fc.subarray([
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/8',
    '10.0.0.7/32',
    '10.5.0.0/16',
    'fd00::/8',
    'fd00::7/128',
  ]),
  mtu: fc.constantFrom(null, 1200, 1280, 1420),
  fwmark: fc.constantFrom(0, 7),
  dns: fc.subarray(['10.0.0.53', 'fd00::53']),
  table: fc.constantFrom(
    { kind: 'auto' } as const,
    { kind: 'off' } as const,
    { kind: 'table', id: '9' } as const,
  ),
});

const asEntries = (state: Map<string, string>) => [...state].sort(([a], [b]) => (a < b ? -1 : 1));

test('widening and narrowing lead from any layout to any other, and back by their inverses', (t) => {
  fc.assert(
    fc.property(anySettings, anySettings, (from, to) => {
      const before = layout(from);
      const after = layout(to, before);
      const { widen, narrow } = planTransition(before, after);
      const steps = [...widen, ...narrow];
      const state = stateOf(before.items);
      apply(state, steps);
      t.deepEqual(asEntries(state), asEntries(stateOf(after.items)));
      apply(state, [...steps].reverse().map(inverse));
      t.deepEqual(asEntries(state), asEntries(stateOf(before.items)));
    }),
  );
});

test('narrowing never removes what the new layout has', (t) => {
  fc.assert(
    fc.property(anySettings, anySettings, (from, to) => {
      const before = layout(from);
      const after = layout(to, before);
      const wanted = stateOf(after.items);
      const removed = planTransition(before, after).narrow.flatMap((step) => parts(step.item));
      t.false(removed.some(({ key }) => wanted.has(key)));
    }),
  );
});
