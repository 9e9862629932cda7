// A tunnel whose private key lies in the key store, in namespaces. SPEC.md 10.14.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import type { CommandResult } from '../support/netnsProcess.js';
import { twoEnds } from '../support/netnsTopology.js';
import { waitForPing } from '../support/netnsTraffic.js';
import { newKeyPair, Tunnel } from '../support/netnsTunnel.js';

const MAIN = join(process.cwd(), 'dist/src/cli/main.js');

interface Machine {
  readonly a: Namespace;
  readonly name: string;
  readonly path: string;
  readonly privateKey: string;
  readonly publicKey: string;
  /** --store and --passphrase-file. */
  readonly store: readonly string[];
  readonly passphraseFile: string;
  readonly beam: (...args: readonly string[]) => Promise<CommandResult>;
}

/** wireguard-go in `b`, a file in `a` that leads to it, and a new key store. */
async function machine(t: ExecutionContext, net: Network): Promise<Machine> {
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
  const path = net.file(
    `${name}.conf`,
    `# kept as it is
[Interface]
PrivateKey = ${keys.privateKey} # gone
Address = 10.99.0.1/24
[Peer]
PublicKey = ${far.keys.publicKey}
Endpoint = 192.0.2.2:51820
AllowedIPs = 10.99.0.2/32
`,
  );
  const beam = (...args: readonly string[]): Promise<CommandResult> =>
    a.try(process.execPath, MAIN, ...args);
  net.onClose(() => beam('down', name).then(() => undefined));
  const passphraseFile = net.file('passphrase', 'six words that nobody would guess\n');
  const store = [
    '--store',
    join(path, '..', 'keys', 'store'),
    '--passphrase-file',
    passphraseFile,
  ] as const;
  const recovery = ['--recovery-file', join(path, '..', 'words')];
  succeeded(t, await beam('key', 'init', ...store, ...recovery));
  return { a, name, path, ...keys, store, passphraseFile, beam };
}

function succeeded(t: ExecutionContext, result: CommandResult): string {
  t.is(result.status, 0, result.stderr);
  return result.stdout;
}

namespaceTest('a key that was adopted is in the store alone, and traffic flows', async (t, net) => {
  const { a, name, path, privateKey, publicKey, store, beam } = await machine(t, net);
  t.is(succeeded(t, await beam('key', 'adopt', path, ...store)), `${publicKey}\n`);
  const text = readFileSync(path, 'utf8');
  t.false(text.includes(privateKey.slice(0, 20)));
  t.true(text.startsWith('# kept as it is\n[Interface]\n#: [Beam]\n#: PrivateKeyStore = /'), text);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.true(succeeded(t, await beam('key', 'list', ...store)).includes(`${publicKey}  ${name}`));
  succeeded(t, await beam('up', path));
  await waitForPing(a, '10.99.0.2');
  const again = await beam('key', 'adopt', path, ...store);
  t.is(again.status, 1);
  t.regex(again.stderr, /E_KEY_ADOPT/);
});

namespaceTest(
  'a key is adopted under a running tunnel, which a reload does not disturb',
  async (t, net) => {
    const { a, name, path, store, beam } = await machine(t, net);
    succeeded(t, await beam('up', path));
    await waitForPing(a, '10.99.0.2');
    const before = succeeded(t, await beam('status', name, '--json'));
    succeeded(t, await beam('key', 'adopt', path, ...store));
    t.regex(succeeded(t, await beam('reload', path)), /PrivateKeyStore/);
    const after = succeeded(t, await beam('status', name, '--json'));
    const handshake = (json: string): unknown =>
      (JSON.parse(json) as { tunnels: { peers: { latestHandshakeAt: unknown }[] }[] }).tunnels[0]!
        .peers[0]!.latestHandshakeAt;
    t.is(handshake(after), handshake(before), 'the session goes on');
    succeeded(t, await a.try('ping', '-c', '3', '-i', '0.2', '-W', '2', '10.99.0.2'));
  },
);

namespaceTest(
  'a store that stays locked leaves the tunnel up without its key, and a reload brings it back',
  async (t, net) => {
    const { a, name, path, store, passphraseFile, beam } = await machine(t, net);
    succeeded(t, await beam('key', 'adopt', path, ...store));
    const { rename } = await import('node:fs/promises');
    net.file('other', 'not the passphrase');
    const other = join(path, '..', 'other');
    await rename(passphraseFile, `${passphraseFile}.right`);
    await rename(other, passphraseFile);
    const up = await beam('up', path);
    t.is(up.status, 0, up.stderr);
    t.regex(up.stderr, /E_KEY_PASSPHRASE/);
    const status = succeeded(t, await beam('status', name, '--json'));
    t.is((JSON.parse(status) as { tunnels: { publicKey: unknown }[] }).tunnels[0]!.publicKey, null);
    const refused = await beam('reload', path);
    t.is(refused.status, 1);
    t.regex(refused.stderr, /E_KEY_PASSPHRASE/);
    await rename(`${passphraseFile}.right`, passphraseFile);
    succeeded(t, await beam('reload', path));
    await waitForPing(a, '10.99.0.2');
  },
);
