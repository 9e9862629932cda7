// A tunnel that is changed while it runs: addresses that move, keys, peers, MTU, marks. Every claim
// holds for any WireGuard unless it says what only the subject does.
import { Capture, messageType } from '../support/netnsCapture.js';
import { namespaceTest } from '../support/netns.js';
import type { Namespace } from '../support/netns.js';
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
import { ping, startTransfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT, newKeyPair, newPresharedKey } from '../support/netnsTunnel.js';

const PAIR = { a: SUBJECT, b: SUBJECT } as const;
const MEGABYTE = 1024 * 1024;

const replaceAddress = async (namespace: Namespace, from: string, to: string): Promise<void> => {
  await namespace.addAddress(WIRE_DEVICE, `${to}/24`);
  await namespace.run('ip', 'address', 'del', `${from}/24`, 'dev', WIRE_DEVICE);
};

namespaceTest(
  'a transfer survives its sender moving to another address and port',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const to = { namespace: ends.b, address: INNER.b[4] };
    const running = await startTransfer(ends.a, to, {
      bytes: 6 * MEGABYTE,
      bytesPerS: 2 * MEGABYTE,
    });
    await pause(800);
    await replaceAddress(ends.a, OUTER.a[4], '192.0.2.77');
    await pause(500);
    await a.set('listen-port', '40077');
    await running.done;
    t.is((await b.peer(a.keys.publicKey)).endpoint, '192.0.2.77:40077');
  },
);

namespaceTest('a transfer survives the listening end moving to another address', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const to = { namespace: ends.a, address: INNER.a[4] };
  const running = await startTransfer(ends.b, to, {
    bytes: 4 * MEGABYTE,
    bytesPerS: 2 * MEGABYTE,
    // wireguard-go 2022 holds on to the old source address until its 15 s handshake.
    timeoutMs: SUBJECT === 'beam' ? 10_000 : 60_000,
  });
  await pause(800);
  await replaceAddress(ends.b, OUTER.b[4], '192.0.2.88');
  await running.done;
  t.is((await a.peer(b.keys.publicKey)).endpoint, endpoint('192.0.2.88', PORT_OF_B));
});

namespaceTest('a peer moves from IPv4 to IPv6 and the tunnel follows', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  await a.set('peer', b.keys.publicKey, 'endpoint', endpoint(OUTER.b[6], PORT_OF_B));
  t.is((await ping(ends.a, INNER.b[4])).received, 3);
  t.true((await b.peer(a.keys.publicKey)).endpoint?.startsWith(`[${OUTER.a[6]}]:`));
});

namespaceTest(
  'answers leave from the address that was asked, not from the first one',
  async (t, net) => {
    const ends = await twoEnds(net);
    await ends.b.addAddress(WIRE_DEVICE, '192.0.2.22/24');
    await ends.b.addAddress(WIRE_DEVICE, '2001:db8::22/64');
    for (const asked of ['192.0.2.22', '2001:db8::22']) {
      const { a, b } = await tunnelPair(net, ends, {
        ...PAIR,
        endpointOfB: endpoint(asked, PORT_OF_B),
      });
      const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
      await waitForPing(ends.a, INNER.b[4]);
      await waitFor('packets are captured', () => capture.datagrams().length >= 4);
      const sources = (await capture.stop()).map(({ source }) => source);
      const fromB = sources.filter((source) => source !== OUTER.a[4] && source !== OUTER.a[6]);
      t.deepEqual(new Set(fromB), new Set([asked]));
      t.is((await a.peer(b.keys.publicKey)).endpoint, endpoint(asked, PORT_OF_B));
      for (const tunnel of [a, b]) await tunnel.process.stop();
    }
  },
);

namespaceTest('a new private key ends the old identity and serves the new one', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const keys = newKeyPair();
  await a.setPrivateKey(keys);
  t.is((await a.status()).publicKey, keys.publicKey);
  t.is((await ping(ends.a, INNER.b[4], { count: 2 })).received, 0, 'b does not know the new key');
  await b.set('peer', keys.publicKey, 'allowed-ips', `${INNER.a[4]}/32`);
  await waitForPing(ends.a, INNER.b[4], 15_000);
  t.true((await b.peer(keys.publicKey)).latestHandshakeS > 0);
});

namespaceTest('its own public key is not taken as a peer', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await a.set('peer', a.keys.publicKey, 'allowed-ips', '10.1.1.1/32');
  const peers = (await a.status()).peers.map(({ publicKey }) => publicKey);
  t.deepEqual(peers, [b.keys.publicKey]);
});

namespaceTest(
  'removing the private key stops handshakes until there is one again',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, PAIR);
    await a.set('private-key', '/dev/null');
    const status = await a.status();
    t.is(status.privateKey, null);
    t.is(status.publicKey, null);
    t.is((await ping(ends.a, INNER.b[4], { count: 2 })).received, 0);
    await a.setPrivateKey(a.keys);
    await waitForPing(ends.a, INNER.b[4], 15_000);
    t.is((await a.status()).publicKey, a.keys.publicKey);
  },
);

namespaceTest('a removed peer neither gets nor delivers another packet', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  await b.set('peer', a.keys.publicKey, 'remove');
  const before = await b.counter('rx_packets');
  t.is((await ping(ends.a, INNER.b[4], { count: 5 })).received, 0);
  t.is((await ping(ends.b, INNER.a[4], { count: 2, waitMs: 200 })).received, 0);
  t.is(await b.counter('rx_packets'), before);
  t.deepEqual((await b.status()).peers, []);
});

namespaceTest('an allowed-IP that another peer is given moves to it at once', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const other = newKeyPair().publicKey;
  await b.set('peer', other, 'allowed-ips', `${INNER.a[4]}/32`);
  t.deepEqual((await b.peer(a.keys.publicKey)).allowedIps, [`${INNER.a[6]}/128`]);
  const before = await b.counter('rx_packets');
  t.is((await ping(ends.a, INNER.b[4], { count: 3, waitMs: 200 })).received, 0, 'wrong source');
  t.is(await b.counter('rx_packets'), before, 'nothing reaches the TUN');
  t.is((await ping(ends.a, INNER.b[6])).received, 3, 'the other family is untouched');
});

namespaceTest(
  'a preshared key that changes leaves the session in use and rules the next handshake',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, { ...PAIR, presharedKey: true });
    await waitForPing(ends.a, INNER.b[4]);
    const handshakeS = (await a.peer(b.keys.publicKey)).latestHandshakeS;
    const presharedKey = newPresharedKey();
    await a.setPresharedKey(b.keys.publicKey, presharedKey);
    t.is((await ping(ends.a, INNER.b[4])).received, 3, 'the session is kept');
    t.is((await a.peer(b.keys.publicKey)).latestHandshakeS, handshakeS);

    // A peer that is made anew has no session, so the next packet needs a handshake.
    await a.set('peer', b.keys.publicKey, 'remove');
    await a.set(
      ...['peer', b.keys.publicKey, 'preshared-key', net.file('psk', presharedKey)],
      ...['endpoint', endpoint(OUTER.b[4], PORT_OF_B), 'allowed-ips', `${INNER.b[4]}/32`],
    );
    t.is((await ping(ends.a, INNER.b[4], { count: 2 })).received, 0, 'the keys no longer match');
    await b.setPresharedKey(a.keys.publicKey, presharedKey);
    await waitForPing(ends.a, INNER.b[4], 15_000);
  },
);

namespaceTest(
  'taking the interface down ends the session; it comes back with a new one',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, { ...PAIR, persistentKeepaliveOfA: 1 });
    await waitForPing(ends.a, INNER.b[4]);
    await ends.a.run('ip', 'link', 'set', a.interfaceName, 'down');
    await pause(200);
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
    await pause(2_500);
    t.deepEqual(capture.datagrams(), [], 'silent while it is down');
    await ends.a.run('ip', 'link', 'set', a.interfaceName, 'up');
    await waitForPing(ends.a, INNER.b[4]);
    t.is(messageType((await capture.stop())[0]!), 1);
  },
  { unless: () => (SUBJECT === 'beam' ? null : `${SUBJECT} doesn't notice`) },
);

namespaceTest('a listen port that is taken is refused and the old one stays', async (t, net) => {
  const ends = await twoEnds(net);
  const { b } = await tunnelPair(net, ends, PAIR);
  await waitForPing(ends.a, INNER.b[4]);
  const holder = ends.b.spawn([
    process.execPath,
    '-e',
    `const s = require('node:dgram').createSocket('udp4');
     s.bind(5998, () => console.log('bound')); setTimeout(() => s.close(), 60000)`,
  ]);
  await waitFor('the port is taken', () => holder.log.includes('bound'));
  const refused = await b.tryWg('set', b.interfaceName, 'listen-port', '5998');
  t.not(refused.status, 0);
  await b.set('listen-port', `${PORT_OF_B}`);
  await waitForPing(ends.a, INNER.b[4], 15_000);
});
