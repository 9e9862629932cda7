// The commands where things go wrong: mistakes, interruptions, crashes, races. Whatever happens, the
// system is afterwards as it was. SPEC.md 8, 9.1 and 9.2.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { picture } from '../support/lifecycle.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { runToEnd, waitFor, type CommandResult } from '../support/netnsProcess.js';
import { twoEnds } from '../support/netnsTopology.js';
import { waitForPing } from '../support/netnsTraffic.js';
import { newKeyPair, Tunnel } from '../support/netnsTunnel.js';

const MAIN = join(process.cwd(), 'dist/src/cli/main.js');
/** The session of whoever runs the tests is none of the tunnels' business. */
const ENV = { SSH_CONNECTION: '', SSH_CLIENT: '', LOG_LEVEL: '' };

interface Machine {
  readonly net: Network;
  readonly a: Namespace;
  /** The interface in `a`, and its file. */
  readonly name: string;
  readonly path: string;
  readonly config: string;
  readonly beam: (...args: string[]) => Promise<CommandResult>;
  /** What the tunnel is to leave as it was. */
  readonly before: string;
}

/** wireguard-go in `b`; in `a` a file that sends everything to it. */
async function machine(net: Network): Promise<Machine> {
  const { a, b } = await twoEnds(net);
  await a.run('ip', 'route', 'add', 'default', 'via', '192.0.2.2');
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
[Peer]
#: Name = far
PublicKey = ${far.keys.publicKey}
Endpoint = 192.0.2.2:51820
AllowedIPs = 0.0.0.0/0
`;
  const path = net.file(`${name}.conf`, config);
  const beam = (...args: string[]): Promise<CommandResult> =>
    runToEnd(a.command([process.execPath, MAIN, ...args]), { env: ENV });
  net.onClose(() => beam('down', name).then(() => undefined));
  return { net, a, name, path, config, beam, before: await system(a) };
}

/** `picture` leaves out interfaces without addresses. */
const system = async (a: Namespace): Promise<string> =>
  `${await picture(a)}# ip link\n${await a.run('ip', '-brief', 'link')}`;

function succeeded(t: ExecutionContext, result: CommandResult): CommandResult {
  t.is(result.status, 0, result.stderr);
  return result;
}

/** The system is as it was before the tunnel, and nothing of the tunnel is left. */
async function nothingLeft(t: ExecutionContext, { a, name, before }: Machine): Promise<void> {
  t.is(await system(a), before);
  for (const file of [
    `/run/beam/${name}.sock`,
    `/run/beam/${name}.state.json`,
    `/var/run/wireguard/${name}.sock`,
  ])
    t.false(existsSync(file), file);
}

async function daemonPid({ beam, name }: Pick<Machine, 'beam' | 'name'>): Promise<number> {
  const { stdout } = await beam('status', name, '--json');
  const { tunnels } = JSON.parse(stdout) as { tunnels: { pid: number }[] };
  return tunnels[0]!.pid;
}

const hasEnded = (pid: number): boolean => !existsSync(`/proc/${pid}`);

namespaceTest(
  'a full tunnel comes and goes, and down leaves the system as it was',
  async (t, net) => {
    const here = await machine(net);
    const { a, beam, path, name } = here;
    const { stderr } = succeeded(t, await beam('up', path));
    t.regex(stderr, /^\[#\] ip .*rule/m);
    await waitForPing(a, '10.99.0.2');
    t.not(await system(a), here.before);
    const { stdout } = succeeded(t, await beam('status', name));
    t.regex(stdout, /^ {2}latest handshake: .* ago$/m);
    succeeded(t, await beam('down', name));
    await nothingLeft(t, here);
    const again = await beam('down', name);
    t.is(again.status, 1);
    t.regex(again.stderr, /^E_NO_DAEMON /m);
  },
);

namespaceTest('a second up is refused and changes nothing', async (t, net) => {
  const here = await machine(net);
  const { a, beam, path } = here;
  succeeded(t, await beam('up', path));
  const pid = await daemonPid(here);
  const running = await system(a);
  const second = await beam('up', path);
  t.is(second.status, 1);
  t.regex(second.stderr, /^E_\w+ /m);
  t.is(await system(a), running);
  t.is(await daemonPid(here), pid);
  await waitForPing(a, '10.99.0.2');
});

namespaceTest('of several ups at once one wins, and down takes back all', async (t, net) => {
  const here = await machine(net);
  const { a, beam, path, name } = here;
  const results = await Promise.all([1, 2, 3, 4].map(() => beam('up', path)));
  t.deepEqual(results.map(({ status }) => status).sort(), [0, 1, 1, 1], JSON.stringify(results));
  await waitForPing(a, '10.99.0.2');
  succeeded(t, await beam('down', name));
  await nothingLeft(t, here);
});

namespaceTest(
  'a file with several mistakes: each is named with its line, and nothing is changed',
  async (t, net) => {
    const here = await machine(net);
    const { beam, path, config } = here;
    writeFileSync(
      path,
      config
        .replace('10.99.0.1/24', '10.99.0.1/33')
        .replace('[Peer]', 'MTU = banana\nColour = green\n[Peer]')
        .replace('192.0.2.2:51820', '192.0.2.2:65536'),
    );
    for (const command of [['up'], ['config', 'check'], ['run']]) {
      const { status, stderr, stdout } = await beam(...command, path);
      t.is(status, 1, stderr);
      const lines = [...stderr.matchAll(/^(E_CONFIG_\w+) (.*?):(\d+)/gm)];
      t.deepEqual(
        lines.map(([, , file, line]) => [file, line]),
        ['3', '4', '5', '9'].map((line) => [path, line]),
        `${command.join(' ')}: ${stderr}${stdout}`,
      );
      await nothingLeft(t, here);
    }
  },
);

namespaceTest('after kill -9 down takes everything back, and up works again', async (t, net) => {
  const here = await machine(net);
  const { a, beam, path, name } = here;
  succeeded(t, await beam('up', path));
  const pid = await daemonPid(here);
  process.kill(pid, 'SIGKILL');
  await waitFor('the daemon is gone', () => hasEnded(pid));
  t.not(await system(a), here.before, 'there is something to take back');
  succeeded(t, await beam('down', name));
  await nothingLeft(t, here);
  succeeded(t, await beam('up', path));
  await waitForPing(a, '10.99.0.2');
  succeeded(t, await beam('down', name));
  await nothingLeft(t, here);
});

namespaceTest('after kill -9 up alone takes the rest back and works', async (t, net) => {
  const here = await machine(net);
  const { a, beam, path, name } = here;
  succeeded(t, await beam('up', path));
  const pid = await daemonPid(here);
  process.kill(pid, 'SIGKILL');
  await waitFor('the daemon is gone', () => hasEnded(pid));
  succeeded(t, await beam('up', path));
  await waitForPing(a, '10.99.0.2');
  succeeded(t, await beam('down', name));
  await nothingLeft(t, here);
});

namespaceTest('a dead daemon keeps no other from telling its differences', async (t, net) => {
  const { beam, path, name, config } = await machine(net);
  const dead = net.newInterfaceName();
  const text = `[Interface]\nPrivateKey = ${newKeyPair().privateKey}\n`;
  succeeded(t, await beam('up', path));
  succeeded(t, await beam('up', net.file(`${dead}.conf`, text)));
  net.onClose(() => beam('down', dead).then(() => undefined));
  process.kill(await daemonPid({ beam, name: dead }), 'SIGKILL');
  writeFileSync(path, config.replace('10.99.0.1/24', '10.99.0.1/24, 10.98.0.1/24'));
  const all = await beam('config', 'diff', '--json');
  t.is(all.status, 1);
  t.regex(all.stderr, new RegExp(`^E_NO_DAEMON ${dead}: `, 'm'));
  const { tunnels } = JSON.parse(all.stdout) as { tunnels: { interface: string }[] };
  t.true(tunnels.some((tunnel) => tunnel.interface === name));
});

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  namespaceTest(`${signal} to an up whose PreUp hangs undoes everything`, async (t, net) => {
    const here = await machine(net);
    const { a, path, config } = here;
    const marker = join(net.folder(), 'hanging');
    writeFileSync(
      path,
      config.replace(
        '[Peer]',
        `PreUp = ip link add left type veth peer name right\n` +
          `PreUp = echo $$ > ${marker}; exec sleep 600\n` +
          `PostDown = ip link delete left\n[Peer]`,
      ),
    );
    // A terminal's signal goes to the waiting command alone: the daemon has a session of its own.
    const up = a.spawn([process.execPath, MAIN, 'up', path], { env: ENV });
    await waitFor('the hook hangs', () => existsSync(marker));
    const hook = Number(await a.run('cat', marker));
    t.not(await system(a), here.before, 'there is something to undo');
    up.signal(signal);
    const ended = await up.waitForEnd(20_000);
    t.is(ended.status, status, up.stderr);
    t.true(hasEnded(hook), 'the hook does not go on');
    await nothingLeft(t, here);
  });
}

namespaceTest('an up whose waiting command is killed comes up all the same', async (t, net) => {
  const here = await machine(net);
  const { a, beam, path, config, name } = here;
  const marker = join(net.folder(), 'reached');
  writeFileSync(path, config.replace('[Peer]', `PostUp = touch ${marker}; sleep 1\n[Peer]`));
  const up = a.spawn([process.execPath, MAIN, 'up', path], { env: ENV });
  await waitFor('its hook runs', () => existsSync(marker));
  await up.stop('SIGKILL');
  await waitFor('the daemon answers', async () => (await beam('status', name)).status === 0);
  await waitForPing(a, '10.99.0.2');
  succeeded(t, await beam('down', name));
  await nothingLeft(t, here);
});

for (const when of ['PreUp', 'PostUp'] as const) {
  namespaceTest(`a ${when} that fails fails the up with its status`, async (t, net) => {
    const here = await machine(net);
    const { beam, path, config } = here;
    const hook = `${when} = echo hook speaks; exit 7`;
    writeFileSync(path, config.replace('[Peer]', `${hook}\n[Peer]`));
    const { status, stdout, stderr } = await beam('up', path);
    t.is(status, 1);
    t.is(stdout, '');
    t.regex(stderr, /^hook speaks$/m);
    t.regex(stderr, /^E_\w+ .*\b7\b/m);
    await nothingLeft(t, here);
  });
}

for (const [what, end] of [
  ['SIGTERM', async (here: Machine) => process.kill(await daemonPid(here), 'SIGTERM')],
  ['SIGINT', async (here: Machine) => process.kill(await daemonPid(here), 'SIGINT')],
  ['deleting its interface', ({ a, name }: Machine) => a.run('ip', 'link', 'delete', name)],
  ['deleting its socket', ({ a, name }: Machine) => a.run('rm', `/var/run/wireguard/${name}.sock`)],
] as const) {
  namespaceTest(`${what} ends a daemon, and it takes everything back`, async (t, net) => {
    const here = await machine(net);
    succeeded(t, await here.beam('up', here.path));
    const pid = await daemonPid(here);
    await end(here);
    await waitFor('the daemon has ended', () => hasEnded(pid));
    await nothingLeft(t, here);
  });
}

namespaceTest('what is applied by reload loses no ping; SIGHUP does the same', async (t, net) => {
  const here = await machine(net);
  const { a, beam, path, config, name } = here;
  succeeded(t, await beam('up', path));
  await waitForPing(a, '10.99.0.2');
  const pings = a.spawn(['ping', '-n', '-i', '0.01', '10.99.0.2']);
  const shows = async (address: string): Promise<boolean> =>
    (await a.run('ip', 'address', 'show', 'dev', name)).includes(address);

  writeFileSync(path, config.replace('10.99.0.1/24', '10.99.0.1/24, 10.98.0.1/24'));
  const { stdout: diff } = succeeded(t, await beam('config', 'diff', name));
  t.false(await shows('10.98.0.1/24'), 'diff only tells');
  t.is(succeeded(t, await beam('reload', name)).stdout, diff);
  t.true(await shows('10.98.0.1/24'));

  writeFileSync(path, config.replace('10.99.0.1/24', '10.99.0.1/24, 10.97.0.1/24'));
  process.kill(await daemonPid(here), 'SIGHUP');
  // The new address comes before the old one goes.
  await waitFor('the signal is heard', async () => !(await shows('10.98.0.1/24')));
  t.true(await shows('10.97.0.1/24'));

  await waitFor('pings go on', () => pings.stdout.split('\n').length > 100);
  await pings.stop('SIGINT');
  const numbers = [...pings.stdout.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, n]) => Number(n));
  t.deepEqual(
    Array.from({ length: Math.max(...numbers) }, (_, i) => i + 1).filter(
      (n) => !numbers.includes(n),
    ),
    [],
  );
  succeeded(t, await beam('down', name));
  await nothingLeft(t, here);
});

namespaceTest('a drop-in speaks as LOG_LEVEL says', async (t, net) => {
  const a = await net.namespace('a');
  for (const [level, speaks] of [
    ['', false],
    ['silent', false],
    ['error', false],
    ['verbose', true],
  ] as const) {
    const name = net.newInterfaceName();
    const daemon = a.spawn([process.execPath, MAIN, '-f', name], {
      env: { ...ENV, LOG_LEVEL: level },
    });
    await waitFor('it answers', async () => (await a.try('wg', 'show', name)).status === 0);
    await a.run('ip', 'link', 'set', name, 'up');
    await a.run('ip', 'link', 'delete', name);
    t.is((await daemon.waitForEnd(10_000)).status, 0, daemon.log);
    t.is(daemon.stdout, '');
    if (speaks) t.regex(daemon.stderr, new RegExp(`^(INFO|DEBUG): \\(${name}\\) .+\\n`));
    else t.is(daemon.stderr, '', `LOG_LEVEL=${level}`);
  }
});

/** Opens a TUN device as descriptor 5 and becomes the command: what a supervisor does. */
const WITH_TUN = `
  use strict; use Fcntl; use POSIX ();
  my ($name, @command) = @ARGV;
  sysopen(my $tun, '/dev/net/tun', O_RDWR) or die "open: $!";
  my $IFF_TUN_NO_PI = 0x1001;
  ioctl($tun, 0x400454ca, pack('Z16 S x22', $name, $IFF_TUN_NO_PI)) or die "TUNSETIFF: $!";
  POSIX::dup2(fileno($tun), 5) or die "dup2: $!";
  exec(@command) or die "exec: $!";`;

namespaceTest(
  'a drop-in takes a TUN descriptor over, in the foreground and in the background',
  async (t, net) => {
    const a = await net.namespace('a');
    for (const foreground of [true, false]) {
      const name = net.newInterfaceName();
      const beam = [process.execPath, MAIN, ...(foreground ? ['-f'] : []), name];
      const command = ['perl', '-e', WITH_TUN, name, ...beam];
      const started = a.spawn(command, { env: { ...ENV, WG_TUN_FD: '5' } });
      if (!foreground) t.is((await started.waitForEnd(20_000)).status, 0, started.log);
      await waitFor(`it answers: ${started.log}`, async () => {
        return (await a.try('wg', 'show', name)).status === 0;
      });
      await a.run('ip', 'link', 'set', name, 'up');
      await a.run('ip', 'link', 'delete', name);
      if (foreground) t.is((await started.waitForEnd(10_000)).status, 0, started.log);
      const socket = `/var/run/wireguard/${name}.sock`;
      await waitFor('its socket is gone', () => !existsSync(socket));
    }
  },
);

namespaceTest('a descriptor that is no TUN is refused with words', async (t, net) => {
  const a = await net.namespace('a');
  const name = net.newInterfaceName();
  for (const foreground of ['0', '1']) {
    const { status, stderr } = await runToEnd(
      a.command(['sh', '-c', `exec "$0" "$@" 5</dev/null`, process.execPath, MAIN, name]),
      { env: { ...ENV, WG_TUN_FD: '5', WG_PROCESS_FOREGROUND: foreground } },
    );
    t.is(status, 1);
    t.regex(stderr, /^E_\w+ .*\n {2}remedy: /m);
    t.false(existsSync(`/var/run/wireguard/${name}.sock`));
  }
});
