// The native engine against the kernel: two ends with a session that both were told, real TUN
// devices and sockets, every cipher and with and without offloads; what goes through is hashed.
import { fileURLToPath } from 'node:url';
import { loadEngineAddon } from '../../src/platform/nativeEngineAddon.js';
import type { NativeEngineUse } from '../../src/platform/nativeEngine.js';
import type { DataPlaneStats, Suite } from '../../src/ports/dataPlane.js';
import type { EndOptions } from '../support/nativeEngineEnd.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { waitFor, type Background } from '../support/netnsProcess.js';
import { INNER, OUTER, WIRE_DEVICE, twoEnds, type Ends } from '../support/netnsTopology.js';
import { numberedDatagrams, ping, transfer, waitForPing } from '../support/netnsTraffic.js';

const END = fileURLToPath(new URL('../support/nativeEngineEnd.js', import.meta.url));
const DEVICE = 'tun0';
const unless = (): string | null => {
  const load = loadEngineAddon();
  return load.addon === null ? load.reason : null;
};

interface TunnelOptions {
  readonly suite?: Suite;
  readonly use?: NativeEngineUse;
  readonly mtu?: number;
  readonly outer?: 4 | 6;
  /** A capability that both ends do without. */
  readonly lacks?: string;
}

interface End {
  readonly namespace: Namespace;
  readonly process: Background;
}

async function startEnd(
  namespace: Namespace,
  side: 'a' | 'b',
  { suite = 'chacha20-poly1305', use = {}, mtu = 1420, outer = 4, lacks }: TunnelOptions,
): Promise<End> {
  const other = side === 'a' ? 'b' : 'a';
  const options: EndOptions = {
    role: side === 'a' ? 'initiator' : 'responder',
    name: DEVICE,
    mtu,
    port: side === 'a' ? 5001 : 5002,
    remote: { family: outer, address: OUTER[other][outer], port: side === 'a' ? 5002 : 5001 },
    allowedIps: [`${INNER[other][4]}/32`, `${INNER[other][6]}/128`],
    suite,
    use,
  };
  const process = namespace.spawn([
    ...(lacks === undefined ? [] : ['setpriv', `--bounding-set=-${lacks}`]),
    globalThis.process.execPath,
    END,
    JSON.stringify(options),
  ]);
  await waitFor('the engine is ready', () => {
    if (process.outcome !== null) throw new Error(process.log);
    return process.stdout.includes('"ready"');
  });
  await namespace.addAddress(DEVICE, `${INNER[side][4]}/24`);
  await namespace.addAddress(DEVICE, `${INNER[side][6]}/64`);
  await namespace.run('ip', 'link', 'set', DEVICE, 'up');
  return { namespace, process };
}

async function tunnel(
  net: Network,
  options: TunnelOptions = {},
  wireMtu = 1500,
): Promise<Ends & { readonly ends: readonly [End, End] }> {
  const { a, b } = await twoEnds(net, wireMtu);
  const ends: [End, End] = [await startEnd(b, 'b', options), await startEnd(a, 'a', options)];
  await waitForPing(a, INNER.b[4]);
  return { a, b, ends };
}

async function stats({ process }: End): Promise<DataPlaneStats> {
  const from = process.stdout.length;
  process.signal('SIGUSR1');
  const line = await waitFor(
    'statistics',
    () => /^\{"kind":"stats".*\}$/m.exec(process.stdout.slice(from))?.[0],
  );
  return JSON.parse(line ?? '') as DataPlaneStats;
}

/** Nothing was dropped but what the system sent before the tunnel could know where to. */
async function droppedPackets(end: End): Promise<Record<string, number>> {
  const { drops } = await stats(end);
  const rest = Object.entries(drops).filter(([reason, count]) => count > 0 && reason !== 'noPeer');
  return Object.fromEntries(rest);
}

const MEGABYTE = 2 ** 20;
const cases: readonly [string, TunnelOptions][] = [
  ['the best cipher', {}],
  ['AES-256-GCM', { suite: 'aes-256-gcm' }],
  ['OpenSSL', { use: { cipher: 'evp' } }],
  ['OpenSSL and AES-256-GCM', { suite: 'aes-256-gcm', use: { cipher: 'evp' } }],
  ['no offload', { use: { tunTcp: false, tunUdp: false, udpSegment: false } }],
  ['no UDP_SEGMENT', { use: { udpSegment: false } }],
  ['no TSO', { use: { tunTcp: false } }],
  ['an IPv6 path', { outer: 6 }],
];

for (const [what, options] of cases) {
  namespaceTest(
    `carries TCP and UDP, IPv4 and IPv6, whole: ${what}`,
    async (t, net) => {
      const { a, b, ends } = await tunnel(net, options);
      for (const family of [4, 6] as const) {
        await transfer(a, { namespace: b, address: INNER.b[family] }, { bytes: 24 * MEGABYTE });
        await transfer(b, { namespace: a, address: INNER.a[family] }, { bytes: 8 * MEGABYTE });
        const to = { namespace: b, address: INNER.b[family] };
        const { received, distinct } = await numberedDatagrams(a, to, { count: 2000, perS: 2000 });
        t.is(distinct, 2000);
        t.is(received, distinct);
      }
      for (const end of ends) {
        t.deepEqual(await droppedPackets(end), {});
        t.is((await stats(end)).features['offloadProbe'], 'passed');
      }
    },
    { unless },
  );
}

for (const [mtu, wireMtu] of [
  [1280, 1500],
  [1299, 1500],
  [8920, 9000],
  [34_816, 65_535],
] as const) {
  namespaceTest(
    `carries TCP and pings of every size with an MTU of ${mtu}`,
    async (t, net) => {
      const { a, b, ends } = await tunnel(net, { mtu }, wireMtu);
      for (const family of [4, 6] as const) {
        const address = INNER.b[family];
        await transfer(a, { namespace: b, address }, { bytes: 16 * MEGABYTE });
        for (const payloadBytes of [0, 1, mtu - 48, mtu, 20_000]) {
          // One by one: after an answer ping waits for the rest no longer than two round trips.
          for (let i = 0; i < 3; i++) {
            const { received } = await ping(a, address, { payloadBytes, count: 1 });
            t.is(received, 1, `${payloadBytes} bytes to ${address}`);
          }
        }
      }
      for (const end of ends) t.deepEqual(await droppedPackets(end), {});
    },
    { unless },
  );
}

namespaceTest(
  'without CAP_SYS_ADMIN the status says which offloads were not asked, and they are used',
  async (t, net) => {
    const { a, b, ends } = await tunnel(net, { lacks: 'sys_admin' });
    await transfer(a, { namespace: b, address: INNER.b[4] }, { bytes: 4 * MEGABYTE });
    for (const end of ends) {
      const { features } = await stats(end);
      t.regex(String(features['offloadProbe']), /^passed; not asked: TSO4, .*EPERM\)$/);
      t.is(features['tunTcpSegmentation'], true);
      t.deepEqual(await droppedPackets(end), {});
    }
  },
  { unless },
);

namespaceTest(
  'falls back to single datagrams where segments are longer than the path’s MTU',
  async (t, net) => {
    const { a, b, ends } = await tunnel(net, {}, 1400);
    await transfer(a, { namespace: b, address: INNER.b[4] }, { bytes: 4 * MEGABYTE });
    for (const end of ends) t.deepEqual(await droppedPackets(end), {});
  },
  { unless },
);

namespaceTest(
  'follows its interface into another namespace, and ends with it there',
  async (t, net) => {
    const { a, b, ends } = await tunnel(net);
    const elsewhere = await net.namespace('c');
    await a.run('ip', 'link', 'set', DEVICE, 'netns', elsewhere.name);
    await elsewhere.addAddress(DEVICE, `${INNER.a[4]}/24`);
    await elsewhere.run('ip', 'link', 'set', DEVICE, 'up', 'mtu', '1300');
    const { process } = ends[1];
    await waitFor('the new MTU', () => process.stdout.includes('"up":true,"mtu":1300'));
    await transfer(elsewhere, { namespace: b, address: INNER.b[4] }, { bytes: 4 * MEGABYTE });
    await elsewhere.run('ip', 'link', 'delete', DEVICE);
    await process.waitForEnd(5_000);
    t.true(process.stdout.includes('"tunClosed"'));
  },
  { unless },
);

namespaceTest(
  'goes on when its wire goes down and comes back',
  async (t, net) => {
    const { a, b } = await tunnel(net);
    await a.run('ip', 'link', 'set', WIRE_DEVICE, 'down');
    t.is((await ping(a, INNER.b[4], { count: 2, waitMs: 200 })).received, 0);
    await a.run('ip', 'link', 'set', WIRE_DEVICE, 'up');
    await waitForPing(a, INNER.b[4]);
    await transfer(b, { namespace: a, address: INNER.a[4] }, { bytes: 4 * MEGABYTE });
  },
  { unless },
);
