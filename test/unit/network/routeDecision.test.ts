// Policy routing on paper. test/netns/network.test.ts holds the same against the kernel.
import test from 'ava';
import type { Route, Rule } from '../../../src/platform/network/ipJson.js';
import { decideRoute, outgoingPacket } from '../../../src/platform/network/routeDecision.js';
import { STANDARD_RULES, rule } from './fixtures.js';

export const route = (prefix: string, device: string, fields: Partial<Route> = {}): Route => ({
  prefix,
  table: '254',
  type: 'unicast',
  devices: [device],
  metric: 0,
  mtu: null,
  ...fields,
});

const packet = outgoingPacket('192.0.2.1', '203.0.113.7')!;

const decide = (rules: readonly Rule[], routes: readonly Route[], to = packet): string => {
  const decision = decideRoute({ rules, routes }, to);
  return decision.kind === 'leaves'
    ? `${decision.devices.join()} ${decision.prefix}`
    : decision.kind;
};

const withRules = (...rules: Rule[]): Rule[] =>
  [...STANDARD_RULES, ...rules].sort((a, b) => a.priority - b.priority);

const WORLD = route('0.0.0.0/0', 'eth0');

test('the longest prefix wins, then the lowest metric', (t) => {
  t.is(
    decide(STANDARD_RULES, [WORLD, route('203.0.113.0/24', 'eth1'), route('203.0.0.0/16', 'eth2')]),
    'eth1 203.0.113.0/24',
  );
  t.is(
    decide(STANDARD_RULES, [route('0.0.0.0/0', 'wlan0', { metric: 600 }), WORLD]),
    'eth0 0.0.0.0/0',
  );
});

test('without a route, or with one that refuses, nothing leaves', (t) => {
  t.is(decide(STANDARD_RULES, [route('10.0.0.0/8', 'eth0')]), 'refused');
  t.is(
    decide(STANDARD_RULES, [WORLD, route('203.0.113.0/24', '', { type: 'refuse', devices: [] })]),
    'refused',
  );
  t.is(decide([], [WORLD]), 'refused');
});

test('a suppressed default route and a throw route go on to the next rule', (t) => {
  const rules = withRules(
    rule({ priority: 32764, table: '254', suppressPrefixLength: 0 }),
    rule({ priority: 32765, negated: true, mark: { value: 9, mask: 0xffffffff }, table: '9' }),
  );
  const tunnel = route('0.0.0.0/0', 'wg0', { table: '9' });
  t.is(decide(rules, [WORLD, tunnel]), 'wg0 0.0.0.0/0');
  t.is(decide(rules, [WORLD, tunnel, route('203.0.113.0/24', 'eth0')]), 'eth0 203.0.113.0/24');
  const thrown = route('203.0.113.0/24', '', { table: '9', type: 'throw', devices: [] });
  t.is(decide(rules, [WORLD, tunnel, thrown]), 'eth0 0.0.0.0/0');
});

test('rules select by source, destination, mark and loopback, and may be negated', (t) => {
  const routes = [WORLD, route('0.0.0.0/0', 'x', { table: '9' })];
  const selected = (fields: Partial<Rule>): boolean =>
    decide(withRules(rule({ priority: 100, table: '9', ...fields })), routes).startsWith('x');
  t.true(selected({ source: '192.0.2.0/24' }));
  t.false(selected({ source: '192.0.2.2/32' }));
  t.true(selected({ destination: '203.0.113.7/32' }));
  t.false(selected({ source: '192.0.2.1/32', destination: '10.0.0.0/8' }));
  t.false(selected({ mark: { value: 1, mask: 0xffffffff } }));
  t.true(selected({ mark: { value: 0, mask: 0xff } }));
  t.true(selected({ inputInterface: 'lo' }));
  t.false(selected({ inputInterface: 'eth0' }));
  t.true(selected({ negated: true, source: '10.0.0.0/8' }));
  t.false(selected({ negated: true, source: '192.0.2.1/32' }));
  t.false(selected({ source: '2001:db8::/32' }));
});

test('a rule of an unknown kind makes the answer unknown only where it might apply', (t) => {
  const unknown = (fields: Partial<Rule>): string =>
    decide(withRules(rule({ priority: 100, table: '9', other: true, ...fields })), [WORLD]);
  t.is(unknown({}), 'unknown');
  t.is(unknown({ source: '10.0.0.0/8' }), 'eth0 0.0.0.0/0');
  t.is(unknown({ negated: true }), 'unknown');
  t.is(unknown({ negated: true, source: '10.0.0.0/8' }), 'eth0 0.0.0.0/0');
});

test('IPv6 is decided as IPv4', (t) => {
  const six = outgoingPacket('2001:db8::1', '2001:db8:1::7')!;
  t.is(
    decide(STANDARD_RULES, [route('::/0', 'eth0'), route('2001:db8:1::/48', 'eth1')], six),
    'eth1 2001:db8:1::/48',
  );
});

test('addresses of two families make no packet', (t) => {
  t.is(outgoingPacket('192.0.2.1', '2001:db8::1'), null);
  t.is(outgoingPacket('192.0.2.1', 'nonsense'), null);
});
