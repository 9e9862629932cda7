// Two agents and a wire: handshake, packets of both families and files, in every pairing of the
// subject and wireguard-go, in both roles.
import { namespaceTest } from '../support/netns.js';
import { INNER, twoEnds, tunnelPair } from '../support/netnsTopology.js';
import { iperf, ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT } from '../support/netnsTunnel.js';
import type { Implementation } from '../support/netnsTunnel.js';

const FILE_BYTES = 4 * 1024 * 1024;

const PAIRINGS: readonly (readonly [Implementation, Implementation])[] =
  SUBJECT === 'wireguard-go'
    ? [['wireguard-go', 'wireguard-go']]
    : [
        [SUBJECT, SUBJECT],
        [SUBJECT, 'wireguard-go'],
        ['wireguard-go', SUBJECT],
      ];

for (const [a, b] of PAIRINGS) {
  for (const outer of [4, 6] as const) {
    for (const presharedKey of [false, true]) {
      const how = `over IPv${outer} ${presharedKey ? 'with' : 'without'} a preshared key`;
      namespaceTest(
        `${a} opens a tunnel to ${b} ${how} and carries packets and files`,
        async (t, net) => {
          const ends = await twoEnds(net);
          const pair = await tunnelPair(net, ends, { a, b, outer, presharedKey });
          await waitForPing(ends.a, INNER.b[4]);
          for (const family of [4, 6] as const) {
            const there = await ping(ends.a, INNER.b[family], { count: 5 });
            const back = await ping(ends.b, INNER.a[family], { count: 5 });
            t.deepEqual([there.received, back.received], [5, 5], `inner IPv${family}`);
            const toB = { namespace: ends.b, address: INNER.b[family] };
            await transfer(ends.a, toB, { bytes: FILE_BYTES });
            const toA = { namespace: ends.a, address: INNER.a[family] };
            await transfer(ends.b, toA, { bytes: FILE_BYTES });
          }
          const [statusA, statusB] = await Promise.all([
            pair.a.peer(pair.b.keys.publicKey),
            pair.b.peer(pair.a.keys.publicKey),
          ]);
          t.true(
            Math.abs(Date.now() / 1000 - statusA.latestHandshakeS) < 60,
            'a tells its handshake',
          );
          t.true(
            Math.abs(Date.now() / 1000 - statusB.latestHandshakeS) < 60,
            'b tells its handshake',
          );
          t.true(statusA.sentBytes > 2 * FILE_BYTES && statusA.receivedBytes > 2 * FILE_BYTES);
          t.true(statusB.sentBytes > 2 * FILE_BYTES && statusB.receivedBytes > 2 * FILE_BYTES);
          t.true(statusB.endpoint?.includes(outer === 4 ? '192.0.2.1:' : '[2001:db8::1]:'));
        },
      );
    }
  }

  namespaceTest(`${a} and ${b} carry TCP and UDP at speed both ways`, async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, { a, b });
    await waitForPing(ends.a, INNER.b[4]);
    const to = { namespace: ends.b, address: INNER.b[4] };
    for (const args of [[], ['-R'], ['-P', '4']]) {
      const { bitsPerS } = await iperf(ends.a, to, { seconds: 1, args });
      t.log(`iperf3 ${args.join(' ')}: ${(bitsPerS / 1e6).toFixed(0)} Mbit/s`);
      t.true(bitsPerS > 1e6);
    }
    const args = ['-u', '-b', '20M', '-l', '1000'];
    const { lostPercent } = await iperf(ends.a, to, { seconds: 1, args });
    t.true(lostPercent < 5, `${lostPercent} % of a 20 Mbit/s stream of datagrams lost`);
  });
}
