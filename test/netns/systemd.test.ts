// systemd/beam@.service under a real systemd: what the unit allows is enough, and no more than it
// says. SPEC.md 9.6.
import type { ExecutionContext } from 'ava';
import { namespaceTest } from '../support/netns.js';
import type { Network } from '../support/netns.js';
import { waitFor } from '../support/netnsProcess.js';
import { newKeyPair, SUBJECT } from '../support/netnsTunnel.js';
import { SystemdMachine, systemdUnavailable } from '../support/systemdMachine.js';

const NAME = 'tunnel0';
const UNIT = `beam@${NAME}`;
const FILE = `/etc/beam/${NAME}.conf`;
const keys = newKeyPair();
const peer = newKeyPair();

const FORBIDDEN = [
  '/x',
  '/usr/x',
  '/etc/x',
  '/var/x',
  '/root/x',
  '/run/systemd/system/x',
  '/tmp/x',
];

/** CAP_NET_BIND_SERVICE and CAP_NET_ADMIN. */
const CAPABILITIES = ((1n << 10n) | (1n << 12n)).toString(16).padStart(16, '0');

const fullTunnel = (settings: string): string => `[Interface]
Address = 10.99.0.1/24, fd99::1/64
${settings}
[Peer]
PublicKey = ${peer.publicKey}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 192.0.2.2:51820
`;

function systemdTest(
  claim: string,
  body: (t: ExecutionContext, machine: SystemdMachine) => Promise<void>,
): void {
  namespaceTest(
    claim,
    async (t, net: Network) => {
      const machine = await SystemdMachine.boot(net, await net.namespace('m'));
      try {
        await body(t, machine);
      } catch (error) {
        t.log(await machine.journal(UNIT));
        throw error;
      }
    },
    {
      unless: () => (SUBJECT === 'beam' ? systemdUnavailable() : `${SUBJECT} has no such unit`),
      timeoutMs: 110_000,
    },
  );
}

/** Rules, routes and firewall: what a full tunnel changes. */
async function network(machine: SystemdMachine): Promise<string> {
  const parts = [
    await machine.run('ip', 'rule'),
    await machine.run('ip', '-6', 'rule'),
    await machine.run('ip', 'route', 'show', 'table', 'all'),
    await machine.run('nft', 'list', 'tables'),
    await machine.run('sysctl', 'net.ipv4.conf.all.src_valid_mark'),
  ];
  return parts
    .join('')
    .split('\n')
    .filter((line) => !line.includes('other0'))
    .join('\n');
}

systemdTest(
  'the unit brings a full tunnel up, reloads and saves it, and takes everything back',
  async (t, machine) => {
    const before = await network(machine);
    const hook = 'PostUp = ip link set %i txqueuelen 777; nft add table ip hooked\n';
    const escapes = `PostUp = touch ${FORBIDDEN.join(' ')} 2> /dev/null; true\n`;
    const text = fullTunnel(
      `PrivateKey = ${keys.privateKey}\nListenPort = 443\n${hook}${escapes}PostDown = nft delete table ip hooked`,
    );
    await machine.write(FILE, text);
    await machine.run('systemctl', 'start', UNIT);

    t.is(await machine.property(UNIT, 'StatusText'), `${NAME} is up, 1 peer`);
    const pid = await machine.property(UNIT, 'MainPID');
    const status = await machine.run('cat', `/proc/${pid}/status`);
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) t.regex(status, line(set, CAPABILITIES));
    t.regex(status, line('NoNewPrivs', '1'));
    t.regex(status, line('Seccomp', '2'));
    t.regex(await machine.run('ip', 'rule'), /not from all fwmark 0xca6c lookup 51820/);
    t.regex(await machine.run('ip', 'link', 'show', NAME), /qlen 777/);
    t.regex(await machine.run('sysctl', 'net.ipv4.conf.all.src_valid_mark'), /= 1/);
    t.is(await machine.run('wg', 'show', NAME, 'listen-port'), '443\n');
    const written = await machine.try('ls', '-d', ...FORBIDDEN);
    t.is(written.stdout, '', 'a hook writes only where the unit lets it');

    await machine.write(FILE, text.replace('443', '1443'));
    await machine.run('systemctl', 'reload', UNIT);
    t.is(await machine.run('wg', 'show', NAME, 'listen-port'), '1443\n');

    await machine.write(FILE, text.replace('443', '443x'));
    t.is((await machine.try('systemctl', 'reload', UNIT)).status, 1);
    t.is((await machine.run('systemctl', 'is-active', UNIT)).trim(), 'active');
    t.regex(await machine.journal(UNIT), /E_CONFIG_NUMBER .*tunnel0\.conf:4/);
    t.is(await machine.property(UNIT, 'MainPID'), pid);
    t.is(await machine.run('wg', 'show', NAME, 'listen-port'), '1443\n');

    await machine.run('wg', 'set', NAME, 'peer', peer.publicKey, 'persistent-keepalive', '7');
    await machine.run('beam', 'save', NAME);
    t.regex(await machine.run('cat', FILE), /^PersistentKeepalive = 7$/m);

    await machine.run('systemctl', 'stop', UNIT);
    t.is(await machine.property(UNIT, 'Result'), 'success');
    t.is(await network(machine), before);
    t.is(
      await machine.run('ls', '-A', '/run/beam', '/run/wireguard'),
      '/run/beam:\n\n/run/wireguard:\n',
    );
  },
);

systemdTest(
  'killed, it puts the network back and comes up again; one tunnel leaves another alone',
  async (t, machine) => {
    const before = await network(machine);
    await machine.write(FILE, fullTunnel(`PrivateKey = ${keys.privateKey}`));
    await machine.write(
      '/etc/beam/other0.conf',
      `[Interface]\nPrivateKey = ${newKeyPair().privateKey}\n`,
    );
    await machine.run('systemctl', 'start', 'beam@other0', UNIT);
    const pid = await machine.property(UNIT, 'MainPID');
    await machine.run('kill', '-KILL', pid);
    await waitFor('it waits for its restart', async () => {
      return (await machine.property(UNIT, 'SubState')) === 'auto-restart';
    });
    t.is(await network(machine), before, 'the network is as it was while nobody serves the tunnel');
    await waitFor(
      'it is up again',
      async () => (await machine.property(UNIT, 'ActiveState')) === 'active',
      { timeoutMs: 30_000, everyMs: 250 },
    );
    t.is(await machine.property(UNIT, 'NRestarts'), '1');
    t.regex(await machine.run('ip', 'rule'), /lookup 51820/);

    await machine.run('beam', 'down', NAME);
    await waitFor('the unit has ended', async () => {
      return (await machine.property(UNIT, 'ActiveState')) === 'inactive';
    });
    t.is(await machine.property(UNIT, 'Result'), 'success', 'beam down ends the unit in peace');
    t.is((await machine.run('systemctl', 'is-active', 'beam@other0')).trim(), 'active');
    t.is((await machine.try('beam', 'status', 'other0')).status, 0);
  },
);

systemdTest('the private key comes as a credential, as the example has it', async (t, machine) => {
  const dropIn = `/etc/systemd/system/${UNIT}.service.d/credentials.conf`;
  const example = await machine.run(
    'cat',
    '/opt/beam/systemd/beam@.service.d/credentials.conf.example',
  );
  await machine.write(dropIn, example);
  await machine.write(`/etc/beam/${NAME}.key`, `${keys.privateKey}\n`);
  await machine.write(FILE, fullTunnel('#: [Beam]\n#: PrivateKeyFile = private.key'));
  await machine.run('systemctl', 'daemon-reload');
  await machine.run('systemctl', 'start', UNIT);
  t.is(await machine.run('wg', 'show', NAME, 'public-key'), `${keys.publicKey}\n`);
  await machine.run('systemctl', 'reload', UNIT);
  t.is(await machine.run('wg', 'show', NAME, 'public-key'), `${keys.publicKey}\n`);
});

systemdTest('systemd finds nothing to object to in the unit', async (t, machine) => {
  const unit = '/etc/systemd/system/beam@.service';
  const verified = await machine.try('systemd-analyze', 'verify', unit);
  t.is(verified.stdout + verified.stderr, '');
  // 2.4 at the time of systemd/README.md; later versions of systemd may look at more.
  const exposure = ['security', '--offline=true', '--threshold=25', '--no-pager', unit];
  const { status, stdout } = await machine.try('systemd-analyze', ...exposure);
  t.is(status, 0, stdout);
});

const line = (name: string, value: string): RegExp => new RegExp(`^${name}:\\s+${value}$`, 'm');
