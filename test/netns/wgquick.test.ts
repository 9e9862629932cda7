// The same file through wg-quick and through Beam: the same addresses, routes, rules, MTU and mark.
// SPEC.md 8. Where they differ on purpose SPEC.md says so, and the files here keep clear of it.
import { spawnSync } from 'node:child_process';
import { LifecycleProcess, picture } from '../support/lifecycle.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { daemonCommand, newKeyPair } from '../support/netnsTunnel.js';

const keys = newKeyPair();
const peers = [newKeyPair().publicKey, newKeyPair().publicKey];

interface Case {
  readonly what: string;
  readonly settings: string;
  readonly allowedIps: readonly string[];
  readonly endpoint?: string;
}

const CASES: readonly Case[] = [
  {
    what: 'networks of both families',
    settings: 'Address = 10.0.0.1/24, fd00::1/64',
    allowedIps: [
      '10.0.0.2/32, 10.1.0.0/16, fd00::2/128, fd01::/64',
      '10.2.0.0/16, 10.1.5.0/24, 10.1.5.7/32',
    ],
  },
  {
    what: 'addresses without a length, and prefixes with bits past theirs',
    settings: 'Address = 10.0.0.1\nAddress = fd00::1, 10.3.0.1/16',
    allowedIps: ['10.0.0.1/32, 10.0.0.99/24, fd00::1/128, fd00::/64', '10.3.7.7/20'],
  },
  {
    what: 'a full tunnel of IPv4',
    settings: 'Address = 10.0.0.1/24',
    allowedIps: ['0.0.0.0/0', '10.9.0.0/16'],
  },
  { what: 'a full tunnel of IPv6', settings: 'Address = fd00::1/64', allowedIps: ['::/0'] },
  {
    what: 'a full tunnel of both families, with a mark',
    settings: 'Address = 10.0.0.1/24, fd00::1/64\nFwMark = 0x1234',
    allowedIps: ['0.0.0.0/0, ::/0', '192.168.77.0/24'],
  },
  {
    what: 'a table of its own, default routes too',
    settings: 'Address = 10.0.0.1/24\nTable = 123',
    allowedIps: ['0.0.0.0/0, ::/0, 10.0.0.2/32'],
  },
  {
    what: 'no routes',
    settings: 'Address = 10.0.0.1/24\nTable = off',
    allowedIps: ['0.0.0.0/0, 10.0.0.2/32'],
  },
  {
    what: 'the address space in two halves',
    settings: 'Address = 10.0.0.1/32',
    allowedIps: ['0.0.0.0/1, 128.0.0.0/1', '::/1, 8000::/1'],
  },
  {
    what: 'an MTU',
    settings: 'Address = 10.0.0.1/24, fd00::1/64\nMTU = 1312',
    allowedIps: ['10.0.0.0/24'],
  },
  {
    what: "the MTU of the endpoint's interface",
    settings: 'Address = 10.0.0.1/24',
    allowedIps: ['10.0.0.0/24'],
    endpoint: '192.0.2.9:51820',
  },
  {
    what: "the MTU of the endpoint's route",
    settings: 'Address = 10.0.0.1/24',
    allowedIps: ['10.0.0.0/24'],
    endpoint: '[2001:db8:77::9]:51820',
  },
  { what: 'nothing but a key', settings: '', allowedIps: [] },
];

function text({ settings, allowedIps, endpoint }: Case): string {
  const sections = allowedIps.map(
    (list, i) =>
      `\n[Peer]\nPublicKey = ${peers[i]!}\nAllowedIPs = ${list}\n${endpoint === undefined ? '' : `Endpoint = ${endpoint}\n`}`,
  );
  return `[Interface]\nPrivateKey = ${keys.privateKey}\nListenPort = 40404\n${settings}\n${sections.join('')}`;
}

/** A machine whose wire has an MTU of 1450, with a route that has one of 1400. */
async function machine(net: Network): Promise<Namespace> {
  const [m, other] = [await net.namespace('m'), await net.namespace('o')];
  await net.link(
    { namespace: m, device: 'lan', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
    { namespace: other, device: 'lan', addresses: ['192.0.2.254/24', '2001:db8::fe/64'] },
    1450,
  );
  await m.run('ip', 'route', 'add', 'default', 'via', '192.0.2.254');
  await m.run('ip', '-6', 'route', 'add', '2001:db8:77::/64', 'via', '2001:db8::fe', 'mtu', '1400');
  return m;
}

const QUERIES = [
  ['-4', 'address', 'show', 'dev'],
  ['-6', 'address', 'show', 'dev'],
  ['-4', 'route', 'show', 'table', 'all', 'dev'],
  ['-6', 'route', 'show', 'table', 'all', 'dev'],
];

/** What the tunnel is, as far as both must agree: the index and the made-up link-local address differ. */
async function likeness(m: Namespace, name: string): Promise<string> {
  const parts: string[] = [];
  for (const query of QUERIES) parts.push(await m.run('ip', ...query, name));
  for (const family of ['-4', '-6']) parts.push(await m.run('ip', family, 'rule'));
  parts.push(await m.run('wg', 'show', name, 'fwmark'));
  parts.push(await m.run('wg', 'show', name, 'listen-port'));
  parts.push(
    (await m.run('wg', 'show', name, 'allowed-ips'))
      .split('\n')
      .map((line) => line.split(/\s/).sort().join(' '))
      .sort()
      .join('\n'),
  );
  parts.push(await m.run('sysctl', 'net.ipv4.conf.all.src_valid_mark'));
  return parts
    .join('')
    .split('\n')
    .filter((line) => !/fe80::|ff00::|valid_lft/.test(line))
    .map((line) => line.replace(/^\d+: /, ''))
    .join('\n');
}

const missing = (): string | null =>
  ['wg-quick', 'wireguard-go']
    .find((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
    ?.concat(' is not installed') ?? null;

for (const example of CASES)
  namespaceTest(
    `${example.what}: Beam does what wg-quick does`,
    async (t, net) => {
      const m = await machine(net);
      const before = await picture(m);
      const name = net.newInterfaceName();
      const file = net.file(`${name}.conf`, text(example));
      const env = { WG_QUICK_USERSPACE_IMPLEMENTATION: daemonCommand('wireguard-go') };
      await m.runWith({ env }, 'wg-quick', 'up', file);
      const theirs = await likeness(m, name);
      await m.runWith({ env }, 'wg-quick', 'down', file);
      // wg-quick leaves the setting behind.
      await m.sysctl('net.ipv4.conf.all.src_valid_mark', 0);
      const agent = LifecycleProcess.start(net, m, {
        interfaceName: name,
        config: text(example),
        device: 'engine',
      });
      t.deepEqual(await agent.next(), { event: 'up' });
      t.deepEqual(agent.warnings, []);
      t.is(await likeness(m, name), theirs);
      await agent.tell('down');
      t.is(await picture(m), before);
    },
    { unless: missing },
  );
