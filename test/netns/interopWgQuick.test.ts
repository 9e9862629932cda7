// wg-quick, unchanged, with the subject as its userspace implementation: the whole life of a full
// tunnel, as thousands of existing scripts drive it.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { namespaceTest } from '../support/netns.js';
import type { Namespace, Network } from '../support/netns.js';
import { runToEnd, waitFor } from '../support/netnsProcess.js';
import type { CommandResult } from '../support/netnsProcess.js';
import { INNER, OUTER, PORT_OF_B, endpoint, twoEnds } from '../support/netnsTopology.js';
import type { Ends } from '../support/netnsTopology.js';
import { ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import {
  SUBJECT,
  Tunnel,
  daemonCommand,
  newKeyPair,
  newPresharedKey,
} from '../support/netnsTunnel.js';

/** Addresses "on the Internet", which only b has. */
const FAR = { 4: '203.0.113.9', 6: '2001:db8:9::9' } as const;

interface FullTunnel extends Ends {
  readonly configPath: string;
  readonly interfaceName: string;
  readonly keys: ReturnType<typeof newKeyPair>;
}

/** b serves; for a there is a configuration file with a full tunnel. */
async function fullTunnel(net: Network): Promise<FullTunnel> {
  const ends = await twoEnds(net);
  const server = await Tunnel.start(net, { implementation: SUBJECT, namespace: ends.b });
  const [keys, presharedKey] = [newKeyPair(), newPresharedKey()];
  await server.setConfig({
    privateKey: server.keys.privateKey,
    listenPort: PORT_OF_B,
    peers: [
      {
        publicKey: keys.publicKey,
        presharedKey,
        allowedIps: [`${INNER.a[4]}/32`, `${INNER.a[6]}/128`],
      },
    ],
  });
  await server.up([`${INNER.b[4]}/24`, `${INNER.b[6]}/64`], 1420);
  await ends.b.addAddress('lo', `${FAR[4]}/32`);
  await ends.b.addAddress('lo', `${FAR[6]}/128`);
  const interfaceName = net.newInterfaceName();
  const configPath = net.file(
    `${interfaceName}.conf`,
    `[Interface]
PrivateKey = ${keys.privateKey}
Address = ${INNER.a[4]}/24, ${INNER.a[6]}/64
MTU = 1380
PostUp = touch ${join(net.folder(), 'post-up-ran')}

[Peer]
PublicKey = ${server.keys.publicKey}
PresharedKey = ${presharedKey}
Endpoint = ${endpoint(OUTER.b[4], PORT_OF_B)}
AllowedIPs = 0.0.0.0/0, ::/0
`,
  );
  return { ...ends, configPath, interfaceName, keys };
}

function wgQuick(namespace: Namespace, ...args: readonly string[]): Promise<CommandResult> {
  return runToEnd(namespace.command(['wg-quick', ...args]), {
    env: { WG_QUICK_USERSPACE_IMPLEMENTATION: daemonCommand(SUBJECT), WG_HIDE_KEYS: 'always' },
  });
}

/** What wg-quick changes in a namespace besides the interface. */
async function routing({ a }: FullTunnel): Promise<string> {
  const parts = [['rule'], ['-6', 'rule'], ['route', 'show', 'table', 'all']];
  const texts = await Promise.all(parts.map((args) => a.run('ip', ...args)));
  return [...texts, await a.run('nft', 'list', 'ruleset')].join('\n');
}

async function usesKernel(): Promise<string | null> {
  const wgQuickThere = await runToEnd(['sh', '-c', 'command -v wg-quick']);
  if (wgQuickThere.status !== 0) return 'wg-quick is not installed';
  const { stderr } = await runToEnd(['unshare', '-n', 'ip', 'link', 'add', 'type', 'wireguard']);
  return stderr === '' ? 'this kernel has WireGuard, so wg-quick would use it' : null;
}

namespaceTest(
  'wg-quick up routes everything through the tunnel, and down takes it all back',
  async (t, net) => {
    const tunnel = await fullTunnel(net);
    const { a, b, configPath, interfaceName } = tunnel;
    const before = await routing(tunnel);
    const up = await wgQuick(a, 'up', configPath);
    t.is(up.status, 0, up.stderr);
    t.true(existsSync(join(net.folder(), 'post-up-ran')));
    await waitForPing(a, FAR[4]);
    t.is((await ping(a, FAR[6])).received, 3);
    await transfer(a, { namespace: b, address: FAR[4] }, { bytes: 1024 * 1024 });
    const outer = await a.run('ip', 'route', 'get', OUTER.b[4]);
    t.regex(outer, /dev wire0/, 'the local network stays reachable');
    const link = await a.run('ip', 'link', 'show', interfaceName);
    t.regex(link, /mtu 1380/);
    const twice = await wgQuick(a, 'up', configPath);
    t.not(twice.status, 0, 'a second up is refused');

    const down = await wgQuick(a, 'down', configPath);
    t.is(down.status, 0, down.stderr);
    await waitFor('the process is gone', async () => {
      const { stdout } = await runToEnd(['ip', 'netns', 'pids', a.name]);
      return stdout.trim() === '';
    });
    t.false(existsSync(`/var/run/wireguard/${interfaceName}.sock`));
    t.is(await routing(tunnel), before);
  },
  { unless: usesKernel },
);

namespaceTest(
  'wg-quick strip and save give back what runs',
  async (t, net) => {
    const tunnel = await fullTunnel(net);
    const { a, configPath, interfaceName } = tunnel;
    const up = await wgQuick(a, 'up', configPath);
    t.is(up.status, 0, up.stderr);
    await waitForPing(a, FAR[4]);
    const strip = await wgQuick(a, 'strip', configPath);
    t.notRegex(strip.stdout, /Address|MTU|PostUp/);
    const stripped = net.file('stripped.conf', strip.stdout);
    const sync = await a.try('wg', 'syncconf', interfaceName, stripped);
    t.is(sync.status, 0, sync.stderr);
    t.is((await ping(a, FAR[4])).received, 3, 'syncing what runs already changes nothing');

    const added = newKeyPair().publicKey;
    await a.run('wg', 'set', interfaceName, 'peer', added, 'allowed-ips', '10.5.0.0/16');
    const save = await wgQuick(a, 'save', configPath);
    t.is(save.status, 0, save.stderr);
    const saved = readFileSync(configPath, 'utf8');
    t.true(saved.includes(`PublicKey = ${added}`));
    t.true(saved.includes(`PrivateKey = ${tunnel.keys.privateKey}`));
    t.regex(saved, /Address = 10\.99\.0\.1\/24/);
    t.is(statSync(configPath).mode & 0o77, 0, 'nobody else may read it');
    const down = await wgQuick(a, 'down', configPath);
    t.is(down.status, 0, down.stderr);
    const again = await wgQuick(a, 'up', configPath);
    t.is(again.status, 0, again.stderr);
    await waitForPing(a, FAR[4]);
    t.is((await wgQuick(a, 'down', configPath)).status, 0);
  },
  { unless: usesKernel },
);
