// TUN devices of src/platform against the kernel: packets both ways, link changes here and in other
// namespaces, and every way for a device to end. With the addon and without it.
import { namespaceTest, type Namespace } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import { ADAPTERS, adapterTitle, IoFailure, IoSubject } from '../support/ioSubject.js';
import { echoReply, isEchoRequest } from '../support/echo.js';

const tunExists = async (namespace: Namespace, name: string): Promise<boolean> =>
  (await namespace.try('ip', 'link', 'show', 'dev', name)).status === 0;

const isGone = (namespace: Namespace, name: string): Promise<boolean> =>
  waitFor(`${name} is gone`, async () => !(await tunExists(namespace, name)));

async function upWithAddresses(namespace: Namespace, name: string): Promise<void> {
  await namespace.addAddress(name, '10.7.0.1/24');
  await namespace.addAddress(name, 'fd07::1/64');
  await namespace.run('ip', 'link', 'set', name, 'up');
}

/** Opens descriptor 5 on a TUN of that kind, then runs the rest of the command line. */
const launcher = (name: string, flags: number): string[] => [
  'perl',
  '-e',
  `use POSIX (); use Fcntl qw(O_RDWR);
   my ($name, $flags, @command) = @ARGV;
   $^F = 255;
   sysopen(my $tun, '/dev/net/tun', O_RDWR) or die "open: $!";
   my $request = pack('Z16 S x22', $name, $flags);
   ioctl($tun, 0x400454ca, $request) or die "TUNSETIFF: $!";
   POSIX::dup2(fileno($tun), 5) or die "dup2: $!";
   close($tun);
   exec(@command);`,
  name,
  String(flags),
];
const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

const withoutCapability = (name: string): string[] => {
  const drop = `-${name}`;
  return ['setpriv', '--bounding-set', drop, '--inh-caps', drop, '--'];
};

for (const adapter of ADAPTERS) {
  const how = adapterTitle(adapter);

  namespaceTest(`a TUN ${how} answers pings of every size and both families`, async (t, net) => {
    const here = await net.namespace('a');
    const subject = new IoSubject(here, adapter);
    t.is(await subject.openTun({ name: 'tun7', mtu: 1420 }), 'tun7');
    await upWithAddresses(here, 'tun7');
    await subject.linkBecomes({ up: true, mtu: 1420 });
    subject.onPacket = (packet) => {
      if (isEchoRequest(packet)) void subject.writeTun(echoReply(packet));
    };
    for (const to of ['10.7.0.2', 'fd07::2']) {
      for (const bytes of [0, 1, 1000, 1360]) {
        const size = ['-s', String(bytes)];
        const ping = await here.try('ping', '-c', '3', '-i', '0.05', '-W', '2', ...size, to);
        t.regex(ping.stdout, / 0% packet loss/, `${to} with ${bytes} bytes`);
      }
    }
    await subject.setMtu(65_535);
    await subject.linkBecomes({ up: true, mtu: 65_535 });
    const large = await here.try(
      'ping',
      '-c',
      '2',
      '-i',
      '0.05',
      '-W',
      '2',
      '-s',
      '65000',
      'fd07::2',
    );
    t.regex(large.stdout, / 0% packet loss/);
  });

  namespaceTest(`a burst into a TUN ${how} comes out whole and in order`, async (t, net) => {
    const here = await net.namespace('a');
    const subject = new IoSubject(here, adapter);
    await subject.openTun({ name: 'tun7', mtu: 1420 });
    await upWithAddresses(here, 'tun7');
    const count = 450;
    // Sizes go up and down, so that packets start all over the buffer.
    await here.run(
      process.execPath,
      '-e',
      `const socket = require('node:dgram').createSocket('udp4');
       for (let i = 0; i < ${count}; i++) {
         const bytes = Buffer.alloc(4 + (i * 37) % 1388, i & 255);
         bytes.writeUInt32BE(i);
         socket.send(bytes, 9, '10.7.0.2');
       }
       setTimeout(() => socket.close(), 100);`,
    );
    const bursts = (): Buffer[] => subject.packets.filter((p) => p[0] === 0x45 && p[9] === 17);
    await waitFor('all arrive', () => bursts().length >= count);
    t.deepEqual(
      bursts().map((packet) => packet.readUInt32BE(28)),
      Array.from({ length: count }, (_, i) => i),
    );
    t.true(
      bursts().every((packet, i) => {
        const payload = packet.subarray(28);
        return (
          payload.length === 4 + ((i * 37) % 1388) &&
          payload.subarray(4).every((byte) => byte === (i & 255))
        );
      }),
    );
  });

  namespaceTest(`a TUN ${how} tells each change of link and MTU`, async (t, net) => {
    const here = await net.namespace('a');
    const subject = new IoSubject(here, adapter);
    await subject.openTun({ name: 'tun7', mtu: null });
    await subject.linkBecomes({ up: false, mtu: 1500 });
    await here.run('ip', 'link', 'set', 'tun7', 'mtu', '1280');
    await subject.linkBecomes({ up: false, mtu: 1280 });
    await here.run('ip', 'link', 'set', 'tun7', 'up');
    await subject.linkBecomes({ up: true, mtu: 1280 });
    await here.run('ip', 'link', 'set', 'tun7', 'mtu', '68');
    await subject.linkBecomes({ up: true, mtu: 68 });
    // Another interface's changes are none of its business, nor is a new name.
    await here.run('ip', 'link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'peer');
    await here.run('ip', 'link', 'set', 'other', 'mtu', '9000', 'up');
    await here.run('ip', 'link', 'set', 'tun7', 'down');
    await subject.linkBecomes({ up: false, mtu: 68 });
    await here.run('ip', 'link', 'set', 'tun7', 'name', 'renamed');
    await here.run('ip', 'link', 'set', 'renamed', 'mtu', '1400', 'up');
    await subject.linkBecomes({ up: true, mtu: 1400 });
    t.deepEqual(
      subject.links.filter(({ mtu }) => ![1500, 1280, 68, 1400].includes(mtu)),
      [],
    );
  });

  namespaceTest(`setting the MTU of a TUN ${how} works or says why not`, async (t, net) => {
    const here = await net.namespace('a');
    const subject = new IoSubject(here, adapter);
    await subject.openTun({ name: 'tun7', mtu: 1420 });
    for (const mtu of [68, 1299, 65_535]) {
      await subject.setMtu(mtu);
      await subject.linkBecomes({ up: false, mtu });
    }
    for (const mtu of [0, 67, 65_536]) {
      const error = await t.throwsAsync(subject.setMtu(mtu), { instanceOf: IoFailure });
      t.is(error.code, 'E_TUN_MTU', String(mtu));
    }
    await here.run('ip', 'link', 'del', 'tun7');
    await subject.closes();
    const error = await t.throwsAsync(subject.setMtu(1420), { instanceOf: IoFailure });
    t.is(error.code, 'E_TUN_MTU');
  });

  namespaceTest(
    `a TUN ${how} that is deleted closes once and lets the process end`,
    async (t, net) => {
      const here = await net.namespace('a');
      const subject = new IoSubject(here, adapter);
      await subject.openTun({ name: 'tun7', mtu: 1420 });
      await here.run('ip', 'link', 'set', 'tun7', 'up');
      await here.run('ip', 'link', 'del', 'tun7');
      await subject.closes();
      t.false(await subject.writeTun(Buffer.alloc(20, 0x45)));
      subject.letGo();
      t.deepEqual(await subject.process.waitForEnd(5000), { status: 0, signal: null });
      t.is(subject.closedTimes, 1);
    },
  );

  namespaceTest(
    `a TUN ${how} that moves away is followed until it is deleted there`,
    async (t, net) => {
      const here = await net.namespace('a');
      const there = await net.namespace('b');
      const subject = new IoSubject(here, adapter);
      await subject.openTun({ name: 'tun7', mtu: 1420 });
      await here.run('ip', 'link', 'set', 'tun7', 'up');
      await subject.linkBecomes({ up: true, mtu: 1420 });
      // One of the same name stays behind and must not be taken for it.
      await here.run('ip', 'link', 'set', 'tun7', 'netns', there.name, 'name', 'moved7');
      await here.run('ip', 'tuntap', 'add', 'dev', 'moved7', 'mode', 'tun');
      await here.run('ip', 'link', 'set', 'moved7', 'mtu', '1300', 'up');
      await subject.linkBecomes({ up: false, mtu: 1420 });
      await there.run('ip', 'link', 'set', 'moved7', 'up');
      await subject.linkBecomes({ up: true, mtu: 1420 });
      if (adapter === 'addon') {
        await there.run('ip', 'link', 'set', 'moved7', 'mtu', '1312');
        await subject.linkBecomes({ up: true, mtu: 1312 });
        await subject.setMtu(1290);
        await subject.linkBecomes({ up: true, mtu: 1290 });
        t.deepEqual(await subject.tunFeatures(), { adapter: 'addon', link: 'netlink' });
      }
      await there.addAddress('moved7', '10.7.0.1/24');
      subject.onPacket = (packet) => {
        if (isEchoRequest(packet)) void subject.writeTun(echoReply(packet));
      };
      t.regex(
        (await there.try('ping', '-c', '1', '-W', '2', '10.7.0.2')).stdout,
        / 0% packet loss/,
      );
      t.is(subject.closedTimes, 0);
      await there.run('ip', 'link', 'del', 'moved7');
      await subject.closes();
    },
  );

  namespaceTest(`a TUN ${how} closes with the namespace it moved to`, async (t, net) => {
    const here = await net.namespace('a');
    const there = await net.namespace('b');
    const subject = new IoSubject(here, adapter);
    await subject.openTun({ name: 'tun7', mtu: 1420 });
    await here.run('ip', 'link', 'set', 'tun7', 'netns', there.name);
    await there.run('ip', 'link', 'set', 'tun7', 'up');
    await subject.linkBecomes({ up: true, mtu: 1420 });
    await there.close();
    t.true(await subject.closes(10_000));
  });

  namespaceTest(`the interface of a TUN ${how} goes with close, exit and kill`, async (t, net) => {
    const here = await net.namespace('a');
    const ends: readonly ((subject: IoSubject) => unknown)[] = [
      (subject) => subject.closeTun(),
      (subject) => subject.exit(),
      (subject) => subject.process.signal('SIGKILL'),
    ];
    for (const end of ends) {
      const subject = new IoSubject(here, adapter);
      await subject.openTun({ name: 'tun7', mtu: 1420 });
      await here.run('ip', 'link', 'set', 'tun7', 'up');
      await end(subject);
      t.true(await isGone(here, 'tun7'));
      t.is(subject.closedTimes, 0);
      if (end === ends[0]) subject.letGo();
      await subject.process.waitForEnd(5000);
    }
    await waitFor('no relay is left', async () => {
      const pids = await here.try('ip', 'netns', 'pids', here.name);
      return pids.stdout.trim().split('\n').length <= 1;
    });
  });

  namespaceTest(`opening a TUN ${how} fails with the reason`, async (t, net) => {
    const here = await net.namespace('a');
    const first = new IoSubject(here, adapter);
    const second = new IoSubject(here, adapter);
    await first.openTun({ name: 'tun7', mtu: 1420 });
    await here.run('ip', 'link', 'add', 'veth7', 'type', 'veth', 'peer', 'name', 'peer7');
    const refused = async (
      source: Parameters<IoSubject['openTun']>[0],
      found: RegExp,
    ): Promise<void> => {
      const error = await t.throwsAsync(second.openTun(source), { instanceOf: IoFailure });
      t.is(error.code, 'E_TUN');
      t.regex(error.message, found);
    };
    await refused({ name: 'tun7', mtu: 1420 }, /EBUSY/);
    await refused({ name: 'veth7', mtu: 1420 }, /EINVAL/);
    for (const name of ['', '.', '..', 'a/b', 'a b', 'wg%d', 'sixteencharacter', 'a:b']) {
      await refused({ name, mtu: 1420 }, /not a valid name/);
    }
    // Standard error of the process: not a TUN.
    await refused({ fd: 2 }, /ENOTTY|EINVAL|EBADF/);
    // An MTU that can't be had leaves no interface behind.
    const error = await t.throwsAsync(second.openTun({ name: 'tun8', mtu: 67 }), {
      instanceOf: IoFailure,
    });
    t.is(error.code, 'E_TUN_MTU');
    t.true(await isGone(here, 'tun8'));
    // After all that the same process opens one.
    t.is(await second.openTun({ name: 'fifteen-charact', mtu: 1420 }), 'fifteen-charact');
  });

  namespaceTest(`a persistent TUN is attached to ${how} and stays`, async (t, net) => {
    const here = await net.namespace('a');
    await here.run('ip', 'tuntap', 'add', 'dev', 'tun7', 'mode', 'tun');
    await here.run('ip', 'link', 'set', 'tun7', 'mtu', '1333', 'up');
    const subject = new IoSubject(here, adapter);
    await subject.openTun({ name: 'tun7', mtu: null });
    await subject.linkBecomes({ up: true, mtu: 1333 });
    await subject.closeTun();
    await pause(50);
    t.true(await tunExists(here, 'tun7'));
  });

  namespaceTest(`a descriptor that was handed over (WG_TUN_FD) works ${how}`, async (t, net) => {
    const here = await net.namespace('a');
    const through = launcher('given7', IFF_TUN | IFF_NO_PI);
    const subject = new IoSubject(here, adapter, { through });
    t.is(await subject.openTun({ fd: 5 }), 'given7');
    await upWithAddresses(here, 'given7');
    await subject.linkBecomes({ up: true, mtu: 1500 });
    subject.onPacket = (packet) => {
      if (isEchoRequest(packet)) void subject.writeTun(echoReply(packet));
    };
    t.regex((await here.try('ping', '-c', '2', '-W', '2', '10.7.0.2')).stdout, / 0% packet loss/);
    await here.run('ip', 'link', 'del', 'given7');
    await subject.closes();
  });

  namespaceTest(`a descriptor of another kind of device is refused ${how}`, async (t, net) => {
    const here = await net.namespace('a');
    for (const flags of [IFF_TUN, IFF_TAP | IFF_NO_PI, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR]) {
      const subject = new IoSubject(here, adapter, { through: launcher('given7', flags) });
      const error = await t.throwsAsync(subject.openTun({ fd: 5 }), { instanceOf: IoFailure });
      t.is(error.code, 'E_TUN');
      t.regex(error.message, /EPROTO/);
      subject.exit();
      await subject.process.waitForEnd(5000);
    }
  });
}

namespaceTest(
  'a TUN refuses what is not an IP packet, and all while it is down',
  async (t, net) => {
    const here = await net.namespace('a');
    const subject = new IoSubject(here, 'addon');
    await subject.openTun({ name: 'tun7', mtu: 1420 });
    const packet = Buffer.from(
      '450000140000000040000000 0a070002 0a070001'.replaceAll(' ', ''),
      'hex',
    );
    t.false(await subject.writeTun(packet), 'down');
    await upWithAddresses(here, 'tun7');
    t.true(await subject.writeTun(packet));
    t.false(await subject.writeTun(Buffer.alloc(0)));
    t.false(await subject.writeTun(Buffer.from([0x15, 0, 0, 0])));
    await subject.closeTun();
    t.false(await subject.writeTun(packet), 'closed');
  },
);

namespaceTest(
  'a TUN in another namespace is polled where it may not be listened to',
  async (t, net) => {
    const here = await net.namespace('a');
    const there = await net.namespace('b');
    const through = withoutCapability('net_broadcast');
    const subject = new IoSubject(here, 'addon', { through });
    await subject.openTun({ name: 'tun7', mtu: 1420 });
    t.deepEqual(await subject.tunFeatures(), { adapter: 'addon', link: 'netlink' });
    await here.run('ip', 'link', 'set', 'tun7', 'netns', there.name);
    await waitFor('polling starts', async () => (await subject.tunFeatures()).link === 'polled');
    await there.run('ip', 'link', 'set', 'tun7', 'mtu', '1333', 'up');
    await subject.linkBecomes({ up: true, mtu: 1333 });
    await there.run('ip', 'link', 'set', 'tun7', 'down');
    await subject.linkBecomes({ up: false, mtu: 1333 });
    // Back in our namespace it is watched again.
    await there.run('ip', 'link', 'set', 'tun7', 'netns', here.name);
    await waitFor('watching starts', async () => (await subject.tunFeatures()).link === 'netlink');
    await here.run('ip', 'link', 'set', 'tun7', 'mtu', '1300', 'up');
    await subject.linkBecomes({ up: true, mtu: 1300 });
    await here.run('ip', 'link', 'set', 'tun7', 'netns', there.name);
    await there.run('ip', 'link', 'del', 'tun7');
    t.true(await subject.closes());
  },
);

namespaceTest('a TUN in another namespace is watched without leave to enter it', async (t, net) => {
  const here = await net.namespace('a');
  const there = await net.namespace('b');
  const subject = new IoSubject(here, 'addon', { through: withoutCapability('sys_admin') });
  await subject.openTun({ name: 'tun7', mtu: 1420 });
  await here.run('ip', 'link', 'set', 'tun7', 'netns', there.name);
  await there.run('ip', 'link', 'set', 'tun7', 'mtu', '1333', 'up');
  await subject.linkBecomes({ up: true, mtu: 1333 }, 500);
  t.deepEqual(await subject.tunFeatures(), { adapter: 'addon', link: 'netlink' });
  const error = await t.throwsAsync(subject.setMtu(1400), { instanceOf: IoFailure });
  t.regex(error.message, /EPERM/);
});
