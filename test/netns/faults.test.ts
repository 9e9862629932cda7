// What breaks under an agent that did nothing wrong: routes, filters, wires, the other end, time.
import { namespaceTest } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import {
  INNER,
  OUTER,
  PORT_OF_B,
  WIRE_DEVICE,
  endpoint,
  tunnelPair,
  twoEnds,
} from '../support/netnsTopology.js';
import { ping, startTransfer, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT, Tunnel } from '../support/netnsTunnel.js';

const PAIR = { a: SUBJECT, b: SUBJECT } as const;
const MEGABYTE = 1024 * 1024;

namespaceTest(
  'it outlives the loss of its address and route (ENETUNREACH) and is back with them',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.a.run('ip', 'address', 'del', `${OUTER.a[4]}/24`, 'dev', WIRE_DEVICE);
    t.is((await ping(ends.a, INNER.b[4], { count: 20, waitMs: 200 })).received, 0);
    await ends.a.addAddress(WIRE_DEVICE, `${OUTER.a[4]}/24`);
    await waitForPing(ends.a, INNER.b[4], 3_000);
    t.is(a.process.outcome, null);
  },
);

namespaceTest(
  'it outlives a filter that refuses its packets (EPERM) and is back after it',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const lift = await ends.a.rule('output', `udp dport ${PORT_OF_B} drop`);
    t.is((await ping(ends.a, INNER.b[4], { count: 20, waitMs: 200 })).received, 0);
    await lift();
    await waitForPing(ends.a, INNER.b[4], 3_000);
    t.is(a.process.outcome, null);
  },
);

namespaceTest('it starts while nothing can be sent, and connects when it can', async (t, net) => {
  const ends = await twoEnds(net);
  const lift = await ends.a.rule('output', `udp dport ${PORT_OF_B} drop`);
  const { a } = await tunnelPair(net, ends, { ...PAIR, persistentKeepaliveOfA: 1 });
  await pause(1_500);
  await lift();
  await waitForPing(ends.a, INNER.b[4], 12_000);
  t.is(a.process.outcome, null);
});

namespaceTest('answers that say "port unreachable" stop nothing', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, { ...PAIR, persistentKeepaliveOfA: 1 });
  await waitForPing(ends.a, INNER.b[4]);
  // While b listens elsewhere its system answers with ICMP, and a's sends give ECONNREFUSED.
  await b.set('listen-port', '5555');
  await pause(2_500);
  t.is(a.process.outcome, null);
  await b.set('listen-port', `${PORT_OF_B}`);
  await waitForPing(ends.a, INNER.b[4], 12_000);
});

namespaceTest('a transfer survives its wire being unplugged for a while', async (t, net) => {
  const ends = await twoEnds(net);
  const { a } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const to = { namespace: ends.b, address: INNER.b[4] };
  const running = await startTransfer(ends.a, to, { bytes: 4 * MEGABYTE, bytesPerS: 2 * MEGABYTE });
  await pause(500);
  await ends.b.run('ip', 'link', 'set', WIRE_DEVICE, 'down');
  await pause(1_500);
  await ends.b.run('ip', 'link', 'set', WIRE_DEVICE, 'up');
  await running.done;
  t.is(a.process.outcome, null);
});

namespaceTest('packets larger than the wire go in fragments', async (t, net) => {
  const ends = await twoEnds(net, 1280);
  await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const whole = { payloadBytes: 1420 - 28, args: ['-M', 'do'] };
  t.is((await ping(ends.a, INNER.b[4], whole)).received, 3);
  await transfer(ends.b, { namespace: ends.a, address: INNER.a[4] }, { bytes: MEGABYTE });
});

namespaceTest(
  'the other end crashes and comes back: its first packet restores the tunnel',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const { listenPort } = await a.status();
    await b.process.stop('SIGKILL');
    const back = await Tunnel.start(net, {
      implementation: SUBJECT,
      namespace: ends.b,
      keys: b.keys,
    });
    await back.setConfig({
      privateKey: b.keys.privateKey,
      listenPort: PORT_OF_B,
      peers: [
        {
          publicKey: a.keys.publicKey,
          endpoint: endpoint(OUTER.a[4], listenPort),
          allowedIps: [`${INNER.a[4]}/32`],
        },
      ],
    });
    await back.up([`${INNER.b[4]}/24`], 1420);
    await waitForPing(ends.b, INNER.a[4], 3_000);
    t.is((await ping(ends.a, INNER.b[4])).received, 3);
  },
);

namespaceTest('stopped for some seconds it goes on where it was', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const { latestHandshakeS } = await a.peer(b.keys.publicKey);
  a.process.signal('SIGSTOP');
  await pause(3_000);
  a.process.signal('SIGCONT');
  await waitForPing(ends.a, INNER.b[4], 3_000);
  t.is((await a.peer(b.keys.publicKey)).latestHandshakeS, latestHandshakeS, 'the same session');
});

namespaceTest(
  'more packets than the tunnel takes: it drops, and is at once there again',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const idleBytes = [a.residentBytes(), b.residentBytes()];
    const server = ends.b.spawn(['iperf3', '-s', '-1', '--forceflush']);
    await waitFor('iperf3 listens', () => server.log.includes('listening'));
    const flood = ends.a.spawn([
      'iperf3',
      '-c',
      INNER.b[4],
      '-u',
      '-b',
      '0',
      '-l',
      '64',
      '-P',
      '4',
      '-t',
      '4',
    ]);
    await pause(1_500);
    const pings = await ping(ends.a, INNER.b[4], { count: 20, intervalMs: 50, waitMs: 2_000 });
    const grownBytes = Math.max(
      a.residentBytes() - idleBytes[0]!,
      b.residentBytes() - idleBytes[1]!,
    );
    await flood.waitForEnd(20_000);
    t.log(`under overload ${pings.received} of 20 pings; ${grownBytes >> 20} MB more`);
    t.true(grownBytes < (SUBJECT === 'beam' ? 128 : 1024) * MEGABYTE, `${grownBytes} bytes more`);
    const after = await ping(ends.a, INNER.b[4], { count: 10 });
    t.is(after.received, 10);
    t.true(Math.max(...after.timesMs) < 100, after.timesMs.join());
  },
);

namespaceTest("removing its socket ends it, as wireguard-go's manual promises", async (t, net) => {
  const ends = await twoEnds(net);
  const { a } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  await ends.a.run('rm', a.socketPath);
  t.deepEqual(await a.process.waitForEnd(5_000), { status: 0, signal: null });
  const link = await ends.a.try('ip', 'link', 'show', a.interfaceName);
  t.not(link.status, 0, 'the interface is gone');
});
