// A tunnel that is changed while it runs: addresses that move, keys, peers, MTU, marks. Every claim
// holds for any WireGuard unless it says what only the subject does.
import { Capture, messageType } from '../support/netnsCapture.js';
import type { CapturedDatagram } from '../support/netnsCapture.js';
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
import { ping, startTransfer, transfer, waitForPing } from '../support/netnsTraffic.js';
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
  'an MTU that changes holds at once, odd ones and padding included',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const headers = { ip: 20, icmp: 8, transport: 32 };
    for (const mtu of [1280, 1299, 1420, 1000]) {
      await ends.a.run('ip', 'link', 'set', a.interfaceName, 'mtu', `${mtu}`);
      await ends.b.run('ip', 'link', 'set', b.interfaceName, 'mtu', `${mtu}`);
      // The new MTU reaches the process as an event of the kernel.
      await pause(100);
      const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
      for (const shorter of [0, 1, 2, 15, 16, 17]) {
        const payloadBytes = mtu - headers.ip - headers.icmp - shorter;
        const whole = await ping(ends.a, INNER.b[4], { payloadBytes, args: ['-M', 'do'] });
        t.is(whole.received, 3, `${mtu - shorter} bytes at MTU ${mtu}`);
      }
      await waitFor('tcpdump has written all', () => capture.datagrams().length >= 6 * 6);
      for (const { payload } of await capture.stop()) {
        t.true(payload.length <= mtu + headers.transport, `${payload.length} bytes at MTU ${mtu}`);
        const isPadded = payload.length % 16 === 0 || payload.length === mtu + headers.transport;
        t.true(isPadded, `${payload.length} bytes are neither padded nor at the MTU`);
      }
    }
  },
);

namespaceTest(
  'a fwmark is on every packet from then on, until it is taken away',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.a.nft(`table inet marks {
    counter marked {}
    counter unmarked {}
    chain out {
      type filter hook output priority 0;
      udp dport ${PORT_OF_B} meta mark 0x1234 counter name marked
      udp dport ${PORT_OF_B} meta mark 0 counter name unmarked
    }
  }`);
    await a.set('fwmark', '0x1234');
    await ping(ends.a, INNER.b[4], { count: 5 });
    t.deepEqual(await ends.a.nftCounters('marks'), { marked: 5, unmarked: 0 });
    await a.set('fwmark', 'off');
    await ping(ends.a, INNER.b[4], { count: 5 });
    t.deepEqual(await ends.a.nftCounters('marks'), { marked: 5, unmarked: 5 });
  },
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

namespaceTest('persistent keepalives come on time, are not answered, and stop', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
  await a.set('peer', b.keys.publicKey, 'persistent-keepalive', '1');
  await waitFor('it shakes hands without any traffic', async () => {
    return (await a.peer(b.keys.publicKey)).latestHandshakeS > 0;
  });
  await pause(5_200);
  await a.set('peer', b.keys.publicKey, 'persistent-keepalive', 'off');
  await pause(200);
  const isKeepalive = (datagram: CapturedDatagram): boolean =>
    messageType(datagram) === 4 && datagram.payload.length === 32;
  const fromA = ({ source }: CapturedDatagram): boolean => source === OUTER.a[4];
  const keepalives = capture.datagrams().filter(isKeepalive);
  const sent = keepalives.filter(fromA);
  t.true(sent.length >= 5 && sent.length <= 7, `${sent.length} in 5.2 s`);
  const gaps = sent.slice(1).map(({ timeS }, i) => timeS - sent[i]!.timeS);
  for (const gap of gaps.slice(1)) t.true(gap > 0.9 && gap < 1.4, `a gap of ${gap} s`);
  t.is(keepalives.length, sent.length, 'b sends none');
  const total = capture.datagrams().length;
  await pause(2_500);
  t.is((await capture.stop()).length, total, 'none after it was switched off');
});

namespaceTest(
  'data that gets no answer is answered by one empty packet after 10 s',
  async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await pause(300);
    // b's system stays silent, so that only the tunnel itself can answer.
    await ends.b.rule('input', `ip daddr ${INNER.b[4]} drop`);
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
    await ping(ends.a, INNER.b[4], { count: 1, waitMs: 100 });
    await pause(11_500);
    const [first, ...others] = await capture.stop();
    const answers = others.filter(({ source }) => source === OUTER.b[4]);
    t.is(answers.length, 1);
    t.is(others.length, 1, 'the empty packet is not answered in turn');
    t.is(answers[0]?.payload.length, 32);
    const delayS = answers[0]!.timeS - first!.timeS;
    t.true(delayS > 9.5 && delayS < 11.2, `after ${delayS} s`);
  },
);

namespaceTest(
  'unanswered data leads to a new handshake after 15 s',
  async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.b.rule('input', `udp dport ${PORT_OF_B} drop`);
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
    await ping(ends.a, INNER.b[4], { count: 1, waitMs: 100 });
    await pause(16_500);
    const datagrams = await capture.stop();
    const initiation = datagrams.find((datagram) => messageType(datagram) === 1);
    const delayS = (initiation?.timeS ?? 0) - datagrams[0]!.timeS;
    t.true(delayS > 14.5 && delayS < 16.2, `after ${delayS} s`);
  },
  { long: 'waits 17 s' },
);

namespaceTest(
  'a busy tunnel gets new keys after 120 s and loses nothing',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const firstS = (await a.peer(b.keys.publicKey)).latestHandshakeS;
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE, 'udp[8] = 1 or udp[8] = 2');
    const command = ['ping', '-n', '-q', '-i', '0.05', '-w', '190', INNER.b[4]];
    const pings = await ends.a.runWith({ timeoutMs: 200_000 }, ...command);
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(pings)!;
    t.true(Number(sent) - Number(received) <= 1, pings);
    const secondS = (await a.peer(b.keys.publicKey)).latestHandshakeS;
    t.true(secondS - firstS >= 119 && secondS - firstS <= 123, `${secondS - firstS} s`);
    const types = (await capture.stop()).map(messageType);
    t.deepEqual(types, [1, 2], 'one handshake, by the initiator alone');
  },
  { long: 'takes 190 s', timeoutMs: 260_000 },
);

namespaceTest(
  'DSCP is 0 on data and 0x88 on handshakes; ECN is copied out',
  async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, PAIR);
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
    await waitForPing(ends.a, INNER.b[4]);
    for (const inner of [0xb8, 0xb9, 0xba, 0xbb]) {
      for (const family of [4, 6] as const) {
        const before = capture.datagrams().length;
        await ping(ends.a, INNER.b[family], { count: 1, args: ['-Q', `${inner}`] });
        await waitFor('the ping is captured', () => capture.datagrams().length >= before + 2);
        const [sent] = capture.datagrams().slice(before);
        // As the kernel's tunnels do it, congestion met inside goes out as ECT(0) (RFC 3168, 9.1.1).
        const outer = (inner & 3) === 3 ? 2 : inner & 3;
        t.is(sent!.trafficClass, outer, `inner IPv${family} 0x${inner.toString(16)}`);
      }
    }
    const handshakes = (await capture.stop()).filter((datagram) => messageType(datagram) !== 4);
    t.deepEqual(
      handshakes.map((datagram) => [messageType(datagram), datagram.trafficClass]),
      [
        [1, 0x88],
        [2, 0x88],
      ],
    );
  },
  { unless: () => (SUBJECT === 'beam' ? null : `${SUBJECT} doesn't do it`) },
);

namespaceTest(
  'congestion that the outer network marks reaches the inner packet',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.b.rule('prerouting', `udp dport ${PORT_OF_B} ip ecn ect0 ip ecn set ce`);
    const seen = async (trafficClass: number): Promise<string> => {
      const tcpdump = ends.b.spawn([
        'tcpdump',
        '-n',
        '-v',
        '-c',
        '1',
        '-i',
        b.interfaceName,
        'icmp[0] = 8',
      ]);
      await waitFor('tcpdump listens', () => tcpdump.log.includes('listening on'));
      await ping(ends.a, INNER.b[4], { count: 1, args: ['-Q', `${trafficClass}`] });
      await tcpdump.waitForEnd(5_000);
      return /tos (0x[0-9a-f]+)/.exec(tcpdump.stdout)![1]!;
    };
    t.is(await seen(2), '0x3', 'ECT(0) outside and inside, marked outside');
    t.is(await seen(0), '0x0', 'not ECN-capable: never marked');
  },
  { unless: () => (SUBJECT === 'beam' ? null : `${SUBJECT} doesn't do it`) },
);

namespaceTest('it works where IPv6 is off', async (t, net) => {
  const ends = await twoEnds(net);
  for (const end of [ends.a, ends.b]) {
    await end.sysctl('net.ipv6.conf.all.disable_ipv6', 1);
    await end.sysctl('net.ipv6.conf.default.disable_ipv6', 1);
  }
  const { a } = await tunnelPair(net, ends, { ...PAIR, addresses: 'ipv4' });
  await waitForPing(ends.a, INNER.b[4]);
  await a.set('listen-port', '41234');
  await transfer(ends.a, { namespace: ends.b, address: INNER.b[4] }, { bytes: MEGABYTE });
  t.is((await a.status()).listenPort, 41234);
});
