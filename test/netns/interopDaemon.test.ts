// The process behind an interface: how it starts, where its interface may go, and how it ends.
import { existsSync, readFileSync } from 'node:fs';
import { Capture } from '../support/netnsCapture.js';
import { namespaceTest } from '../support/netns.js';
import type { Namespace } from '../support/netns.js';
import { destroyNamespace } from '../support/netnsLeftovers.js';
import { pause, runToEnd, waitFor } from '../support/netnsProcess.js';
import { INNER, endpoint, tunnelPair, twoEnds } from '../support/netnsTopology.js';
import { ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT, Tunnel, daemonCommand, foregroundCommand } from '../support/netnsTunnel.js';

const PAIR = { a: SUBJECT, b: SUBJECT } as const;

const hasInterface = async (namespace: Namespace, name: string): Promise<boolean> =>
  (await namespace.try('ip', 'link', 'show', name)).status === 0;

namespaceTest(
  'it ends with status 0 and without its socket when the interface is deleted',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.a.run('ip', 'link', 'del', a.interfaceName);
    t.deepEqual(await a.process.waitForEnd(5_000), { status: 0, signal: null });
    t.false(a.socketExists);
    t.is(b.process.outcome, null, 'the other end is not concerned');
  },
);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  namespaceTest(`${signal} ends it with status 0, without interface and socket`, async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    t.deepEqual(await a.process.stop(signal), { status: 0, signal: null });
    t.false(a.socketExists);
    t.false(await hasInterface(ends.a, a.interfaceName));
  });
}

namespaceTest(
  'after kill -9 the next start takes over the stale socket and works',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const config = net.file('killed.conf', await a.wg('showconf', a.interfaceName));
    await a.process.stop('SIGKILL');
    t.true(a.socketExists, 'the killed process left its socket');
    await waitFor('the interface is gone', async () => {
      return !(await hasInterface(ends.a, a.interfaceName));
    });
    const { interfaceName, keys } = a;
    const next = await Tunnel.start(net, {
      implementation: SUBJECT,
      namespace: ends.a,
      interfaceName,
      keys,
    });
    await next.wg('setconf', interfaceName, config);
    await next.up([`${INNER.a[4]}/24`], 1420);
    await waitForPing(ends.a, INNER.b[4], 15_000);
    t.true((await b.peer(keys.publicKey)).latestHandshakeS > 0);
  },
);

namespaceTest(
  'a second start of the same interface fails and leaves the first alone',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const second = await ends.a.try(...foregroundCommand(SUBJECT, a.interfaceName));
    t.not(second.status, 0);
    t.not(`${second.stdout}${second.stderr}`.trim(), '', 'it says why');
    t.is((await ping(ends.a, INNER.b[4])).received, 3);
    t.true(a.socketExists);
  },
);

namespaceTest(
  'an interface moves to another namespace, works there, and its end there is the end',
  async (t, net) => {
    const ends = await twoEnds(net);
    const inside = await net.namespace('inside');
    const { a } = await tunnelPair(net, ends, PAIR);
    await ends.a.run('ip', 'link', 'set', a.interfaceName, 'netns', inside.name);
    await a.up([`${INNER.a[4]}/24`, `${INNER.a[6]}/64`], 1400, inside);
    await waitForPing(inside, INNER.b[4]);
    await transfer(inside, { namespace: ends.b, address: INNER.b[6] }, { bytes: 1024 * 1024 });
    const wire = await inside.try('ip', 'link', 'show', 'wire0');
    t.not(wire.status, 0, 'the inside has no other way out');
    await inside.run('ip', 'link', 'set', a.interfaceName, 'mtu', '1300');
    t.is((await ping(inside, INNER.b[4], { payloadBytes: 1272, args: ['-M', 'do'] })).received, 3);
    await inside.run('ip', 'link', 'del', a.interfaceName);
    t.deepEqual(await a.process.waitForEnd(8_000), { status: 0, signal: null });
    t.false(a.socketExists);
  },
);

namespaceTest(
  'it ends when the namespace that its interface was moved to is removed',
  async (t, net) => {
    const ends = await twoEnds(net);
    const inside = await net.namespace('inside');
    const { a } = await tunnelPair(net, ends, PAIR);
    await ends.a.run('ip', 'link', 'set', a.interfaceName, 'netns', inside.name);
    await a.up([`${INNER.a[4]}/24`], 1400, inside);
    await waitForPing(inside, INNER.b[4]);
    await destroyNamespace(inside.name);
    t.deepEqual(await a.process.waitForEnd(8_000), { status: 0, signal: null });
    t.false(a.socketExists);
  },
);

const BIG_MTU = 34_736;

namespaceTest('both ends on one loopback carry packets of 34,736 bytes', async (t, net) => {
  // As the kernel's own netns.sh does it: sockets in one namespace, interfaces in two others.
  const outside = await net.namespace('out');
  const [insideA, insideB] = [await net.namespace('ina'), await net.namespace('inb')];
  const { a, b } = await tunnelPair(
    net,
    { a: outside, b: outside },
    {
      ...PAIR,
      endpointOfB: endpoint('127.0.0.1', 51820),
      addresses: 'none',
    },
  );
  for (const [tunnel, inside] of [
    [a, insideA],
    [b, insideB],
  ] as const) {
    await outside.run('ip', 'link', 'set', tunnel.interfaceName, 'netns', inside.name);
  }
  await a.up([`${INNER.a[4]}/24`, `${INNER.a[6]}/64`], BIG_MTU, insideA);
  await b.up([`${INNER.b[4]}/24`, `${INNER.b[6]}/64`], BIG_MTU, insideB);
  await waitForPing(insideA, INNER.b[4]);
  const capture = await Capture.start(net, outside, 'lo');
  const whole = { payloadBytes: BIG_MTU - 28, args: ['-M', 'do'] };
  t.is((await ping(insideA, INNER.b[4], whole)).received, 3);
  t.is((await ping(insideA, INNER.b[6], { ...whole, payloadBytes: BIG_MTU - 48 })).received, 3);
  await waitFor('tcpdump has written all', () => capture.datagrams().length >= 12);
  const lengths = (await capture.stop()).map(({ payload }) => payload.length);
  t.true(
    lengths.every((length) => length === BIG_MTU + 32),
    lengths.join(),
  );
  await transfer(insideA, { namespace: insideB, address: INNER.b[4] }, { bytes: 16 * 1024 * 1024 });
  await transfer(insideB, { namespace: insideA, address: INNER.a[6] }, { bytes: 16 * 1024 * 1024 });
});

/** The process that serves an interface, found as an administrator would: by its command line. */
async function daemonPid(namespace: Namespace, interfaceName: string): Promise<number | null> {
  const { stdout } = await runToEnd(['ip', 'netns', 'pids', namespace.name]);
  const pids = stdout.split('\n').filter(Boolean).map(Number);
  const serves = (pid: number): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(interfaceName);
    } catch {
      return false;
    }
  };
  return pids.find(serves) ?? null;
}

namespaceTest(
  'started plainly it becomes a daemon that is ready when the command returns',
  async (t, net) => {
    const namespace = await net.namespace('a');
    const interfaceName = net.newInterfaceName();
    const started = await namespace.try(daemonCommand(SUBJECT), interfaceName);
    t.is(started.status, 0, started.stderr);
    const shown = await namespace.try('wg', 'show', interfaceName);
    t.is(shown.status, 0, 'the interface answers at once');
    const pid = await daemonPid(namespace, interfaceName);
    t.truthy(pid);
    // Field 6 of /proc/PID/stat is the session: a daemon leads its own, without a terminal.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    if (SUBJECT === 'beam') t.is(stat[3], `${pid}`, 'it leads a session of its own');
    t.is(stat[4], '0', 'it has no terminal');
    await namespace.run('ip', 'link', 'del', interfaceName);
    await waitFor('it ends', () => !existsSync(`/proc/${pid}`) || isZombie(pid!));
    t.false(existsSync(`/var/run/wireguard/${interfaceName}.sock`));
  },
);

function isZombie(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

namespaceTest(
  'an interface name that the kernel would refuse is refused, with words',
  async (t, net) => {
    const namespace = await net.namespace('a');
    for (const name of ['a'.repeat(16), 'a/b', 'a b', '..']) {
      const started = await namespace.try(daemonCommand(SUBJECT), name);
      t.not(started.status, 0, name);
      t.not(`${started.stdout}${started.stderr}`.trim(), '', name);
    }
    await pause(100);
    const links = await namespace.run('ip', '-o', 'link');
    t.is(links.trim().split('\n').length, 1, 'only loopback is there');
  },
);
