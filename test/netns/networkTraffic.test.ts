// Packets through and around a tunnel whose addresses, routes, rules and firewall Beam has made.
// SPEC.md 8.2 to 8.4.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LifecycleProcess, recover } from '../support/lifecycle.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { waitFor } from '../support/netnsProcess.js';
import { twoEnds } from '../support/netnsTopology.js';
import { ping, waitForPing } from '../support/netnsTraffic.js';
import { Tunnel, newKeyPair } from '../support/netnsTunnel.js';

/** wireguard-go in `b`, as a gateway to 198.51.100.1 and 2001:db8:ff::1, and Beam's key for it. */
async function gateway(
  net: Network,
  b: Namespace,
): Promise<{ readonly privateKey: string; readonly peer: string }> {
  const far = await Tunnel.start(net, { implementation: 'wireguard-go', namespace: b });
  const keys = newKeyPair();
  await far.setConfig({
    privateKey: far.keys.privateKey,
    listenPort: 51820,
    peers: [{ publicKey: keys.publicKey, allowedIps: ['10.99.0.1/32', 'fd99::1/128'] }],
  });
  await far.up(['10.99.0.2/24', 'fd99::2/64', '198.51.100.1/32', '2001:db8:ff::1/128'], 1420);
  return { privateKey: keys.privateKey, peer: far.keys.publicKey };
}

const full = (
  keys: { readonly privateKey: string; readonly peer: string },
  more = '',
): string => `[Interface]
PrivateKey = ${keys.privateKey}
Address = 10.99.0.1/24, fd99::1/64
${more}
[Peer]
PublicKey = ${keys.peer}
Endpoint = 192.0.2.2:51820
AllowedIPs = 0.0.0.0/0, ::/0
`;

namespaceTest(
  'a full tunnel carries both families under a strict reverse-path filter',
  async (t, net) => {
    const { a, b } = await twoEnds(net);
    const keys = await gateway(net, b);
    await a.run('ip', 'route', 'add', 'default', 'via', '192.0.2.2');
    // Beyond the default route: without its mark, what comes from there would have to come by the
    // tunnel.
    await b.addAddress('lo', '203.0.113.2/32');
    const config = full(keys).replace('192.0.2.2:51820', '203.0.113.2:51820');
    for (const device of ['all', 'default', 'wire0'])
      await a.sysctl(`net.ipv4.conf.${device}.rp_filter`, 1);
    const name = net.newInterfaceName();
    const agent = LifecycleProcess.start(net, a, {
      interfaceName: name,
      config,
      device: 'engine',
    });
    t.deepEqual(await agent.next(), { event: 'up' });
    await waitForPing(a, '198.51.100.1');
    t.is((await ping(a, '198.51.100.1', { count: 10 })).received, 10);
    t.is((await ping(a, '2001:db8:ff::1', { count: 10 })).received, 10);
    t.is((await ping(a, '192.0.2.2', { count: 3 })).received, 3, 'the wire itself stays reachable');
    await agent.tell('down');
    t.is(
      (await ping(a, '198.51.100.1', { count: 1, waitMs: 300 })).received,
      1,
      'by the wire again',
    );
  },
);

namespaceTest("marks of other software's connections are left alone", async (t, net) => {
  const { a, b } = await twoEnds(net);
  const keys = await gateway(net, b);
  await a.nft(`table inet other {
    counter kept { }
    chain early { type filter hook prerouting priority -200; udp dport 7777 meta mark set 0x77; }
    chain late { type filter hook prerouting priority -100; udp dport 7777 meta mark 0x77 counter name kept; }
  }`);
  const name = net.newInterfaceName();
  const agent = LifecycleProcess.start(net, a, {
    interfaceName: name,
    config: full(keys),
    device: 'engine',
  });
  t.is((await agent.next()).event, 'up');
  await b.run('bash', '-c', 'echo x > /dev/udp/192.0.2.1/7777');
  await waitFor('the mark is seen', async () => (await a.nftCounters('other'))['kept'] === 1);
  t.pass();
});

namespaceTest("a neighbour can't reach a full tunnel's addresses by the wire", async (t, net) => {
  const { a, b } = await twoEnds(net);
  const c = await net.namespace('c');
  await net.link(
    { namespace: a, device: 'lan0', addresses: ['203.0.113.1/24'] },
    { namespace: c, device: 'lan0', addresses: ['203.0.113.9/24'] },
  );
  await c.run('ip', 'route', 'add', '10.99.0.1', 'via', '203.0.113.1');
  const keys = await gateway(net, b);
  const name = net.newInterfaceName();
  const up = async (config: string): Promise<LifecycleProcess> => {
    const agent = LifecycleProcess.start(net, a, { interfaceName: name, config, device: 'engine' });
    t.is((await agent.next()).event, 'up');
    return agent;
  };
  const answered = async (): Promise<number> =>
    (await ping(c, '10.99.0.1', { count: 2, waitMs: 300 })).received;
  const ordinary = await up(full(keys).replace('0.0.0.0/0, ::/0', '10.99.0.2/32'));
  t.is(await answered(), 2, 'without the firewall table the address answers');
  await ordinary.tell('down');
  const agent = await up(full(keys));
  t.is(await answered(), 0);
  t.is((await ping(a, '10.99.0.1', { count: 2 })).received, 2, 'the machine itself reaches it');
  await waitForPing(a, '10.99.0.2');
  t.is((await ping(b, '10.99.0.1', { count: 2 })).received, 2, 'and so does the peer');
  await agent.tell('down');
});

/** A folder with a resolvconf that notes its calls, as the first of PATH. */
function fakeResolvconf(
  net: Network,
  status: number,
): { readonly env: NodeJS.ProcessEnv; readonly calls: () => string[] } {
  const folder = join(net.folder(), 'bin');
  const log = join(net.folder(), 'resolvconf.log');
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'resolvconf'),
    `#!/bin/sh\necho "$*" >> ${log}\nsed 's/^/  /' >> ${log}\nexit ${status}\n`,
  );
  chmodSync(join(folder, 'resolvconf'), 0o755);
  return {
    env: { PATH: `${folder}:${process.env['PATH']}` },
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []),
  };
}

const SPLIT = `[Interface]
PrivateKey = ${newKeyPair().privateKey}
Address = 10.0.0.1/24
DNS = 10.0.0.53, corp.example
`;
const GIVEN = [
  /^-a (\S+\.)?t0 -m 0 -x$/,
  /^ {2}nameserver 10\.0\.0\.53$/,
  /^ {2}search corp\.example$/,
];
const TAKEN = /^-d (\S+\.)?t0 -f$/;

/** Only where nothing else on the machine would be taken for its DNS. */
const resolvectlIsHere = (): string | null =>
  ['/usr/bin/resolvectl', '/bin/resolvectl'].some(existsSync)
    ? 'resolvectl is installed here'
    : null;

async function withTun(net: Network): Promise<Namespace> {
  const m = await net.namespace('m');
  await m.run('ip', 'tuntap', 'add', 'mode', 'tun', 'name', 't0');
  return m;
}

namespaceTest(
  'DNS is given to resolvconf, and taken back by down and after kill -9',
  async (t, net) => {
    const m = await withTun(net);
    const { env, calls } = fakeResolvconf(net, 0);
    const resolvConf = readFileSync('/etc/resolv.conf');
    const start = (): LifecycleProcess =>
      LifecycleProcess.start(net, m, { interfaceName: 't0', config: SPLIT, env });
    const first = start();
    t.is((await first.next()).event, 'up');
    for (const [i, pattern] of GIVEN.entries()) t.regex(calls()[i]!, pattern);
    await first.tell('down');
    t.regex(calls()[3]!, TAKEN);
    const second = start();
    t.is((await second.next()).event, 'up');
    await second.kill();
    t.is(calls().length, 7);
    const third = start();
    t.is((await third.next()).event, 'up');
    t.regex(calls()[7]!, TAKEN, 'before DNS is given anew');
    await third.tell('down');
    t.regex(calls().at(-1)!, TAKEN);
    t.deepEqual(readFileSync('/etc/resolv.conf'), resolvConf);
  },
  { unless: resolvectlIsHere },
);

namespaceTest(
  'a resolvconf that fails costs a warning and not the tunnel, at up and at down',
  async (t, net) => {
    const m = await withTun(net);
    const { env } = fakeResolvconf(net, 1);
    const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config: SPLIT, env });
    t.deepEqual(await agent.next(), { event: 'up' });
    t.is(agent.warnings.length, 1);
    t.regex(agent.warnings[0]!, /DNS 10\.0\.0\.53 is not set/);
    t.deepEqual(await agent.tell('down'), { event: 'done' });
    t.is(agent.warnings.length, 1);
    t.is(await recover(net, m, 't0'), 'nothing');
  },
  { unless: resolvectlIsHere },
);

namespaceTest(
  'without any DNS tool there is one warning, and resolv.conf is not touched',
  async (t, net) => {
    const m = await withTun(net);
    const before = readFileSync('/etc/resolv.conf');
    const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config: SPLIT });
    t.deepEqual(await agent.next(), { event: 'up' });
    t.is(agent.warnings.length, 1);
    t.regex(agent.warnings[0]!, /10\.0\.0\.53.*openresolv/);
    t.deepEqual(readFileSync('/etc/resolv.conf'), before);
    await agent.tell('down');
  },
  {
    unless: () =>
      resolvectlIsHere() ??
      (['/sbin/resolvconf', '/usr/sbin/resolvconf', '/usr/bin/resolvconf'].some(existsSync)
        ? 'resolvconf is installed here'
        : null),
  },
);
