// A configuration that changes under a running tunnel: what differs is changed, nothing else is
// touched, and what fails leaves the old one in force. SPEC.md 8.8.
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { LifecycleProcess, picture } from '../support/lifecycle.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { pause, waitFor, type Background } from '../support/netnsProcess.js';
import { twoEnds } from '../support/netnsTopology.js';
import { ping, waitForPing } from '../support/netnsTraffic.js';
import { Tunnel, newKeyPair, newPresharedKey } from '../support/netnsTunnel.js';

interface Setting {
  readonly net: Network;
  readonly a: Namespace;
  readonly name: string;
  readonly agent: LifecycleProcess;
  readonly config: string;
  /** Writes the file and has it read again. */
  reload(config: string): ReturnType<LifecycleProcess['tell']>;
  wg(...args: string[]): Promise<string>;
}

/** Beam in `a`, from a file, with a tunnel to wireguard-go in `b` that works. */
async function running(net: Network, more = ''): Promise<Setting> {
  const { a, b } = await twoEnds(net);
  const far = await Tunnel.start(net, { implementation: 'wireguard-go', namespace: b });
  const keys = newKeyPair();
  const psk = newPresharedKey();
  await far.setConfig({
    privateKey: far.keys.privateKey,
    listenPort: 51820,
    peers: [
      {
        publicKey: keys.publicKey,
        presharedKey: psk,
        allowedIps: ['10.99.0.1/32', '10.99.0.9/32', 'fd99::1/128'],
      },
    ],
  });
  await far.up(['10.99.0.2/24', 'fd99::2/64', '10.77.0.1/32'], 1420);
  const config = `[Interface]
PrivateKey = ${keys.privateKey}
Address = 10.99.0.1/24, fd99::1/64
${more}
[Peer]
PublicKey = ${far.keys.publicKey}
PresharedKey = ${psk}
Endpoint = 192.0.2.2:51820
AllowedIPs = 10.99.0.2/32, fd99::2/128, 10.50.0.0/16
`;
  const name = net.newInterfaceName();
  const agent = LifecycleProcess.start(net, a, { interfaceName: name, config, device: 'engine' });
  const answer = await agent.next();
  if (answer.event !== 'up') throw new Error(JSON.stringify(answer));
  await waitForPing(a, '10.99.0.2');
  return {
    net,
    a,
    name,
    agent,
    config,
    reload: (wanted) => agent.tell(`reload ${net.file('wanted.conf', wanted)}`),
    wg: (...args) => a.run('wg', ...args),
  };
}

const PEER = (keys = newKeyPair().publicKey, allowedIps = '10.60.0.0/16'): string =>
  `\n[Peer]\nPublicKey = ${keys}\nAllowedIPs = ${allowedIps}\n`;

/** Addresses, links, routes and rules as they change, from now on. */
async function watch(setting: Setting): Promise<Background> {
  const monitor = setting.a.spawn(['ip', 'monitor', 'address', 'link', 'route', 'rule']);
  await waitFor('the monitor sees', async () => {
    for (const verb of ['add', 'del'])
      await setting.a.run('ip', 'rule', verb, 'priority', '9999', 'table', '9999');
    return monitor.stdout.includes('9999');
  });
  return monitor;
}

async function seen(monitor: Background): Promise<string> {
  await monitor.stop();
  return monitor.stdout
    .split('\n')
    .filter((line) => !line.includes('9999'))
    .join('\n');
}

const handshakeOf = async (setting: Setting): Promise<string> =>
  (await setting.wg('show', setting.name, 'latest-handshakes')).split('\n')[0]!;

/** Pings all the while; how many of them were lost, and whether the handshake is the same. */
async function undisturbed(
  t: ExecutionContext,
  setting: Setting,
  work: () => Promise<void>,
): Promise<void> {
  const before = await handshakeOf(setting);
  const pings = setting.a.spawn(['ping', '-n', '-i', '0.01', '10.99.0.2']);
  await work();
  // Some of them are sent after the work, however fast it was.
  await pause(300);
  await pings.stop('SIGINT');
  const answered = [...pings.stdout.matchAll(/icmp_seq=(\d+)/g)].map(([, number]) =>
    Number(number),
  );
  const missing = Array.from({ length: Math.max(...answered) }, (_, i) => i + 1).filter(
    (number) => !answered.includes(number),
  );
  t.true(answered.length > 15, pings.log);
  t.deepEqual(missing, []);
  t.is(await handshakeOf(setting), before);
}

namespaceTest(
  'peers, addresses, routes and the MTU change without a lost packet or a new handshake',
  async (t, net) => {
    const s = await running(net);
    const monitor = await watch(s);
    await undisturbed(t, s, async () => {
      const wanted = s.config
        .replace('10.99.0.1/24, fd99::1/64', '10.99.0.1/24, fd99::1/64, 10.98.0.1/24\nMTU = 1380')
        .replace('10.50.0.0/16', '10.51.0.0/16');
      const answer = await s.reload(wanted + PEER());
      t.deepEqual(answer.event === 'reloaded' ? answer.changes.length : answer, 4);
    });
    const text = await seen(monitor);
    t.notRegex(text, /10\.99\.0|fd99::/, 'what is in both files is not touched');
    t.regex(text, /10\.98\.0\.1\/24/);
    t.regex(text, /mtu 1380/);
    t.true(
      text.indexOf('10.51.0.0/16') < text.indexOf('Deleted 10.50.0.0/16'),
      'the new route is there first',
    );
    const shown = await s.wg('show', s.name, 'allowed-ips');
    t.regex(shown, /10\.99\.0\.2\/32.*10\.51\.0\.0\/16/);
    t.regex(shown, /10\.60\.0\.0\/16/);
    t.notRegex(shown, /10\.50/);
  },
);

namespaceTest('a file that means the same changes nothing at all', async (t, net) => {
  const s = await running(net);
  const monitor = await watch(s);
  await undisturbed(t, s, async () => {
    const reordered = s.config.replace(
      '10.99.0.2/32, fd99::2/128, 10.50.0.0/16',
      '10.50.0.0/16,fd99::2/128, 10.99.0.2',
    );
    t.deepEqual(await s.reload(`# a comment\n${reordered}`), { event: 'reloaded', changes: [] });
  });
  t.is((await seen(monitor)).trim(), '');
});

namespaceTest(
  'a tunnel becomes full and ordinary again under a running session',
  async (t, net) => {
    const s = await running(net);
    const before = await picture(s.a);
    const by = async (to: string): Promise<string> =>
      /dev (\S+)/.exec(await s.a.run('ip', 'route', 'get', to))![1]!;
    await undisturbed(t, s, async () => {
      t.is(
        (await s.reload(s.config.replace('10.50.0.0/16', '10.50.0.0/16, 0.0.0.0/0, ::/0'))).event,
        'reloaded',
      );
      t.is(await by('203.0.113.7'), s.name);
      t.is((await ping(s.a, '10.77.0.1')).received, 3, 'through the default route');
      t.is((await s.wg('show', s.name, 'fwmark')).trim(), '0xca6c');
      t.is((await s.reload(s.config)).event, 'reloaded');
    });
    t.is(await picture(s.a), before);
    t.is((await s.wg('show', s.name, 'fwmark')).trim(), 'off');
  },
);

namespaceTest(
  'an address and its network are replaced, and those that Linux takes along are put back',
  async (t, net) => {
    const s = await running(net);
    await s.a.sysctl(`net.ipv4.conf.all.promote_secondaries`, 0);
    await s.a.sysctl(`net.ipv4.conf.${s.name}.promote_secondaries`, 0);
    const two = s.config.replace('10.99.0.1/24', '10.99.0.1/24, 10.99.0.9/24');
    t.is((await s.reload(two)).event, 'reloaded');
    t.is(
      (await s.reload(two.replace('10.99.0.1/24, ', '').replace('fd99::1/64', 'fd99::1/48'))).event,
      'reloaded',
    );
    const shown = await s.a.run('ip', '-br', 'address', 'show', 'dev', s.name);
    t.regex(shown, /10\.99\.0\.9\/24/);
    t.regex(shown, /fd99::1\/48/);
    t.notRegex(shown, /10\.99\.0\.1\/24|fd99::1\/64/);
    t.regex(await s.a.run('ip', 'route', 'show', 'dev', s.name), /10\.50\.0\.0\/16/);
    t.is((await ping(s.a, '10.99.0.2', { args: ['-I', '10.99.0.9'] })).received, 3);
  },
);

namespaceTest(
  'a reload that fails leaves the old configuration in force, device and system',
  async (t, net) => {
    const s = await running(net);
    await s.a.run('ip', 'route', 'add', '10.61.0.0/16', 'dev', 'wire0');
    const before = await picture(s.a);
    const device = await s.wg('showconf', s.name);
    await undisturbed(t, s, async () => {
      const changed = s.config
        .replace('10.99.0.1/24', '10.99.0.1/24, 10.98.0.1/24')
        .replace(/PresharedKey = .*/, `PresharedKey = ${newPresharedKey()}`)
        .replace('10.50.0.0/16', '0.0.0.0/0');
      for (const [wanted, code] of [
        [changed + PEER(undefined, '10.60.0.0/16, 10.61.0.0/16, 10.50.0.0/16'), 'E_ROUTE'],
        [changed.replace('[Peer]', 'PostUp = exit 4\n[Peer]') + PEER(), 'E_HOOK'],
        [s.config.replace('[Peer]', 'ListenPort = 70000\n[Peer]'), 'E_CONFIG_NUMBER'],
      ] as const) {
        const answer = await s.reload(wanted);
        t.is(answer.event === 'failed' ? answer.code : answer.event, code);
        t.is(await picture(s.a), before, code);
        t.is(await s.wg('showconf', s.name), device, code);
      }
    });
  },
);

namespaceTest(
  'changed up hooks are exchanged; changed down hooks wait for the end',
  async (t, net) => {
    const s = await running(net);
    const log = net.file('hooks', '');
    const note = (word: string): string => `echo ${word} %i >> ${log}`;
    const lines = (): string =>
      readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0])
        .join(' ');
    const withHooks = (hooks: string): string => s.config.replace('[Peer]', `${hooks}\n[Peer]`);
    await s.reload(withHooks(`PostUp = ${note('up1')}\nPostDown = ${note('down1')}`));
    t.is(lines(), 'up1');
    await s.reload(withHooks(`PostUp = ${note('up1')}\nPostDown = ${note('down2')}`));
    t.is(lines(), 'up1');
    await s.reload(
      withHooks(`PostUp = ${note('up1')}\nPostUp = ${note('up3')}\nPostDown = ${note('down3')}`),
    );
    t.is(lines(), 'up1 down2 up3');
    t.is(
      (await s.reload(withHooks(`PostUp = false\nPostDown = ${note('down4')}`))).event,
      'failed',
    );
    t.is(lines(), 'up1 down2 up3 down3 down4 up1 up3');
    await s.agent.tell('down');
    t.is(lines(), 'up1 down2 up3 down3 down4 up1 up3 down3');
  },
);

namespaceTest('a prefix moves from one peer to another and back', async (t, net) => {
  const s = await running(net);
  const other = newKeyPair().publicKey;
  await undisturbed(t, s, async () => {
    const moved = s.config.replace(', 10.50.0.0/16', '') + PEER(other, '10.50.0.0/16');
    t.is((await s.reload(moved)).event, 'reloaded');
    t.true((await s.wg('show', s.name, 'allowed-ips')).includes(`${other}\t10.50.0.0/16`));
    t.is((await s.reload(s.config)).event, 'reloaded');
  });
  t.regex(await s.wg('show', s.name, 'allowed-ips'), /10\.99\.0\.2\/32.*10\.50\.0\.0\/16/);
});

namespaceTest('a reload that is killed is taken back whole by the next run', async (t, net) => {
  const { a } = await twoEnds(net);
  const config = (allowedIps: string): string =>
    `[Interface]\nPrivateKey = ${newKeyPair().privateKey}\nAddress = 10.0.0.1/24\nMTU = 1420\n${PEER(undefined, allowedIps)}`;
  await a.run('ip', 'tuntap', 'add', 'mode', 'tun', 'name', 't0');
  const withTun = await picture(a);
  for (let at = 5; ; at++) {
    const agent = LifecycleProcess.start(net, a, {
      interfaceName: 't0',
      config: config('10.1.0.0/16'),
      die: { at, when: 'after' },
    });
    t.is((await agent.next()).event, 'up');
    const wanted = config('10.2.0.0/16, 0.0.0.0/0').replace('10.0.0.1/24', '10.0.5.1/24');
    const answer = await agent.tell(`reload ${net.file('wanted.conf', wanted)}`).catch(() => null);
    await agent.kill();
    const next = LifecycleProcess.start(net, a, {
      interfaceName: 't0',
      config: '',
      recoverOnly: true,
    });
    t.is((await next.next()).event, 'recovered');
    t.is(await picture(a), withTun, `killed after change ${at}`);
    if (answer !== null) {
      t.true(at > 10, `${at} changes`);
      return;
    }
  }
});
