// Which changes cut off the session that they are called from. SPEC.md 8.7.
import test from 'ava';
import type { Route, Rule } from '../../../src/platform/network/ipJson.js';
import { layoutNetwork, type Layout } from '../../../src/platform/network/layout.js';
import {
  judgeLockout,
  lockoutError,
  type SessionFacts,
} from '../../../src/platform/network/lockout.js';
import { outgoingPacket } from '../../../src/platform/network/routeDecision.js';
import { STANDARD_RULES, facts, rule, settings, type ShortSettings } from './fixtures.js';

const route = (prefix: string, device: string, table = '254'): Route => ({
  prefix,
  table,
  type: 'unicast',
  devices: [device],
  metric: 0,
  mtu: null,
});

interface Machine {
  readonly client?: string;
  readonly server?: string;
  readonly rules?: readonly Rule[];
  readonly routes?: readonly Route[];
  readonly device?: string;
}

function session(machine: Machine = {}): SessionFacts {
  const { client = '203.0.113.7', server = '192.0.2.1' } = machine;
  return {
    session: { client, server, serverPort: 22 },
    packet: outgoingPacket(server, client)!,
    tables: {
      rules: machine.rules ?? STANDARD_RULES,
      routes: machine.routes ?? [route('0.0.0.0/0', 'eth0'), route('192.0.2.0/24', 'eth0')],
    },
    device: machine.device ?? 'eth0',
  };
}

const layout = (short: ShortSettings, rules: readonly Rule[] = STANDARD_RULES): Layout =>
  layoutNetwork(settings(short), facts({ rules: { 4: rules, 6: rules } }), null);

const up = (machine: SessionFacts, short: ShortSettings): string => {
  const after = layout(short, machine.tables.rules);
  const verdict = judgeLockout(machine, { interfaceName: 'wg0', before: null, after });
  return verdict.kind === 'cut' ? verdict.by : 'safe';
};

test('a full tunnel takes a client beyond the default route', (t) => {
  t.regex(up(session(), { allowedIps: ['0.0.0.0/0'] }), /0\.0\.0\.0\/0 leads into wg0/);
  t.regex(
    up(session(), { allowedIps: ['0.0.0.0/1', '128.0.0.0/1'] }),
    /128\.0\.0\.0\/1 leads into wg0/,
  );
});

test('a full tunnel leaves a client on the local network alone', (t) => {
  t.is(up(session({ client: '192.0.2.9' }), { allowedIps: ['0.0.0.0/0'] }), 'safe');
  const behindRoute = [route('0.0.0.0/0', 'eth0'), route('203.0.113.0/24', 'eth1')];
  t.is(up(session({ routes: behindRoute, device: 'eth1' }), { allowedIps: ['0.0.0.0/0'] }), 'safe');
});

test('a full tunnel of the other family is none of its business', (t) => {
  t.is(up(session(), { allowedIps: ['::/0'] }), 'safe');
  const six = session({
    client: '2001:db8:9::7',
    server: '2001:db8::1',
    routes: [route('::/0', 'eth0')],
  });
  t.is(up(six, { allowedIps: ['0.0.0.0/0'] }), 'safe');
  t.not(up(six, { allowedIps: ['::/0'] }), 'safe');
});

test('allowed-IPs take the client if they are longer than its present route', (t) => {
  t.not(up(session(), { allowedIps: ['203.0.113.0/24'] }), 'safe');
  t.is(up(session(), { allowedIps: ['203.0.112.0/24'] }), 'safe');
  t.not(up(session({ client: '192.0.2.9' }), { allowedIps: ['192.0.2.9/32'] }), 'safe');
  t.is(up(session({ client: '192.0.2.9' }), { allowedIps: ['192.0.0.0/16'] }), 'safe');
});

test('the route that an address brings with it counts too', (t) => {
  t.not(up(session(), { addresses: ['203.0.113.200/24'] }), 'safe');
  t.is(up(session(), { addresses: ['203.0.113.200/32'] }), 'safe');
});

test('Table = off, or a table that no rule names, takes nothing', (t) => {
  t.is(up(session(), { table: { kind: 'off' }, allowedIps: ['0.0.0.0/0'] }), 'safe');
  t.is(up(session(), { table: { kind: 'table', id: '77' }, allowedIps: ['0.0.0.0/0'] }), 'safe');
});

test('a table that a rule names takes the client', (t) => {
  const rules = [
    STANDARD_RULES[0]!,
    rule({ priority: 50, table: '77' }),
    ...STANDARD_RULES.slice(1),
  ];
  t.not(
    up(session({ rules }), { table: { kind: 'table', id: '77' }, allowedIps: ['0.0.0.0/0'] }),
    'safe',
  );
});

test("the remedy works: a rule for the server's address", (t) => {
  const rules = [
    STANDARD_RULES[0]!,
    rule({ priority: 100, source: '192.0.2.1/32', table: '254' }),
    ...STANDARD_RULES.slice(1),
  ];
  t.is(up(session({ rules }), { allowedIps: ['0.0.0.0/0'] }), 'safe');
  const text = lockoutError(session().session, 'x', 'wg0').message;
  t.regex(text, /PreUp = ip rule add from 192\.0\.2\.1 table main priority 100/);
  t.regex(text, /--force/);
});

test('where a rule is not understood, any new route that holds the client counts', (t) => {
  const rules = [
    STANDARD_RULES[0]!,
    rule({ priority: 100, other: true, table: '9' }),
    ...STANDARD_RULES.slice(1),
  ];
  t.regex(up(session({ rules }), { allowedIps: ['0.0.0.0/0'] }), /may lead/);
  t.is(up(session({ rules }), { allowedIps: ['10.0.0.0/8'] }), 'safe');
  t.regex(up(session({ device: 'eth9' }), { allowedIps: ['0.0.0.0/0'] }), /may lead/);
});

const FULL: ShortSettings = { addresses: ['10.0.0.1/24'], allowedIps: ['0.0.0.0/0'] };
const inside = session({
  client: '10.0.0.7',
  server: '10.0.0.1',
  routes: [route('0.0.0.0/0', 'eth0'), route('10.0.0.0/24', 'wg0')],
  device: 'wg0',
});

test('taking the tunnel down cuts a session that runs through it, and no other', (t) => {
  const before = layout(FULL);
  const down = (machine: SessionFacts) =>
    judgeLockout(machine, { interfaceName: 'wg0', before, after: null }).kind;
  t.is(down(inside), 'cut');
  t.is(down(session({ client: '192.0.2.9' })), 'safe');
});

test('a reload that takes away the address or the route of a session inside cuts it', (t) => {
  const before = layout(FULL);
  const reload = (short: ShortSettings) =>
    judgeLockout(inside, {
      interfaceName: 'wg0',
      before,
      after: layoutNetwork(settings(short), facts(), before),
    });
  t.is(reload(FULL).kind, 'safe');
  t.is(reload({ ...FULL, allowedIps: ['10.0.0.0/24'] }).kind, 'safe');
  t.deepEqual(reload({ ...FULL, addresses: ['10.0.0.2/24'] }), {
    kind: 'cut',
    by: 'the address 10.0.0.1 goes away',
  });
  t.is(reload({ addresses: ['10.0.0.1/32'], allowedIps: ['10.1.0.0/16'] }).kind, 'cut');
});

test('a reload that makes the tunnel full cuts a session outside', (t) => {
  const before = layout({ allowedIps: ['10.0.0.0/8'] });
  const after = layoutNetwork(settings(FULL), facts(), before);
  t.is(judgeLockout(session(), { interfaceName: 'wg0', before, after }).kind, 'cut');
  t.is(
    judgeLockout(session({ client: '192.0.2.9' }), { interfaceName: 'wg0', before, after }).kind,
    'safe',
  );
});
