// Tunnels on a real system: what an up changes, and that a down, a failure, or a recovery after
// kill -9 leaves everything as it was. SPEC.md 8.
import { existsSync, readdirSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { LifecycleProcess, picture, recover, stateFolder } from '../support/lifecycle.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { newKeyPair } from '../support/netnsTunnel.js';

const KEY = newKeyPair().privateKey;
const PEER = newKeyPair().publicKey;

const FULL = `[Interface]
PrivateKey = ${KEY}
Address = 10.0.0.1/24, fd00::1/64, 10.8.0.1/32
MTU = 1380

[Peer]
PublicKey = ${PEER}
AllowedIPs = 0.0.0.0/0, ::/0, 10.0.0.7/32, 10.7.0.0/16, fd07::/16
`;

/** A machine with a network, rules, a firewall and an interface `t0` of its own. */
async function machine(net: Network, name = 'm'): Promise<Namespace> {
  const namespace = await net.namespace(name);
  await namespace.run('ip', 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'far');
  await namespace.run('ip', 'link', 'set', 'far', 'up');
  await namespace.run('ip', 'link', 'set', 'lan', 'up');
  await namespace.addAddress('lan', '192.0.2.1/24');
  await namespace.addAddress('lan', '2001:db8::1/64');
  await namespace.run('ip', 'route', 'add', 'default', 'via', '192.0.2.254');
  await namespace.run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::fe');
  await namespace.run(
    'ip',
    'rule',
    'add',
    'from',
    '198.51.100.9',
    'table',
    'main',
    'priority',
    '100',
  );
  await namespace.nft(
    'table ip filter { chain input { type filter hook input priority 0; tcp dport 9 drop; }; }',
  );
  await namespace.run('ip', 'tuntap', 'add', 'mode', 'tun', 'name', 't0');
  return namespace;
}

const LONG = process.env['BEAM_LONG'] !== undefined;
const BOTH = ['before', 'after'] as const;

const leftovers = (net: Network): string[] => readdirSync(stateFolder(net));

async function upFails(
  t: ExecutionContext,
  net: Network,
  m: Namespace,
  config: string,
): Promise<LifecycleProcess> {
  const before = await picture(m);
  const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config });
  const answer = await agent.next();
  t.is(answer.event, 'failed');
  await agent.ended();
  t.is(await picture(m), before);
  t.deepEqual(leftovers(net), []);
  return agent;
}

const codeOf = (agent: LifecycleProcess): string =>
  agent.answers.flatMap((line) => (line.event === 'failed' ? [line.code] : []))[0] ?? 'none';

namespaceTest(
  'a full tunnel is routed as it should be, and its down leaves everything as it was',
  async (t, net) => {
    const m = await machine(net);
    const before = await picture(m);
    const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
    t.deepEqual(await agent.next(), { event: 'up' });
    t.deepEqual(agent.warnings, []);
    const by = async (...to: string[]): Promise<string> =>
      /dev (\S+)/.exec(await m.run('ip', 'route', 'get', ...to))![1]!;
    t.is(await by('203.0.113.7'), 't0');
    t.is(await by('2001:db8:9::7'), 't0');
    t.is(await by('203.0.113.7', 'mark', '51820'), 'lan');
    t.is(await by('2001:db8:9::7', 'mark', '51820'), 'lan');
    t.is(await by('192.0.2.77'), 'lan', 'the local network stays');
    t.is(await by('10.7.1.1'), 't0');
    t.is(await m.run('sysctl', '-n', 'net.ipv4.conf.all.src_valid_mark'), '1\n');
    t.regex(
      await m.run('nft', 'list', 'table', 'ip', 'beam-t0'),
      /daddr 10\.8\.0\.1 fib saddr type != local drop/,
    );
    t.deepEqual(
      leftovers(net).filter((name) => name.endsWith('.state.json')),
      ['t0.state.json'],
    );
    t.deepEqual(await agent.tell('down'), { event: 'done' });
    t.deepEqual(agent.warnings, []);
    t.is(await picture(m), before);
    t.deepEqual(leftovers(net), []);
  },
);

namespaceTest(
  'an up that is killed at any change is taken back by the next run',
  async (t, net) => {
    const m = await machine(net);
    const before = await picture(m);
    let at = 1;
    for (; ; at++) {
      // The long tests kill before and after each change, the others take turns.
      for (const when of LONG ? BOTH : [BOTH[at % 2]!]) {
        const agent = LifecycleProcess.start(net, m, {
          interfaceName: 't0',
          config: FULL,
          die: { at, when },
        });
        const answer = await agent.next().catch(() => null);
        if (answer !== null) {
          t.deepEqual(answer, { event: 'up' });
          await agent.kill();
          t.is(await recover(net, m, 't0'), 'recovered');
          t.is(await picture(m), before);
          t.true(at > 12, `${at} changes`);
          return;
        }
        t.is((await agent.ended()).signal, 'SIGKILL');
        if (when === 'before') {
          t.is(await recover(net, m, 't0'), 'recovered', `killed before change ${at}`);
          t.is(await picture(m), before, `killed before change ${at}`);
        } else {
          const next = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
          t.deepEqual(await next.next(), { event: 'up' }, `killed after change ${at}`);
          await next.tell('down');
          t.is(await picture(m), before, `killed after change ${at}`);
        }
        t.deepEqual(leftovers(net), []);
      }
    }
  },
  { timeoutMs: 180_000 },
);

namespaceTest(
  'a down that is killed at any change is finished by the next run',
  async (t, net) => {
    const m = await machine(net);
    const before = await picture(m);
    const changesOfUp = 14;
    for (let at = changesOfUp; ; at++) {
      const agent = LifecycleProcess.start(net, m, {
        interfaceName: 't0',
        config: FULL,
        die: { at, when: 'after' },
      });
      const up = await agent.next().catch(() => null);
      if (up === null) continue;
      const down = await agent.tell('down').catch(() => null);
      if (down !== null) {
        t.true(at > changesOfUp + 5);
        return;
      }
      t.is(await recover(net, m, 't0'), 'recovered');
      t.is(await picture(m), before, `killed after change ${at}`);
      t.deepEqual(leftovers(net), []);
    }
  },
  { timeoutMs: 180_000 },
);

namespaceTest(
  'recovery leaves alone an interface that somebody else made since',
  async (t, net) => {
    const m = await machine(net);
    const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
    await agent.next();
    await agent.kill();
    await m.run('ip', 'link', 'del', 't0');
    await m.run('ip', 'tuntap', 'add', 'mode', 'tun', 'name', 't0');
    await m.run('ip', 'address', 'add', '10.0.0.1/24', 'dev', 't0');
    await m.run('ip', 'link', 'set', 't0', 'up', 'mtu', '1400');
    t.is(await recover(net, m, 't0'), 'recovered');
    const address = await m.run('ip', 'address', 'show', 'dev', 't0');
    t.regex(address, /10\.0\.0\.1\/24/);
    t.regex(address, /mtu 1400/);
    t.notRegex(await m.run('ip', 'rule'), /51820/);
    t.is(await recover(net, m, 't0'), 'nothing');
  },
);

namespaceTest('a tunnel that runs is not recovered under its feet', async (t, net) => {
  const m = await machine(net);
  const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
  await agent.next();
  const during = await picture(m);
  const second = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
  await second.next();
  t.is(codeOf(second), 'E_TUNNEL_UP');
  t.is(await picture(m), during);
  await agent.tell('down');
});

namespaceTest(
  'a route that is taken fails the up, names it, and everything is taken back',
  async (t, net) => {
    const m = await machine(net);
    await m.run('ip', 'route', 'add', '10.7.0.0/16', 'dev', 'lan');
    const agent = await upFails(t, net, m, FULL);
    t.is(codeOf(agent), 'E_ROUTE');
    t.regex(JSON.stringify(agent.answers), /route 10\.7\.0\.0\/16/);
  },
);

namespaceTest('a table that nobody knows fails the up', async (t, net) => {
  const m = await machine(net);
  const agent = await upFails(t, net, m, FULL.replace('MTU', 'Table = nosuchtable\nMTU'));
  t.is(codeOf(agent), 'E_ROUTE');
});

namespaceTest(
  'hooks run in their order with %i, and a failing one takes everything back',
  async (t, net) => {
    const m = await machine(net);
    const log = net.file('hooks', '');
    const note = (word: string): string =>
      `echo ${word} %i $WG_HOOK $(ip -br address show dev %i | grep -c 10.0.0.1) >> ${log}`;
    const hooks = `PreUp = ${note('a')}\nPostUp = ${note('b')}\nPreDown = ${note('c')}\nPostDown = ${note('d')}\n`;
    const config = FULL.replace('MTU', `${hooks}MTU`);
    const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config });
    await agent.next();
    await agent.tell('down');
    const lines = async (): Promise<string[]> =>
      (await m.run('cat', log)).trim().split('\n').filter(Boolean);
    t.deepEqual(await lines(), [
      'a t0 PreUp 0',
      'b t0 PostUp 1',
      'c t0 PreDown 1',
      'd t0 PostDown 0',
    ]);

    net.file('hooks', '');
    t.is(codeOf(await upFails(t, net, m, config.replace('MTU', 'PreUp = false\nMTU'))), 'E_HOOK');
    t.deepEqual(await lines(), ['a t0 PreUp 0', 'd t0 PostDown 0']);
    net.file('hooks', '');
    t.is(codeOf(await upFails(t, net, m, config.replace('MTU', 'PostUp = exit 7\nMTU'))), 'E_HOOK');
    t.deepEqual(await lines(), [
      'a t0 PreUp 0',
      'b t0 PostUp 1',
      'c t0 PreDown 1',
      'd t0 PostDown 0',
    ]);
    net.file('hooks', '');
    t.is(codeOf(await upFails(t, net, m, FULL.replace('MTU', 'PreUp = false\nMTU'))), 'E_HOOK');
  },
);

namespaceTest('after kill -9 the PostDown hooks are made up for', async (t, net) => {
  const m = await machine(net);
  const mark = `${net.folder()}/postdown`;
  const config = FULL.replace('MTU', `PostDown = touch ${mark}\nMTU`);
  const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config });
  await agent.next();
  await agent.kill();
  t.false(existsSync(mark));
  t.is(await recover(net, m, 't0'), 'recovered');
  t.true(existsSync(mark));
});

namespaceTest(
  'two full tunnels share src_valid_mark, and the last one puts it back',
  async (t, net) => {
    const m = await machine(net);
    await m.run('ip', 'tuntap', 'add', 'mode', 'tun', 'name', 't1');
    const before = await picture(m);
    const value = async (): Promise<string> =>
      (await m.run('sysctl', '-n', 'net.ipv4.conf.all.src_valid_mark')).trim();
    const second = FULL.replace('10.0.0.1/24, fd00::1/64, 10.8.0.1/32', '10.20.0.1/24').replace(
      ', 10.0.0.7/32, 10.7.0.0/16, fd07::/16',
      '',
    );
    const a = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
    await a.next();
    const b = LifecycleProcess.start(net, m, { interfaceName: 't1', config: second });
    t.deepEqual(await b.next(), { event: 'up' });
    t.regex(await m.run('ip', 'route', 'get', '203.0.113.7'), /dev t1/, 'the newest wins');
    await a.tell('down');
    t.is(await value(), '1');
    t.regex(await m.run('ip', 'route', 'get', '203.0.113.7'), /dev t1/);
    await b.tell('down');
    t.is(await value(), '0');
    t.is(await picture(m), before);
    t.deepEqual(leftovers(net), []);
  },
);

namespaceTest('a real device comes up and goes down with its interface', async (t, net) => {
  const m = await machine(net);
  const before = await picture(m);
  const name = net.newInterfaceName();
  const agent = LifecycleProcess.start(net, m, {
    interfaceName: name,
    config: FULL,
    device: 'engine',
  });
  t.deepEqual(await agent.next(), { event: 'up' });
  const shown = await m.run('wg', 'show', name);
  t.regex(shown, /fwmark: 0xca6c/);
  t.regex(shown, /allowed ips: .*0\.0\.0\.0\/0/);
  t.deepEqual(await agent.tell('down'), { event: 'done' });
  t.deepEqual(agent.warnings, []);
  t.is(await picture(m), before);
  t.deepEqual(leftovers(net), []);
});

namespaceTest('a real device that is killed leaves nothing after recovery', async (t, net) => {
  const m = await machine(net);
  const before = await picture(m);
  const name = net.newInterfaceName();
  const agent = LifecycleProcess.start(net, m, {
    interfaceName: name,
    config: FULL,
    device: 'engine',
  });
  await agent.next();
  await agent.kill();
  t.not(await picture(m), before);
  const again = LifecycleProcess.start(net, m, {
    interfaceName: name,
    config: FULL,
    device: 'engine',
  });
  t.deepEqual(await again.next(), { event: 'up' });
  await again.tell('down');
  t.is(await picture(m), before);
});

namespaceTest('a machine without IPv6 gets its IPv4 tunnel and a warning', async (t, net) => {
  const m = await machine(net);
  await m.sysctl('net.ipv6.conf.default.disable_ipv6', 1);
  const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config: FULL });
  t.deepEqual(await agent.next(), { event: 'up' });
  t.regex(agent.warnings.join(), /IPv6 is switched off/);
  t.regex(await m.run('ip', 'route', 'get', '203.0.113.7'), /dev t0/);
  await agent.tell('down');
});

namespaceTest('thousands of routes come and go within seconds', async (t, net) => {
  const m = await machine(net);
  const before = await picture(m);
  const prefixes = Array.from(
    { length: 20_000 },
    (_, i) => `100.${64 + (i >> 10)}.${(i >> 2) & 255}.${(i & 3) * 64}/26`,
  );
  const config = FULL.replace('0.0.0.0/0, ::/0', prefixes.join(', '));
  const startMs = performance.now();
  const agent = LifecycleProcess.start(net, m, { interfaceName: 't0', config });
  t.deepEqual(await agent.next(), { event: 'up' });
  t.is((await m.run('ip', 'route', 'show', 'dev', 't0')).split('\n').length - 1, 20_000 + 2);
  await agent.tell('down');
  t.log(`20,000 routes: ${(performance.now() - startMs).toFixed(0)} ms`);
  t.is(await picture(m), before);
});
