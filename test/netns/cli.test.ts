// The commands for people against real daemons in namespaces. SPEC.md 9.1 and 9.5.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { waitFor, type CommandResult } from '../support/netnsProcess.js';
import { twoEnds } from '../support/netnsTopology.js';
import { waitForPing } from '../support/netnsTraffic.js';
import { newKeyPair, Tunnel } from '../support/netnsTunnel.js';

const MAIN = join(process.cwd(), 'dist/src/cli/main.js');

interface Machine {
  readonly net: Network;
  readonly a: Namespace;
  readonly far: Tunnel;
  /** The interface in `a`, its file, and what stands in it. */
  readonly name: string;
  readonly path: string;
  readonly config: string;
  readonly beam: (...args: string[]) => Promise<CommandResult>;
}

/** wireguard-go in `b`, and a file in `a` that leads to it. */
async function machine(net: Network): Promise<Machine> {
  const { a, b } = await twoEnds(net);
  const far = await Tunnel.start(net, { implementation: 'wireguard-go', namespace: b });
  const keys = newKeyPair();
  await far.setConfig({
    privateKey: far.keys.privateKey,
    listenPort: 51820,
    peers: [{ publicKey: keys.publicKey, allowedIps: ['10.99.0.1/32'] }],
  });
  await far.up(['10.99.0.2/24'], 1420);
  const name = net.newInterfaceName();
  const config = `[Interface]
PrivateKey = ${keys.privateKey}
Address = 10.99.0.1/24
PostUp = echo hook of %i
[Peer]
#: Name = far
PublicKey = ${far.keys.publicKey}
Endpoint = 192.0.2.2:51820
AllowedIPs = 10.99.0.2/32
`;
  const path = net.file(`${name}.conf`, config);
  const beam = (...args: string[]): Promise<CommandResult> =>
    a.try(process.execPath, MAIN, ...args);
  net.onClose(() => beam('down', name).then(() => undefined));
  return { net, a, far, name, path, config, beam };
}

interface StatusDocument {
  readonly format: number;
  readonly tunnels: readonly {
    readonly source: string;
    readonly interface: string;
    readonly error?: string;
    readonly pid?: number;
    readonly configFile?: string | null;
    readonly peers?: readonly { readonly name: string | null; readonly publicKey: string }[];
  }[];
}

async function statusOf(
  { beam }: Machine,
  name: string,
): Promise<StatusDocument['tunnels'][number] | undefined> {
  const { stdout } = await beam('status', '--json');
  const document = JSON.parse(stdout) as StatusDocument;
  return document.tunnels.find((tunnel) => tunnel.interface === name);
}

function succeeded(t: ExecutionContext, result: CommandResult): CommandResult {
  t.is(result.status, 0, result.stderr);
  return result;
}

namespaceTest(
  'up shows its steps and its hooks, status its names, down leaves nothing',
  async (t, net) => {
    const here = await machine(net);
    const { a, beam, name, path, far } = here;
    const up = succeeded(t, await beam('up', path));
    t.is(up.stdout, '', 'standard output is for data');
    t.regex(up.stderr, /^\[#\] /m);
    t.true(up.stderr.includes(`hook of ${name}`));
    await waitForPing(a, '10.99.0.2');

    const own = await statusOf(here, name);
    t.is(own?.source, 'beam');
    t.is(own?.configFile, path);
    t.deepEqual(
      own?.peers?.map((peer) => [peer.name, peer.publicKey]),
      [['far', far.keys.publicKey]],
    );
    t.is((await statusOf(here, far.interfaceName))?.source, 'uapi', "wireguard-go's is shown too");
    const picture = succeeded(t, await beam('status', name)).stdout;
    t.regex(picture, /^peer: far$/m);
    t.false(picture.includes(here.config.slice(24, 60)), 'no private key');

    const second = await beam('up', path);
    t.is(second.status, 1, 'it is up already');
    t.regex(second.stderr, /^E_/m);
    await waitForPing(a, '10.99.0.2');

    succeeded(t, await beam('down', name));
    t.is((await a.try('ip', 'link', 'show', name)).status, 1);
    for (const file of [
      `/run/beam/${name}.sock`,
      `/run/beam/${name}.state.json`,
      `/var/run/wireguard/${name}.sock`,
    ])
      t.false(existsSync(file), file);
  },
);

namespaceTest(
  'config diff says what reload then does, and a wrong file changes nothing',
  async (t, net) => {
    const { beam, path, name, config, a } = await machine(net);
    succeeded(t, await beam('up', path));
    const same = succeeded(t, await beam('config', 'diff', name));
    t.is(same.stdout, '');

    writeFileSync(path, config.replace('10.99.0.1/24', '10.99.0.1/24, 10.98.0.1/24'));
    const diff = succeeded(t, await beam('config', 'diff', name)).stdout;
    t.regex(diff, /10\.98\.0\.1\/24/);
    const json = JSON.parse((await beam('config', 'diff', name, '--json')).stdout) as {
      tunnels: { interface: string; changes: { kind: string; key: string; added: string[] }[] }[];
    };
    t.is(json.tunnels[0]?.interface, name);
    t.like(json.tunnels[0]?.changes[0], { kind: 'list', key: 'Address', added: ['10.98.0.1/24'] });
    t.is(succeeded(t, await beam('reload', name)).stdout, diff);
    t.true((await a.run('ip', 'address', 'show', 'dev', name)).includes('10.98.0.1/24'));
    t.is((await beam('config', 'diff', name)).stdout, '');

    writeFileSync(path, config.replace('[Peer]', 'MTU = 5\n[Peer]'));
    for (const command of [['reload'], ['config', 'diff']]) {
      const refused = await beam(...command, name);
      t.is(refused.status, 1);
      t.regex(refused.stderr, /^E_CONFIG_NUMBER .*\.conf:5/m);
    }
    t.true((await a.run('ip', 'address', 'show', 'dev', name)).includes('10.98.0.1/24'));
  },
);

namespaceTest('save writes what wg set changed, and keeps the name', async (t, net) => {
  const { beam, path, name, far, a } = await machine(net);
  succeeded(t, await beam('up', path));
  await a.run('wg', 'set', name, 'peer', far.keys.publicKey, 'persistent-keepalive', '17');
  succeeded(t, await beam('save', name));
  const saved = readFileSync(path, 'utf8');
  t.regex(saved, /PersistentKeepalive = 17/);
  t.regex(saved, /Name = far/);
  t.is((await beam('config', 'check', path)).status, 0);
});

namespaceTest('after kill -9 status says so, and down puts everything back', async (t, net) => {
  const here = await machine(net);
  const { beam, path, name, a } = here;
  succeeded(t, await beam('up', path));
  const pid = (await statusOf(here, name))?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await waitFor('the interface is gone', async () => {
    return (await a.try('ip', 'link', 'show', name)).status === 1;
  });
  t.truthy((await statusOf(here, name))?.error);
  succeeded(t, await beam('down', name));
  t.is(await statusOf(here, name), undefined);
  t.false(existsSync(`/run/beam/${name}.state.json`));
});

namespaceTest('a drop-in shows in status, and has no file to reload or save', async (t, net) => {
  const { beam, a, net: network } = await machine(net);
  const name = network.newInterfaceName();
  succeeded(t, await beam(name));
  t.regex((await beam('status', name)).stdout, new RegExp(`^interface: ${name}$`, 'm'));
  for (const command of ['reload', 'save']) {
    const refused = await beam(command, name);
    t.is(refused.status, 1);
    t.regex(refused.stderr, /^E_NO_CONFIG /m);
  }
  await a.run('ip', 'link', 'delete', name);
  await waitFor('its daemon has ended', async () => (await beam('status', name)).status === 1);
});
