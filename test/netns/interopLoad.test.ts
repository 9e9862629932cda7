// Beam and wireguard-go under load, at every size of packet: TCP and UDP, both families, both ways,
// what arrives held against what was sent. In a long run 20 GB go through.
import { namespaceTest } from '../support/netns.js';
import type { Network } from '../support/netns.js';
import { waitFor } from '../support/netnsProcess.js';
import { INNER, tunnelPair, twoEnds } from '../support/netnsTopology.js';
import type { Ends, TunnelPair } from '../support/netnsTopology.js';
import { numberedDatagrams, ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT } from '../support/netnsTunnel.js';

const MEGABYTE = 2 ** 20;
/** The sodium engine's share stays short: it is there to be right, not fast. */
const long = process.env['BEAM_LONG'] === '1' && process.env['BEAM_ENGINE'] !== 'sodium';
/** Sixteen transfers: four MTUs, two families, two directions. */
const TRANSFER_BYTES = long ? Math.ceil(20e9 / 16) : 6 * MEGABYTE;
const TRANSFER_TIMEOUT_MS = long ? 240_000 : 30_000;
const MTUS: readonly (readonly [number, number])[] = [
  [1280, 1500],
  [1420, 1500],
  [9000, 9100],
  [34_816, 65_535],
];

for (const [mtu, wireMtu] of MTUS) {
  for (const outer of mtu === 1280 ? ([6] as const) : ([4] as const)) {
    namespaceTest(
      `carries TCP and UDP to and from wireguard-go undamaged, MTU ${mtu} over IPv${outer}`,
      async (t, net) => {
        const ends = await twoEnds(net, wireMtu);
        await tunnelPair(net, ends, { a: SUBJECT, b: 'wireguard-go', mtu, outer });
        await waitForPing(ends.a, INNER.b[4]);
        for (const family of [4, 6] as const) {
          const ways = [
            [ends.a, { namespace: ends.b, address: INNER.b[family] }],
            [ends.b, { namespace: ends.a, address: INNER.a[family] }],
          ] as const;
          for (const [from, to] of ways) {
            const options = { bytes: TRANSFER_BYTES, timeoutMs: TRANSFER_TIMEOUT_MS };
            const { seconds } = await transfer(from, to, options);
            t.log(`IPv${family}: ${(TRANSFER_BYTES / 1e6 / seconds).toFixed(0)} MB/s`);
          }
          // One after the other they would take long: most of the time is waiting for the last.
          const sizes = [4, 100, mtu - 48, mtu + 1, 30_000];
          const results = await Promise.all(
            ways.flatMap(([from, to], way) =>
              sizes.map(async (bytes, i) => {
                const port = 7200 + way * sizes.length + i;
                const result = await numberedDatagrams(from, to, {
                  count: 100,
                  perS: 200,
                  bytes,
                  port,
                });
                return { ...result, bytes };
              }),
            ),
          );
          for (const result of results) {
            const { received, distinct, damaged, bytes } = result;
            t.is(damaged, 0, `${bytes} bytes, IPv${family}`);
            t.is(received, distinct, `${bytes} bytes, IPv${family}`);
            // wireguard-go drops under load, the more the larger and the more fragments.
            const least = bytes > 10_000 || bytes > mtu ? 50 : 90;
            t.true(
              distinct >= least,
              `${distinct} of 100 datagrams of ${bytes} bytes, IPv${family}`,
            );
          }
        }
      },
      { timeoutMs: long ? 590_000 : 90_000 },
    );
  }
}

async function beamPair(net: Network): Promise<{ readonly ends: Ends; readonly pair: TunnelPair }> {
  const ends = await twoEnds(net);
  const pair = await tunnelPair(net, ends, { a: SUBJECT, b: SUBJECT });
  await waitForPing(ends.a, INNER.b[4]);
  return { ends, pair };
}

const lengths = (text: string, pattern: RegExp): number[] =>
  [...text.matchAll(pattern)].map(([, bytes]) => Number(bytes));

namespaceTest('fragments of inner packets pass as they are, and are not joined', async (t, net) => {
  const { ends, pair } = await beamPair(net);
  const tcpdump = ends.b.spawn([
    ...['tcpdump', '-n', '-v', '-l', '-i', pair.b.interfaceName],
    'ip[6:2] & 0x3fff != 0 or ip6[6] = 44',
  ]);
  await waitFor('tcpdump listens', () => tcpdump.log.includes('listening on'));
  for (const family of [4, 6] as const) {
    const address = INNER.b[family];
    const pings = await ping(ends.a, address, { count: 5, payloadBytes: 8000 });
    t.is(pings.received, 5, `pings of 8000 bytes, IPv${family}`);
    const to = { namespace: ends.b, address };
    const result = await numberedDatagrams(ends.a, to, { count: 50, perS: 500, bytes: 30_000 });
    t.is(result.distinct, 50);
    t.is(result.damaged, 0);
  }
  const four = (): number[] => lengths(tcpdump.stdout, /proto (?:UDP|ICMP) .*?length (\d+)\)/g);
  const six = (): number[] => lengths(tcpdump.stdout, /payload length: (\d+)\)/g);
  // 30,008 bytes are 22 fragments of 1400 or less.
  await waitFor('the fragments are seen', () => Math.min(four().length, six().length) >= 50 * 22);
  await tcpdump.stop();
  t.true(Math.max(...four()) <= 1420);
  t.true(Math.max(...six()) + 40 <= 1420);
});

namespaceTest(
  'congestion marks of the outer network reach TCP inside, both families, both ways',
  async (t, net) => {
    const { ends, pair } = await beamPair(net);
    for (const [end, tunnel] of [
      [ends.a, pair.a],
      [ends.b, pair.b],
    ] as const) {
      await end.sysctl('net.ipv4.tcp_ecn', 1);
      const { listenPort } = await tunnel.status();
      await end.nft(`table inet marks {
        counter ce4 {}
        counter ce6 {}
        chain outer {
          type filter hook prerouting priority -300;
          udp dport ${listenPort} ip ecn ect0 numgen random mod 100 < 10 ip ecn set ce
        }
        chain inner {
          type filter hook input priority 0;
          iifname "${tunnel.interfaceName}" ip ecn ce counter name ce4
          iifname "${tunnel.interfaceName}" ip6 ecn ce counter name ce6
        }
      }`);
    }
    for (const family of [4, 6] as const) {
      const toB = { namespace: ends.b, address: INNER.b[family] };
      await transfer(ends.a, toB, { bytes: 3 * MEGABYTE });
      const toA = { namespace: ends.a, address: INNER.a[family] };
      await transfer(ends.b, toA, { bytes: 3 * MEGABYTE });
    }
    for (const end of [ends.a, ends.b]) {
      const { ce4, ce6 } = await end.nftCounters('marks');
      t.log(`${ce4} and ${ce6} packets arrived marked`);
      t.true(ce4! > 0 && ce6! > 0);
    }
  },
  { unless: () => (SUBJECT === 'beam' ? null : `${SUBJECT} doesn't do it`) },
);
