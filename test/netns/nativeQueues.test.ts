// Several queues: one interface, one port, and a thread for each queue. Flows stay whole and in order,
// whichever thread they come by. SPEC.md 7.2 (Queues).
import { readFileSync, readdirSync } from 'node:fs';
import { loadEngineAddon } from '../../src/platform/nativeEngineAddon.js';
import { namespaceTest } from '../support/netns.js';
import type { Namespace, Network } from '../support/netns.js';
import { INNER, OUTER, PORT_OF_B, TUNNEL_MTU, endpoint } from '../support/netnsTopology.js';
import { tunnelPair, twoEnds } from '../support/netnsTopology.js';
import { numberedDatagrams, startTransfer, waitForPing } from '../support/netnsTraffic.js';
import { Tunnel } from '../support/netnsTunnel.js';

const unless = (): string | null => {
  const load = loadEngineAddon();
  return load.addon === null ? load.reason : null;
};
const TWO_QUEUES = { BEAM_ENGINE: 'native', BEAM_QUEUES: '2' };
const MEGABYTE = 2 ** 20;

/** How often each of the engine's threads waited: a thread that never did has done nothing. */
function waits({ process }: Tunnel): Readonly<Record<string, number>> {
  const tasks = `/proc/${process.pid}/task`;
  const entries = readdirSync(tasks).map((task): [string, number] => {
    const status = readFileSync(`${tasks}/${task}/status`, 'utf8');
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)![1]!;
    return [field('Name'), Number(field('voluntary_ctxt_switches'))];
  });
  return Object.fromEntries(entries.filter(([name]) => name.startsWith('beam-engine')));
}

namespaceTest(
  'carries many flows on two queues, each whole and in order',
  async (t, net) => {
    const ends = await twoEnds(net);
    const pair = await tunnelPair(net, ends, { a: 'beam', b: 'beam', env: TWO_QUEUES });
    const { a, b } = ends;
    await waitForPing(a, INNER.b[4]);
    const details = await a.run('ip', '-d', 'link', 'show', pair.a.interfaceName);
    t.regex(details, /multi_queue numqueues 2 /);
    const flows = [];
    for (let i = 0; i < 4; i++) {
      const family = i % 2 === 0 ? 4 : 6;
      const options = { bytes: 24 * MEGABYTE, port: 7100 + i };
      flows.push(await startTransfer(a, { namespace: b, address: INNER.b[family] }, options));
      flows.push(await startTransfer(b, { namespace: a, address: INNER.a[family] }, options));
    }
    const numbered = await Promise.all(
      ([4, 6] as const).flatMap((family) => [
        numberedDatagrams(a, { namespace: b, address: INNER.b[family] }, COUNTED),
        numberedDatagrams(b, { namespace: a, address: INNER.a[family] }, COUNTED),
      ]),
    );
    await Promise.all(flows.map(({ done }) => done));
    for (const { received, distinct, late } of numbered) {
      t.is(distinct, received, 'no datagram twice');
      t.true(received > COUNTED.count * 0.9, `${received} datagrams beside full streams`);
      t.is(late, 0);
    }
    for (const end of [pair.a, pair.b]) {
      const counts = waits(end);
      t.deepEqual(Object.keys(counts).sort(), ['beam-engine', 'beam-engine-1']);
      // Receiver indices are random: both ends' sessions may belong to the same queue.
      t.true(
        Object.values(counts).some((count) => count > 100),
        JSON.stringify(counts),
      );
    }
  },
  { unless },
);

const COUNTED = { count: 3_000, perS: 2_000, port: 7200 };

interface Spoke {
  readonly namespace: Namespace;
  readonly tunnel: Tunnel;
  readonly address: string;
}

/** A spoke of wireguard-go, which knows the hub's endpoint. */
async function spoke(net: Network, hub: Tunnel, number: number): Promise<Spoke> {
  const namespace = await net.namespace(`s${number}`);
  const outer = `198.51.100.${number}`;
  await net.link(
    { namespace, device: 'wire0', addresses: [`${outer}/32`] },
    { namespace: hub.namespace, device: `spoke${number}`, addresses: [] },
  );
  await namespace.run('ip', 'route', 'add', OUTER.b[4], 'dev', 'wire0');
  await hub.namespace.run('ip', 'route', 'add', `${outer}/32`, 'dev', `spoke${number}`);
  const tunnel = await Tunnel.start(net, { implementation: 'wireguard-go', namespace });
  await tunnel.setConfig({
    privateKey: tunnel.keys.privateKey,
    peers: [
      {
        publicKey: hub.keys.publicKey,
        endpoint: endpoint(OUTER.b[4], PORT_OF_B),
        allowedIps: ['10.99.0.0/16'],
      },
    ],
  });
  const address = `10.99.${number}.1`;
  await tunnel.up([`${address}/16`], TUNNEL_MTU);
  return { namespace, tunnel, address };
}

namespaceTest(
  'serves several wireguard-go peers on two queues, and passes on from one to the other',
  async (t, net) => {
    const { b } = await twoEnds(net);
    const hub = await Tunnel.start(net, { implementation: 'beam', namespace: b, env: TWO_QUEUES });
    const spokes: Spoke[] = [];
    for (const number of [1, 2, 3, 4]) spokes.push(await spoke(net, hub, number));
    await hub.setConfig({
      privateKey: hub.keys.privateKey,
      listenPort: PORT_OF_B,
      peers: spokes.map(({ tunnel, address }) => ({
        publicKey: tunnel.keys.publicKey,
        allowedIps: [`${address}/32`],
      })),
    });
    await hub.up([`${INNER.b[4]}/16`], TUNNEL_MTU);
    await b.sysctl('net.ipv4.ip_forward', 1);
    for (const { namespace } of spokes) await waitForPing(namespace, INNER.b[4]);
    const transfers = [];
    for (const [i, { namespace, address }] of spokes.entries()) {
      const other = spokes[(i + 1) % spokes.length]!;
      const options = { bytes: 4 * MEGABYTE, port: 7300 + i };
      const toHub = { namespace: b, address: INNER.b[4] };
      transfers.push(await startTransfer(namespace, toHub, options));
      transfers.push(await startTransfer(b, { namespace, address }, options));
      transfers.push(
        await startTransfer(namespace, other, { bytes: 2 * MEGABYTE, port: 7400 + i }),
      );
    }
    await Promise.all(transfers.map(({ done }) => done));
    const { peers } = await hub.status();
    for (const peer of peers) {
      t.true(peer.receivedBytes > 6 * MEGABYTE, 'bytes of both queues are counted');
      t.true(peer.sentBytes > 6 * MEGABYTE);
      t.true(peer.latestHandshakeS > 0);
    }
  },
  { unless },
);

namespaceTest(
  'follows a peer to another address, whichever queue hears of it first',
  async (t, net) => {
    const ends = await twoEnds(net);
    const pair = await tunnelPair(net, ends, { a: 'beam', b: 'beam', env: TWO_QUEUES });
    await waitForPing(ends.a, INNER.b[4]);
    for (const moved of ['192.0.2.77', '192.0.2.78', '192.0.2.79']) {
      await ends.a.addAddress('wire0', `${moved}/24`);
      await ends.a.run('ip', 'route', 'replace', `${OUTER.b[4]}/32`, 'dev', 'wire0', 'src', moved);
      // A new port makes the kernel choose the source anew, and is a move of its own.
      await pair.a.set('listen-port', '0');
      await waitForPing(ends.a, INNER.b[4]);
      const { endpoint: seen } = await pair.b.peer(pair.a.keys.publicKey);
      t.true(seen?.startsWith(`${moved}:`), `${seen} is ${moved}`);
      await startTransfer(
        ends.b,
        { namespace: ends.a, address: INNER.a[4] },
        { bytes: MEGABYTE },
      ).then(({ done }) => done);
    }
  },
  { unless },
);
