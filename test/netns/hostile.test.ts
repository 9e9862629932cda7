// What anybody on the Internet can send: junk, handshakes that cost work, recorded packets again,
// and a network that loses, repeats, reorders and damages.
import { fileURLToPath } from 'node:url';
import { Capture, messageType } from '../support/netnsCapture.js';
import type { FloodResult } from '../support/netnsFlood.js';
import { namespaceTest } from '../support/netns.js';
import type { Namespace, Network } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import type { Background } from '../support/netnsProcess.js';
import {
  INNER,
  OUTER,
  PORT_OF_B,
  endpoint,
  relayEndpoint,
  relayedEnds,
  tunnelPair,
  twoEnds,
} from '../support/netnsTopology.js';
import type { Ends } from '../support/netnsTopology.js';
import { numberedDatagrams, ping, transfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT, Tunnel } from '../support/netnsTunnel.js';

const PAIR = { a: SUBJECT, b: SUBJECT } as const;
const MEGABYTE = 1024 * 1024;
const seed = Number(process.env['BEAM_SEED'] ?? Date.now() % 2 ** 31);

const FLOODED = '198.18.0.1';
const FLOODER = '198.18.0.2';
const FLOOD = fileURLToPath(new URL('../support/netnsFlood.js', import.meta.url));

/** A third namespace on a second wire of b, with 65,536 addresses of its own. */
async function addFlooder(net: Network, { b }: Ends): Promise<Namespace> {
  const flooder = await net.namespace('flooder');
  await net.link(
    { namespace: b, device: 'evil0', addresses: [`${FLOODED}/24`] },
    { namespace: flooder, device: 'evil0', addresses: [`${FLOODER}/24`] },
  );
  await flooder.addAddress('lo', '10.66.0.1/16');
  await b.run('ip', 'route', 'add', '10.66.0.0/16', 'via', FLOODER);
  return flooder;
}

interface FloodOptions {
  readonly kind: 'junk' | 'initiations';
  readonly publicKey: string;
  readonly seconds: number;
  readonly perS: number;
  readonly sources: number;
}

function startFlood(flooder: Namespace, options: FloodOptions): Background {
  const { kind, publicKey, seconds, perS, sources } = options;
  const args = [FLOODED, PORT_OF_B, publicKey, seconds, perS, sources, seed].map(String);
  return flooder.spawn([process.execPath, FLOOD, kind, ...args]);
}

/** Ends the flood, which must have lasted until now, and gives its account. */
async function endFlood(flood: Background): Promise<FloodResult> {
  if (flood.outcome !== null) throw new Error(`the flood ended too early: ${flood.log}`);
  const { status } = await flood.stop();
  if (status !== 0) throw new Error(`flood failed: ${flood.log}`);
  return JSON.parse(flood.stdout) as FloodResult;
}

/** wireguard-go grows by its packet pools and Go's heap; Beam promises to stay small. */
const MAX_GROWTH_BYTES = (SUBJECT === 'beam' ? 96 : 512) * MEGABYTE;

namespaceTest('a flood of junk of every type and size leaves a tunnel usable', async (t, net) => {
  t.log(`BEAM_SEED=${seed}`);
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  const flooder = await addFlooder(net, ends);
  await waitForPing(ends.a, INNER.b[4]);
  const idleBytes = b.residentBytes();
  const flood = startFlood(flooder, {
    kind: 'junk',
    publicKey: b.keys.publicKey,
    seconds: 40,
    perS: 20_000,
    sources: 256,
  });
  await pause(500);
  const pings = await ping(ends.a, INNER.b[4], { count: 100, intervalMs: 20 });
  await transfer(ends.a, { namespace: ends.b, address: INNER.b[4] }, { bytes: 4 * MEGABYTE });
  const grownBytes = b.residentBytes() - idleBytes;
  const result = await endFlood(flood);
  t.log(`${result.sent} datagrams; ${pings.received} of 100 pings; ${grownBytes >> 20} MB more`);
  t.true(result.sent > 20_000, 'it was a flood');
  t.true(pings.received >= 90, `${pings.received} of 100 pings came back`);
  t.true(grownBytes < MAX_GROWTH_BYTES, `grew by ${grownBytes} bytes`);
  t.deepEqual(result.replies, {}, 'junk gets no answer');
  t.is((await b.peer(a.keys.publicKey)).endpoint?.split(':')[0], OUTER.a[4], 'nobody roamed');
  t.is(b.process.outcome, null);
});

namespaceTest(
  'a flood of handshakes from many addresses gets cookies, and the tunnel lives on',
  async (t, net) => {
    t.log(`BEAM_SEED=${seed}`);
    const ends = await twoEnds(net);
    const { b } = await tunnelPair(net, ends, PAIR);
    const flooder = await addFlooder(net, ends);
    await waitForPing(ends.a, INNER.b[4]);
    const late = await net.namespace('late');
    await net.link(
      { namespace: ends.b, device: 'late0', addresses: ['198.19.0.1/24'] },
      { namespace: late, device: 'late0', addresses: ['198.19.0.2/24'] },
    );
    const newcomer = await Tunnel.start(net, { implementation: SUBJECT, namespace: late });
    await b.set('peer', newcomer.keys.publicKey, 'allowed-ips', '10.99.0.3/32');
    const idleBytes = b.residentBytes();
    const flood = startFlood(flooder, {
      kind: 'initiations',
      publicKey: b.keys.publicKey,
      seconds: 60,
      perS: 10_000,
      sources: 2_048,
    });
    await pause(1_500);
    const pings = await ping(ends.a, INNER.b[4], { count: 100, intervalMs: 20 });
    await transfer(ends.a, { namespace: ends.b, address: INNER.b[4] }, { bytes: 2 * MEGABYTE });

    // A newcomer has to get through with a cookie of its own.
    const capture = await Capture.start(net, late, 'late0');
    await newcomer.setConfig({
      privateKey: newcomer.keys.privateKey,
      peers: [
        {
          publicKey: b.keys.publicKey,
          endpoint: endpoint('198.19.0.1', PORT_OF_B),
          allowedIps: ['10.99.0.0/24'],
        },
      ],
    });
    await newcomer.up(['10.99.0.3/24'], 1420);
    await waitForPing(late, INNER.b[4], 20_000);
    const grownBytes = b.residentBytes() - idleBytes;
    const result = await endFlood(flood);
    const types = (await capture.stop()).map(messageType);
    t.log(
      `${result.sent} initiations from ${result.sources} addresses, replies ${JSON.stringify(result.replies)}; ` +
        `${pings.received} of 100 pings; ${grownBytes >> 20} MB more; newcomer saw ${types.slice(0, 8).join(' ')}`,
    );
    t.true(result.sent > 20_000, 'it was a flood');
    t.true((result.replies['3'] ?? 0) > 0, 'cookie replies went out');
    t.deepEqual(Object.keys(result.replies), ['3'], 'and nothing else');
    t.true(pings.received >= 80, `${pings.received} of 100 pings came back`);
    t.true(grownBytes < MAX_GROWTH_BYTES, `grew by ${grownBytes} bytes`);
  },
);

namespaceTest(
  'recorded packets that come again deliver nothing and move nothing',
  async (t, net) => {
    const ends = await relayedEnds(net, { seed, record: true });
    const { a, b } = await tunnelPair(net, ends, { ...PAIR, endpointOfB: relayEndpoint });
    await waitForPing(ends.a, INNER.b[4]);
    await transfer(ends.a, { namespace: ends.b, address: INNER.b[4] }, { bytes: MEGABYTE });
    await ping(ends.b, INNER.a[4], { count: 20 });
    await pause(200);
    const recorded = await ends.relay.recorded();
    const before = await Promise.all([a.counter('rx_packets'), b.counter('rx_packets')]);
    const endpoints = [await a.status(), await b.status()].map(({ peers }) => peers[0]!.endpoint);
    const handshakeS = (await b.peer(a.keys.publicKey)).latestHandshakeS;
    for (const from of ['relay', 'stranger'] as const) {
      for (const direction of ['toTarget', 'toClient'] as const) {
        const datagrams = recorded.filter((one) => one.direction === direction);
        for (let at = 0; at < datagrams.length; at += 100) {
          const some = datagrams.slice(at, at + 100).map(({ bytes }) => bytes);
          await ends.relay.inject(direction, some, from);
        }
      }
    }
    await pause(500);
    const replayed = (await ends.relay.counts()).injected;
    t.log(`${replayed} datagrams again`);
    t.true(replayed >= 2 * recorded.length);
    const after = await Promise.all([a.counter('rx_packets'), b.counter('rx_packets')]);
    t.deepEqual(after, before, 'not one packet reached either TUN');
    t.deepEqual(
      [await a.status(), await b.status()].map(({ peers }) => peers[0]!.endpoint),
      endpoints,
      'nobody roamed',
    );
    t.is((await b.peer(a.keys.publicKey)).latestHandshakeS, handshakeS, 'no handshake again');
    t.is((await ping(ends.a, INNER.b[4])).received, 3, 'and the tunnel still works');
  },
);

namespaceTest('a recorded initiation gets no second response', async (t, net) => {
  const ends = await relayedEnds(net, { seed, record: true });
  await tunnelPair(net, ends, { ...PAIR, endpointOfB: relayEndpoint });
  await waitForPing(ends.a, INNER.b[4]);
  const initiation = (await ends.relay.recorded()).find(({ bytes }) => bytes[0] === 1)!;
  const capture = await Capture.start(net, ends.b, 'wire0');
  for (let i = 0; i < 5; i++) {
    await ends.relay.inject('toTarget', [initiation.bytes], i % 2 === 0 ? 'relay' : 'stranger');
    await pause(60);
  }
  await waitFor('the initiations were seen', () => {
    return capture.datagrams().filter((datagram) => messageType(datagram) === 1).length === 5;
  });
  await pause(200);
  t.deepEqual((await capture.stop()).map(messageType), [1, 1, 1, 1, 1]);
});

namespaceTest('damaged packets never reach anybody, and files arrive whole', async (t, net) => {
  t.log(`BEAM_SEED=${seed}`);
  const ends = await relayedEnds(net, { seed });
  await tunnelPair(net, ends, { ...PAIR, endpointOfB: relayEndpoint });
  await waitForPing(ends.a, INNER.b[4]);
  await ends.relay.setRules({ corrupt: 0.03 });
  const to = { namespace: ends.b, address: INNER.b[4] };
  await transfer(ends.a, to, { bytes: 2 * MEGABYTE, timeoutMs: 60_000 });
  await ends.relay.setRules({ corrupt: 1 });
  t.is((await ping(ends.a, INNER.b[4], { count: 10, waitMs: 200 })).received, 0);
  await ends.relay.setRules({});
  t.is((await ping(ends.a, INNER.b[4])).received, 3);
  const { corrupted } = await ends.relay.counts();
  t.log(`${corrupted} datagrams damaged`);
  t.true(corrupted > 20);
});

namespaceTest(
  'reordered and repeated datagrams each deliver their packet exactly once',
  async (t, net) => {
    t.log(`BEAM_SEED=${seed}`);
    const ends = await relayedEnds(net, { seed });
    await tunnelPair(net, ends, { ...PAIR, endpointOfB: relayEndpoint });
    await waitForPing(ends.a, INNER.b[4]);
    await ends.relay.setRules({ duplicate: 0.3, delay: 0.3, delayMs: 40 });
    const to = { namespace: ends.b, address: INNER.b[4] };
    const count = 5_000;
    const result = await numberedDatagrams(ends.a, to, { count, perS: 2_000 });
    const counts = await ends.relay.counts();
    t.log(`${counts.delayed} delayed, ${counts.duplicated} repeated`);
    t.true(counts.delayed > count / 10 && counts.duplicated > count / 10);
    t.like(result, { received: count, distinct: count, damaged: 0 });
  },
);

namespaceTest(
  'a network that loses 15 % still gets a handshake, pings and a file through',
  async (t, net) => {
    t.log(`BEAM_SEED=${seed}`);
    const ends = await relayedEnds(net, { seed });
    await ends.relay.setRules({ lose: 0.15, duplicate: 0.05, delay: 0.1, delayMs: 15 });
    const { a, b } = await tunnelPair(net, ends, { ...PAIR, endpointOfB: relayEndpoint });
    await waitForPing(ends.a, INNER.b[4], 40_000);
    const pings = await ping(ends.a, INNER.b[4], { count: 200, intervalMs: 10 });
    // 0.85 squared is 72 %; below 58 % is more than four standard deviations away.
    t.true(pings.received > 116, `${pings.received} of 200 pings`);
    await ends.relay.setRules({ lose: 0.03, duplicate: 0.05, delay: 0.1, delayMs: 15 });
    const to = { namespace: ends.b, address: INNER.b[4] };
    await transfer(ends.a, to, { bytes: MEGABYTE, timeoutMs: 60_000 });
    t.true((await a.peer(b.keys.publicKey)).latestHandshakeS > 0);
  },
);

namespaceTest(
  'a wire that drops one packet in ten at full speed slows a file, no more',
  async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.b.rule('prerouting', `udp dport ${PORT_OF_B} numgen random mod 100 < 10 drop`);
    const to = { namespace: ends.b, address: INNER.b[4] };
    await transfer(ends.a, to, { bytes: MEGABYTE, timeoutMs: 60_000 });
    const pings = await ping(ends.a, INNER.b[4], { count: 100 });
    t.true(pings.received >= 70, `${pings.received} of 100 pings`);
  },
);
