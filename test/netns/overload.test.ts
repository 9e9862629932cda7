// Far more packets than a tunnel takes, into its TUN device and into its socket: what is asked of it
// meanwhile is answered in bounded time, its memory stays bounded, and it is well right after.
import { fileURLToPath } from 'node:url';
import { namespaceTest } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import {
  INNER,
  OUTER,
  PORT_OF_B,
  endpoint,
  tunnelPair,
  twoEnds,
} from '../support/netnsTopology.js';
import type { Ends, TunnelPair } from '../support/netnsTopology.js';
import { ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT } from '../support/netnsTunnel.js';

const PACKETS = fileURLToPath(new URL('../support/netnsPackets.js', import.meta.url));
const MEGABYTE = 2 ** 20;
/** wireguard-go grows by its packet pools and Go's heap. */
const MAX_GROWTH_BYTES = (SUBJECT === 'beam' ? 64 : 512) * MEGABYTE;
const MAX_CONTROL_MS = 1_500;
const MAX_HANDSHAKE_MS = 7_000;
const FLOOD_S = 8;

/** How long a call took. */
async function took(call: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await call();
  return performance.now() - startMs;
}

/** A forgets B and gets to know it again: from nothing to an answered ping. */
async function newHandshake({ a }: Ends, pair: TunnelPair): Promise<number> {
  const { publicKey } = pair.b.keys;
  await pair.a.set('peer', publicKey, 'remove');
  const allowedIps = `${INNER.b[4]}/32,${INNER.b[6]}/128`;
  const to = endpoint(OUTER.b[4], PORT_OF_B);
  await pair.a.set('peer', publicKey, 'endpoint', to, 'allowed-ips', allowedIps);
  return took(() =>
    waitFor(
      'a handshake',
      async () => {
        await ping(a, INNER.b[4], { count: 1, waitMs: 200 });
        return (await pair.a.peer(publicKey)).latestHandshakeS > 0;
      },
      { timeoutMs: 30_000 },
    ),
  );
}

for (const into of ['TUN device', 'socket'] as const) {
  namespaceTest(
    `a flood of small packets into the ${into} leaves control and handshakes bounded, and memory`,
    async (t, net) => {
      const ends = await twoEnds(net);
      const pair = await tunnelPair(net, ends, { a: SUBJECT, b: SUBJECT });
      await waitForPing(ends.a, INNER.b[4]);
      const before = [pair.a.residentBytes(), pair.b.residentBytes()];
      // Into the TUN: inner datagrams to the peer. Into the socket: transport messages of nobody's.
      const target = into === 'TUN device' ? INNER.b[4] : OUTER.b[4];
      const port = into === 'TUN device' ? 9 : PORT_OF_B;
      const flood = ends.a.spawn([process.execPath, PACKETS, target, `${port}`, `${FLOOD_S}`]);
      await pause(500);
      const controlMs: number[] = [];
      for (let i = 0; i < 5; i++) {
        controlMs.push(await took(() => pair.a.status()), await took(() => pair.b.status()));
      }
      const handshakeMs = await newHandshake(ends, pair);
      const pings = await ping(ends.a, INNER.b[4], { count: 20, intervalMs: 20, waitMs: 1000 });
      t.is(flood.outcome, null, 'the flood lasted until now');
      const grown = [pair.a.residentBytes(), pair.b.residentBytes()].map(
        (bytes, i) => bytes - before[i]!,
      );
      await flood.waitForEnd((FLOOD_S + 5) * 1000);
      const sent = Number(flood.stdout);
      const recoveredMs = await took(() => waitForPing(ends.a, INNER.b[4], 2_000));
      const after = await ping(ends.a, INNER.b[4], { count: 20 });
      await transfer(ends.a, { namespace: ends.b, address: INNER.b[4] }, { bytes: 4 * MEGABYTE });
      t.log(
        `${(sent / FLOOD_S / 1000).toFixed(0)} thousand packets/s; control at most ` +
          `${Math.max(...controlMs).toFixed(0)} ms, handshake ${handshakeMs.toFixed(0)} ms, ping ` +
          `${pings.received} of 20 in at most ${Math.max(0, ...pings.timesMs)} ms; ` +
          `${grown.map((bytes) => (bytes / MEGABYTE).toFixed(0)).join(' and ')} MB more`,
      );
      t.true(sent > 100_000, `${sent} packets are no flood`);
      t.true(Math.max(...controlMs) < MAX_CONTROL_MS, `control took ${Math.max(...controlMs)} ms`);
      t.true(handshakeMs < MAX_HANDSHAKE_MS, `a handshake took ${handshakeMs} ms`);
      for (const bytes of grown) t.true(bytes < MAX_GROWTH_BYTES, `grew by ${bytes} bytes`);
      t.true(recoveredMs < 1_500, `well after ${recoveredMs} ms`);
      t.is(after.received, 20);
    },
  );
}
