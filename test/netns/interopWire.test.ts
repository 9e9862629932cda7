// What the outer packets look like: sizes, padding, marks, DSCP and ECN, one family alone.
import { Capture, messageType } from '../support/netnsCapture.js';
import { namespaceTest } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import { INNER, PORT_OF_B, WIRE_DEVICE, tunnelPair, twoEnds } from '../support/netnsTopology.js';
import { ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT } from '../support/netnsTunnel.js';

const PAIR = { a: SUBJECT, b: SUBJECT } as const;
const MEGABYTE = 1024 * 1024;

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
