// Settings made concrete: addresses, MTU, routes, rules, firewall, DNS. SPEC.md 8.2 to 8.4.
import test from 'ava';
import { layoutNetwork, type Layout } from '../../../src/platform/network/layout.js';
import type { NetworkItem } from '../../../src/platform/network/networkItem.js';
import { facts, rule, settings, STANDARD_RULES } from './fixtures.js';

const ofKind = <K extends NetworkItem['kind']>(layout: Layout, kind: K) =>
  layout.items.filter((item): item is Extract<NetworkItem, { kind: K }> => item.kind === kind);

const routes = (layout: Layout): string[] =>
  ofKind(layout, 'routes').map((item) => `${item.table}: ${item.prefixes.join(' ')}`);

const mtu = (layout: Layout): number | undefined => ofKind(layout, 'mtu')[0]?.mtu;

test('addresses keep their length and their order, each once', (t) => {
  const layout = layoutNetwork(
    settings({ addresses: ['10.0.0.1/24', 'fd00::1/128', '10.0.0.1/24', '10.0.0.1/16'] }),
    facts(),
    null,
  );
  t.deepEqual(
    ofKind(layout, 'address').map((item) => item.address),
    ['10.0.0.1/24', 'fd00::1/128', '10.0.0.1/16'],
  );
});

test('an IPv6 address with two lengths is there once, with the last of them', (t) => {
  const layout = layoutNetwork(
    settings({ addresses: ['fd00::1/64', 'fd00::1/48'] }),
    facts(),
    null,
  );
  t.deepEqual(
    ofKind(layout, 'address').map((item) => item.address),
    ['fd00::1/48'],
  );
});

test('the MTU is 80 less than the path, 1420 without a path, or what the file says', (t) => {
  t.is(mtu(layoutNetwork(settings(), facts({ pathMtu: 9000 }), null)), 8920);
  t.is(mtu(layoutNetwork(settings(), facts({ pathMtu: null }), null)), 1420);
  t.is(mtu(layoutNetwork(settings({ mtu: 1300 }), facts(), null)), 1300);
});

test('a computed MTU is not below 1280 with IPv6, and a warning says what that costs', (t) => {
  const layout = layoutNetwork(
    settings({ addresses: ['fd00::1/64'] }),
    facts({ pathMtu: 1359 }),
    null,
  );
  t.is(mtu(layout), 1280);
  t.regex(layout.warnings[0]!, /1359.*fragmented/);
  const exact = layoutNetwork(
    settings({ addresses: ['fd00::1/64'] }),
    facts({ pathMtu: 1360 }),
    null,
  );
  t.is(mtu(exact), 1280);
  t.deepEqual(exact.warnings, []);
  t.is(
    mtu(layoutNetwork(settings({ addresses: ['10.0.0.1/24'] }), facts({ pathMtu: 1300 }), null)),
    1220,
  );
});

test('a configured MTU below 1280 takes IPv6 out and names what is lost', (t) => {
  const layout = layoutNetwork(
    settings({
      mtu: 1279,
      addresses: ['10.0.0.1/24', 'fd00::1/64'],
      allowedIps: ['::/0', '10.1.0.0/16'],
    }),
    facts(),
    null,
  );
  t.is(mtu(layout), 1279);
  t.deepEqual(
    ofKind(layout, 'address').map((item) => item.address),
    ['10.0.0.1/24'],
  );
  t.deepEqual(routes(layout), ['254: 10.1.0.0/16']);
  t.is(layout.fullTunnel, null);
  t.regex(layout.warnings[0]!, /1279.*fd00::1\/64, ::\/0/);
});

test('without IPv6 in the system IPv6 is left out with a warning', (t) => {
  const layout = layoutNetwork(
    settings({ addresses: ['fd00::1/64'], allowedIps: ['0.0.0.0/0', '::/0'] }),
    facts({ ipv6: false }),
    null,
  );
  t.false(layout.items.some((item) => 'family' in item && item.family === 6));
  t.is(layout.warnings.length, 1);
  t.deepEqual(
    layoutNetwork(settings({ addresses: ['10.0.0.1/24'] }), facts({ ipv6: false }), null).warnings,
    [],
  );
});

test('routes are the allowed-IPs, the longest first, each once', (t) => {
  const layout = layoutNetwork(
    settings({
      allowedIps: [
        '10.0.0.0/8',
        '10.1.0.0/16',
        '10.1.2.3/32',
        '10.1.0.0/16',
        'fd00::/8',
        'fd00::1/128',
      ],
    }),
    facts(),
    null,
  );
  t.deepEqual(routes(layout), [
    '254: 10.1.2.3/32 10.1.0.0/16 10.0.0.0/8',
    '254: fd00::1/128 fd00::/8',
  ]);
});

test("a route that an address's own route covers is not added", (t) => {
  const layout = layoutNetwork(
    settings({
      addresses: ['10.0.0.1/24', '10.9.9.9/32', 'fd00::1/64', 'fd01::1/128'],
      allowedIps: [
        '10.0.0.2/32',
        '10.0.0.0/24',
        '10.0.0.0/23',
        '10.9.9.9/32',
        'fd00::2/128',
        'fd01::1/128',
        'fd01::2/128',
      ],
    }),
    facts(),
    null,
  );
  // A /32 makes no route in the main table, a /128 does.
  t.deepEqual(routes(layout), ['254: 10.9.9.9/32 10.0.0.0/23', '254: fd01::2/128']);
});

test('Table = off adds no route and no rule, even for default routes', (t) => {
  const layout = layoutNetwork(
    settings({ table: { kind: 'off' }, allowedIps: ['0.0.0.0/0', '10.0.0.0/8'] }),
    facts(),
    null,
  );
  t.deepEqual(
    layout.items.map(({ kind }) => kind),
    ['mtu', 'linkUp'],
  );
  t.is(layout.mark, 0);
});

for (const [id, number] of [
  ['vpn', '100'],
  ['123', '123'],
  ['0x10', '16'],
  ['unknown', 'unknown'],
] as const)
  test(`Table = ${id} takes every route as it is, covered and default ones too`, (t) => {
    const layout = layoutNetwork(
      settings({
        table: { kind: 'table', id },
        addresses: ['10.0.0.1/24'],
        allowedIps: ['0.0.0.0/0', '10.0.0.2/32'],
      }),
      facts(),
      null,
    );
    t.deepEqual(routes(layout), [`${number}: 10.0.0.2/32 0.0.0.0/0`]);
    t.deepEqual(ofKind(layout, 'rule'), []);
    t.deepEqual(ofKind(layout, 'firewall'), []);
    t.is(layout.fullTunnel, null);
  });

test('a default route goes into a table of its own with both rules, A before B', (t) => {
  const layout = layoutNetwork(
    settings({ allowedIps: ['0.0.0.0/0', '10.0.0.0/8'] }),
    facts(),
    null,
  );
  t.deepEqual(routes(layout), ['254: 10.0.0.0/8', '51820: 0.0.0.0/0']);
  t.deepEqual(
    ofKind(layout, 'rule').map((item) => item.rule),
    [
      { rule: 'suppressMainDefault', priority: 32764 },
      { rule: 'unmarkedToTable', priority: 32765, mark: 51820, table: '51820' },
    ],
  );
  t.is(layout.mark, 51820);
  t.is(ofKind(layout, 'validMark').length, 1);
});

test('each family is full for itself; only IPv4 needs src_valid_mark', (t) => {
  const six = layoutNetwork(
    settings({ allowedIps: ['::/0'], addresses: ['10.0.0.1/24', 'fd00::1/64'] }),
    facts(),
    null,
  );
  t.deepEqual(
    ofKind(six, 'rule').map((item) => item.family),
    [6, 6],
  );
  t.deepEqual(ofKind(six, 'validMark'), []);
  t.deepEqual(
    ofKind(six, 'firewall').map(({ family, addresses }) => [family, addresses]),
    [[6, ['fd00::1']]],
  );
  const both = layoutNetwork(settings({ allowedIps: ['0.0.0.0/0', '::/0'] }), facts(), null);
  t.deepEqual(
    ofKind(both, 'rule').map((item) => item.family),
    [4, 4, 6, 6],
  );
});

test('two halves of the address space are ordinary routes, as with wg-quick', (t) => {
  const layout = layoutNetwork(
    settings({ allowedIps: ['0.0.0.0/1', '128.0.0.0/1'] }),
    facts(),
    null,
  );
  t.deepEqual(routes(layout), ['254: 0.0.0.0/1 128.0.0.0/1']);
  t.is(layout.fullTunnel, null);
});

test("the file's mark is the table's number", (t) => {
  const layout = layoutNetwork(
    settings({ fwmark: 0x1234, allowedIps: ['0.0.0.0/0'] }),
    facts(),
    null,
  );
  t.deepEqual(routes(layout), ['4660: 0.0.0.0/0']);
  t.is(layout.mark, 0x1234);
  t.false(layout.fullTunnel!.automaticMark);
  t.is(layoutNetwork(settings({ fwmark: 7, allowedIps: ['10.0.0.0/8'] }), facts(), null).mark, 7);
});

const before = (...extra: ReturnType<typeof rule>[]) =>
  facts({
    rules: { 4: [STANDARD_RULES[0]!, ...extra, ...STANDARD_RULES.slice(1)], 6: STANDARD_RULES },
  });

const priorities = (ruleFacts: ReturnType<typeof facts>): number[] =>
  ofKind(layoutNetwork(settings({ allowedIps: ['0.0.0.0/0'] }), ruleFacts, null), 'rule').map(
    (item) => item.rule.priority,
  );

test("the administrator's rules for something in particular keep their precedence", (t) => {
  t.deepEqual(
    priorities(before(rule({ priority: 100, source: '10.0.0.0/8', table: '100' }))),
    [32764, 32765],
  );
  t.deepEqual(
    priorities(before(rule({ priority: 32764, mark: { value: 1, mask: 255 }, table: '7' }))),
    [32764, 32765],
  );
  t.deepEqual(
    priorities(before(rule({ priority: 32765, other: true, table: '7' }))),
    [32765, 32765],
  );
});

test('the rules go before any rule that catches everything', (t) => {
  t.deepEqual(priorities(before(rule({ priority: 5270, table: '52' }))), [5268, 5269]);
  t.deepEqual(
    priorities(before(rule({ priority: 1000, negated: true, source: '10.0.0.0/8', table: '52' }))),
    [998, 999],
  );
  t.deepEqual(priorities(before(rule({ priority: 1, table: '52' }))), [1, 1]);
});

test('the newest of several full tunnels wins', (t) => {
  const others = before(
    rule({ priority: 32764, table: '254', suppressPrefixLength: 0 }),
    rule({
      priority: 32765,
      negated: true,
      mark: { value: 51820, mask: 0xffffffff },
      table: '51820',
    }),
  );
  t.deepEqual(priorities(others), [32762, 32763]);
});

test('mark, table and priorities stay over a reload while the tunnel is full', (t) => {
  const first = layoutNetwork(settings({ allowedIps: ['0.0.0.0/0'] }), facts(), null);
  const now = { ...before(rule({ priority: 9, table: '9' })), freeTable: 51821 };
  const second = layoutNetwork(settings({ allowedIps: ['0.0.0.0/0', '10.0.0.0/8'] }), now, first);
  t.deepEqual(second.fullTunnel, first.fullTunnel);
  const ended = layoutNetwork(settings({ allowedIps: ['10.0.0.0/8'] }), now, first);
  t.is(layoutNetwork(settings({ allowedIps: ['0.0.0.0/0'] }), now, ended).mark, 51821);
});

test('a mark that the file no longer sets is not kept', (t) => {
  const first = layoutNetwork(settings({ fwmark: 99, allowedIps: ['0.0.0.0/0'] }), facts(), null);
  t.is(layoutNetwork(settings({ allowedIps: ['0.0.0.0/0'] }), facts(), first).mark, 51820);
});

test('without a firewall tool there is a warning and no table', (t) => {
  const layout = layoutNetwork(
    settings({ allowedIps: ['0.0.0.0/0'] }),
    facts({ firewallTool: null }),
    null,
  );
  t.deepEqual(ofKind(layout, 'firewall'), []);
  t.is(ofKind(layout, 'validMark').length, 1);
  t.regex(layout.warnings[0]!, /rp_filter/);
});

const dns = (short: Parameters<typeof settings>[0], tool = facts().dnsTool) => {
  const layout = layoutNetwork(settings(short), facts({ dnsTool: tool }), null);
  return { item: ofKind(layout, 'dns')[0] ?? null, warnings: layout.warnings };
};

test('DNS needs a server: search domains alone set nothing', (t) => {
  t.is(dns({}).item, null);
  t.is(dns({ search: ['corp.example'] }).item, null);
});

test('all questions go to the servers of a full tunnel, and where there are no search domains', (t) => {
  t.true(dns({ dns: ['10.0.0.53'] }).item!.allDomains);
  t.true(dns({ dns: ['10.0.0.53'], search: ['a'], allowedIps: ['::/0'] }).item!.allDomains);
  t.false(dns({ dns: ['10.0.0.53'], search: ['a'], allowedIps: ['10.0.0.0/8'] }).item!.allDomains);
});

test("resolvconf's record carries the prefix of its interface order", (t) => {
  t.is(
    dns({ dns: ['fd00::53'] }, { kind: 'resolvconf', recordPrefix: 'tun.' }).item!.record,
    'tun.wg0',
  );
});

test('without any DNS tool there is one warning with the servers, and no item', (t) => {
  const { item, warnings } = dns({ dns: ['10.0.0.53', 'fd00::53'] }, { kind: 'none' });
  t.is(item, null);
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /10\.0\.0\.53, fd00::53.*openresolv/);
});

test('DNS comes after routes and rules, addresses after the MTU and before the link is up', (t) => {
  const layout = layoutNetwork(
    settings({ addresses: ['10.0.0.1/24'], allowedIps: ['0.0.0.0/0'], dns: ['10.0.0.53'] }),
    facts(),
    null,
  );
  t.deepEqual(
    layout.items.map(({ kind }) => kind),
    ['mtu', 'address', 'linkUp', 'validMark', 'firewall', 'routes', 'rule', 'rule', 'dns'],
  );
});
