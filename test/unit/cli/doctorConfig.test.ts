// The questions of `beam doctor` about a tunnel's configuration, from made-up facts. SPEC.md 9.5.
import test from 'ava';
import { parsePrefix } from '../../../src/base/ip.js';
import {
  contains,
  fullFamilies,
  judgeConfig,
  judgeForwarding,
  judgeMtu,
  judgeOverlap,
  judgeOwnKey,
  judgePermissions,
  judgePort,
  judgeReversePath,
  type PathFacts,
  type PermissionFacts,
} from '../../../src/cli/doctor/configChecks.js';
import { judgeEndpoint } from '../../../src/cli/doctor/endpointChecks.js';
import { parseTunnelConfig } from '../../../src/config/file/parseTunnelConfig.js';
import type { TunnelConfig } from '../../../src/config/tunnelConfig.js';

/** Any 32 bytes are a public key. */
const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64');

function tunnel(settings: string, ...peers: readonly string[]): TunnelConfig {
  const sections = peers.map((peer, i) => `[Peer]\nPublicKey = ${key(i + 1)}\n${peer}\n`);
  const text = `[Interface]\n${settings}\n${sections.join('')}`;
  const parsed = parseTunnelConfig(text, { file: 'beam0.conf', name: 'beam0' });
  if (parsed.kind === 'refused') throw new AggregateError(parsed.errors, parsed.errors.join('\n'));
  return parsed.config;
}

test('config: each mistake of a file is a failure with its line and remedy', (t) => {
  t.is(judgeConfig('/a.conf', { kind: 'parses', notices: 0 })[0]!.level, 'ok');
  t.regex(judgeConfig('/a.conf', { kind: 'parses', notices: 1 })[0]!.finding, /config check/);
  const error = { code: 'E_CONFIG_KEY', expected: 'x', found: 'y', remedy: 'z' } as const;
  const checks = judgeConfig('/a.conf', {
    kind: 'refused',
    errors: [
      { ...error, place: '/a.conf:7' },
      { ...error, place: '/a.conf' },
    ],
  });
  t.deepEqual(
    checks.map(({ level, finding, remedy }) => [level, finding, remedy]),
    [
      ['fail', 'is refused at line 7: E_CONFIG_KEY, expected x, found y', 'z'],
      ['fail', 'is refused: E_CONFIG_KEY, expected x, found y', 'z'],
    ],
  );
});

test('permissions: a readable file with a key warns, an open key file fails', (t) => {
  const closed = { path: '/a.conf', worldAccessible: false, holdsKeys: true, keyFile: null };
  const levels = (facts: Partial<PermissionFacts>): string[] =>
    judgePermissions({ ...closed, ...facts }).map(({ level }) => level);
  t.deepEqual(levels({}), ['ok']);
  t.deepEqual(levels({ worldAccessible: true }), ['warn']);
  t.deepEqual(levels({ worldAccessible: true, holdsKeys: false }), ['ok']);
  t.deepEqual(levels({ keyFile: { path: '/key', tooOpen: false } }), ['ok', 'ok']);
  t.deepEqual(levels({ keyFile: { path: '/key', tooOpen: true } }), ['ok', 'fail']);
});

const OFF = { ipv4: false, ipv6: false };

test('forwarding: not needed for single addresses of the own network', (t) => {
  const hub = tunnel(
    'Address = 10.0.0.1/24',
    'AllowedIPs = 10.0.0.2/32',
    'AllowedIPs = 10.0.0.3/32',
  );
  t.is(judgeForwarding('beam0', hub, OFF).finding, 'needs no forwarding');
});

test('forwarding: warns where a hub routes a network, an address elsewhere or a default route', (t) => {
  for (const prefix of ['192.168.5.0/24', '192.168.5.7/32', '0.0.0.0/0', '10.0.0.0/25']) {
    const hub = tunnel(
      'Address = 10.0.0.1/24\nListenPort = 51820',
      'AllowedIPs = 10.0.0.200/32',
      `AllowedIPs = ${prefix}`,
    );
    t.is(judgeForwarding('beam0', hub, OFF).level, 'warn', prefix);
    t.is(judgeForwarding('beam0', hub, { ...OFF, ipv4: true }).level, 'ok', prefix);
  }
});

test('forwarding: each family has a setting of its own', (t) => {
  const hub = tunnel('Address = fd00::1/64\nListenPort = 51820', 'AllowedIPs = fd05::/64');
  t.is(judgeForwarding('beam0', hub, { ipv4: false, ipv6: true }).level, 'ok');
  const check = judgeForwarding('beam0', hub, { ipv4: true, ipv6: false });
  t.is(check.level, 'warn');
  t.is(check.remedy, 'sysctl -w net.ipv6.conf.all.forwarding=1');
});

test('forwarding: a client of one peer is told, not warned', (t) => {
  const peer = 'Endpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0';
  const check = judgeForwarding('beam0', tunnel('Address = 10.0.0.2/32', peer), OFF);
  t.is(check.level, 'ok');
  t.regex(check.finding, /client/);
});

const REVERSE_PATH = {
  strict: ['eth0'],
  srcValidMark: false,
  running: true,
  writable: true,
  firewall: true,
};
const FULL = tunnel('Address = 10.0.0.2/32', 'AllowedIPs = 0.0.0.0/0, ::/0');

test('reversePath: warns where a strict filter meets a full tunnel without src_valid_mark', (t) => {
  const level = (facts: Partial<typeof REVERSE_PATH>): string =>
    judgeReversePath('beam0', FULL, { ...REVERSE_PATH, ...facts }).level;
  t.is(level({}), 'warn');
  t.is(level({ srcValidMark: true }), 'ok');
  t.is(level({ strict: [] }), 'ok');
  t.is(level({ running: false }), 'ok');
  t.is(level({ running: false, writable: false }), 'warn');
  t.is(level({ srcValidMark: true, firewall: false }), 'warn');
});

test('reversePath: concerns IPv4 default routes that Beam sets alone', (t) => {
  for (const config of [
    tunnel('Table = off', 'AllowedIPs = 0.0.0.0/0'),
    tunnel('Address = fd00::2/128', 'AllowedIPs = ::/0'),
    tunnel('Address = 10.0.0.2/32', 'AllowedIPs = 0.0.0.0/1, 128.0.0.0/1'),
  ]) {
    t.is(judgeReversePath('beam0', config, REVERSE_PATH).level, 'ok');
  }
  t.deepEqual(fullFamilies(FULL), [4, 6]);
});

test('port: fails where another has it, and names the other', (t) => {
  t.is(judgePort('beam0', null, { kind: 'ours' }).level, 'ok');
  t.is(judgePort('beam0', 51820, { kind: 'free' }).level, 'ok');
  t.is(judgePort('beam0', 51820, { kind: 'ours' }).level, 'ok');
  const taken = judgePort('beam0', 51820, { kind: 'taken', owner: 'nc (pid 7)' });
  t.like(taken, { level: 'fail', finding: 'finds its listen port 51820 taken by nc (pid 7)' });
  const unseen = judgePort('beam0', 51820, { kind: 'taken', owner: null });
  t.like(unseen, { level: 'fail', finding: 'finds its listen port 51820 taken' });
  t.is(judgePort('beam0', 80, { kind: 'refused', errno: 'EACCES' }).level, 'fail');
});

test('mtu: a packet fits up to the last byte: 60 more over IPv4, 80 over IPv6', (t) => {
  const path = (family: 4 | 6, pathMtu: number | null): PathFacts[] => [
    { endpoint: 'peer:1', family, pathMtu },
  ];
  t.is(judgeMtu('beam0', 1440, path(4, 1500)).level, 'ok');
  t.is(judgeMtu('beam0', 1441, path(4, 1500)).level, 'warn');
  t.is(judgeMtu('beam0', 1420, path(6, 1500)).level, 'ok');
  t.is(judgeMtu('beam0', 1421, path(6, 1500)).level, 'warn');
  t.is(judgeMtu('beam0', 9000, path(4, null)).level, 'ok');
  t.is(judgeMtu('beam0', 9000, []).level, 'ok');
  t.is(judgeMtu('beam0', null, path(4, 576)).level, 'ok');
});

test('mtu: the narrowest path decides what is proposed', (t) => {
  const check = judgeMtu('beam0', 1420, [
    { endpoint: 'wide:1', family: 4, pathMtu: 1450 },
    { endpoint: 'narrow:1', family: 6, pathMtu: 1400 },
  ]);
  t.regex(check.finding, /narrow:1/);
  t.regex(check.remedy!, /MTU = 1320/);
});

test('overlap: warns of a prefix inside another peer, not inside its own', (t) => {
  const level = (...peers: string[]): string =>
    judgeOverlap('beam0', tunnel('', ...peers).peers).level;
  t.is(level('AllowedIPs = 10.0.0.0/24', 'AllowedIPs = 10.0.1.0/24'), 'ok');
  t.is(level('AllowedIPs = 10.0.0.0/8, 10.1.0.0/16', 'AllowedIPs = fd00::/8'), 'ok');
  t.is(level('AllowedIPs = 10.1.0.0/16', 'AllowedIPs = 10.0.0.0/8'), 'warn');
  t.is(level('AllowedIPs = ::/0', 'AllowedIPs = fd00::1/128'), 'warn');
  t.is(level('AllowedIPs = 0.0.0.0/0', 'AllowedIPs = fd00::1/128'), 'ok');
  t.is(level(), 'ok');
});

test('overlap: of many, three are named and the rest is counted', (t) => {
  const inner = [1, 2, 3, 4, 5].map((n) => `AllowedIPs = 10.0.0.${n}/32`);
  const check = judgeOverlap('beam0', tunnel('', 'AllowedIPs = 0.0.0.0/0', ...inner).peers);
  t.is(check.finding.split(' in 0.0.0.0/0').length - 1, 3);
  t.regex(check.finding, /, and 2 more$/);
});

test('a prefix contains itself and what is longer, in its own family', (t) => {
  const within = (outer: string, inner: string): boolean =>
    contains(parsePrefix(outer)!, parsePrefix(inner)!);
  t.true(within('10.0.0.0/8', '10.255.0.0/16'));
  t.true(within('10.0.0.0/8', '10.0.0.0/8'));
  t.false(within('10.0.0.0/16', '10.0.0.0/8'));
  t.false(within('10.0.0.0/8', '11.0.0.0/8'));
  t.false(within('0.0.0.0/0', '::/0'));
});

test("ownKey: fails where a peer has the tunnel's own public key", (t) => {
  const { peers } = tunnel('', 'AllowedIPs = 10.0.0.1/32', 'AllowedIPs = 10.0.0.2/32');
  t.is(judgeOwnKey('beam0', key(9), peers).level, 'ok');
  t.is(judgeOwnKey('beam0', null, peers).level, 'ok');
  const check = judgeOwnKey('beam0', key(2), peers);
  t.is(check.level, 'fail');
  t.regex(check.finding, /line 6/);
});

test('endpoints: fails without an address, warns without a route or with one into the tunnel', (t) => {
  const address = { address: '192.0.2.1', family: 4, device: 'eth0' } as const;
  const level = (addresses: readonly (typeof address | { device: string | null })[]): string =>
    judgeEndpoint('beam0', {
      endpoint: 'vpn.example.com:51820',
      lookUpFailure: null,
      addresses: addresses.map((one) => ({ ...address, ...one })),
    }).level;
  t.is(level([address]), 'ok');
  t.is(level([{ device: null }, address]), 'ok');
  t.is(level([{ device: null }]), 'warn');
  t.is(level([{ device: 'beam0' }, { device: null }]), 'warn');
  t.is(level([{ device: 'beam0' }, address]), 'ok');
  t.is(level([]), 'fail');
  const failed = { endpoint: 'nowhere:1', lookUpFailure: 'ENOTFOUND', addresses: [] };
  t.like(judgeEndpoint('beam0', failed), {
    level: 'fail',
    finding: 'cannot resolve nowhere:1: ENOTFOUND',
  });
});
