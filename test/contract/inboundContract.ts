// From the sockets to the TUN device, for any engine. SPEC.md 4.2, 4.5, 5.3.
import { ipPacket, ipv4Checksum } from '../support/ipPackets.js';
import { skip } from '../support/skip.js';
import { RemoteSession, drops } from './contractPeer.js';
import type { EngineUnderTest } from './contractTest.js';
import { OURS, OURS_V6, PEER, THEIRS, THEIRS_V6, contractTest, kinds, of } from './contractTest.js';
import type { EngineHarness } from './engineHarness.js';

const fromPeer = (payloadBytes = 12, trafficClass = 0): Uint8Array =>
  ipPacket({ from: THEIRS, to: OURS, payload: new Uint8Array(payloadBytes).fill(3), trafficClass });

const padded = (packet: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(packet.length / 16) * 16);
  bytes.set(packet);
  return bytes;
};

async function established(harness: EngineHarness): Promise<RemoteSession> {
  const session = RemoteSession.install(harness, PEER);
  await harness.takeUdp();
  await harness.takeEvents();
  return session;
}

export function inboundContract(engine: EngineUnderTest): void {
  contractTest(engine, 'opens, cuts the padding, and writes in order', async (t, harness) => {
    const session = await established(harness);
    const packets = [
      fromPeer(1),
      ipPacket({ from: THEIRS_V6, to: OURS_V6, payload: new Uint8Array(3) }),
      fromPeer(333),
    ];
    await harness.deliverUdp(
      0,
      ...packets.map((packet) => ({ bytes: session.seal(padded(packet)) })),
    );
    t.deepEqual(await harness.takeFromTun(), packets);
    t.deepEqual(drops(harness.engine), {});
  });

  contractTest(engine, 'takes packets without any padding', async (t, harness) => {
    const session = await established(harness);
    await harness.deliverUdp(0, { bytes: session.seal(fromPeer(1)) });
    t.deepEqual(await harness.takeFromTun(), [fromPeer(1)]);
  });

  contractTest(engine, 'takes packets up to the largest datagram', async (t, harness) => {
    await harness.setMtu(65_535);
    const session = await established(harness);
    const packet = fromPeer(65_456 - 20);
    await harness.deliverUdp(0, { bytes: session.seal(packet) });
    t.deepEqual(await harness.takeFromTun(), [packet]);
  });

  contractTest(engine, 'a keepalive reaches no TUN device', async (t, harness) => {
    const session = await established(harness);
    await harness.deliverUdp(0, { bytes: session.seal(new Uint8Array(0)) });
    t.deepEqual(await harness.takeFromTun(), []);
    const [activity] = of(await harness.takeEvents(), 'activity');
    t.not(activity?.authenticatedReceivedAt, null);
    t.is(activity?.dataReceivedAt, null);
    t.deepEqual(drops(harness.engine), {});
    t.is(harness.engine.traffic(PEER).receivedBytes, 32n);
  });

  contractTest(engine, 'a datagram is delivered once', async (t, harness) => {
    const session = await established(harness);
    const first = session.seal(fromPeer(1));
    const second = session.seal(fromPeer(2));
    await harness.deliverUdp(0, { bytes: second }, { bytes: first }, { bytes: second });
    await harness.deliverUdp(1, { bytes: first });
    t.deepEqual(await harness.takeFromTun(), [fromPeer(2), fromPeer(1)]);
    t.deepEqual(drops(harness.engine), { replayed: 2 });
  });

  contractTest(engine, 'the window holds 8128 counters below the greatest', async (t, harness) => {
    const session = await established(harness);
    for (const counter of [10_000n, 10_000n - 8_128n, 10_000n - 8_129n]) {
      await harness.deliverUdp(0, { bytes: session.seal(fromPeer(), counter) });
    }
    t.is((await harness.takeFromTun()).length, 2);
    t.deepEqual(drops(harness.engine), { replayed: 1 });
  });

  contractTest(engine, 'counters reach 2^64 - 2^13 - 2 and not further', async (t, harness) => {
    const session = await established(harness);
    const last = 2n ** 64n - 2n ** 13n - 2n;
    for (const counter of [last + 1n, last, 2n ** 32n, 2n ** 64n - 1n, last - 1n]) {
      await harness.deliverUdp(0, { bytes: session.seal(fromPeer(), counter) });
    }
    t.is((await harness.takeFromTun()).length, 2);
    t.deepEqual(drops(harness.engine), { expired: 2, replayed: 1 });
  });

  contractTest(engine, 'a forged datagram changes nothing', async (t, harness) => {
    const session = await established(harness);
    const far = session.seal(fromPeer(), 1_000_000n);
    far[far.length - 1]! ^= 1;
    const bent = session.seal(fromPeer(), 0n);
    bent[20]! ^= 0x80;
    await harness.deliverUdp(1, { bytes: far }, { bytes: bent });
    t.deepEqual(await harness.takeFromTun(), []);
    t.deepEqual(await harness.takeEvents(), []);
    t.deepEqual(drops(harness.engine), { forged: 2 });
    t.deepEqual(harness.engine.traffic(PEER).path?.remote, harness.path(0).remote);
    await harness.deliverUdp(0, { bytes: session.seal(fromPeer(), 0n) });
    t.is((await harness.takeFromTun()).length, 1, 'the window did not move');
  });

  contractTest(engine, 'an unknown index is no session', async (t, harness) => {
    const session = await established(harness);
    const bytes = session.seal(fromPeer());
    bytes[4]! ^= 0xff;
    await harness.deliverUdp(0, { bytes });
    t.deepEqual(drops(harness.engine), { noSession: 1 });
  });

  contractTest(engine, 'what is no known datagram is malformed', async (t, harness) => {
    const session = await established(harness);
    const transport = session.seal(fromPeer());
    const typed = (type: number, bytes: number): Uint8Array =>
      Uint8Array.from({ length: bytes }, (_, i) => (i === 0 ? type : 0));
    const dirty = transport.slice();
    dirty[1] = 1;
    const junk = [
      new Uint8Array(0),
      Uint8Array.of(4),
      typed(4, 31),
      typed(0, 148),
      typed(5, 148),
      typed(1, 147),
      typed(1, 149),
      typed(2, 93),
      typed(3, 63),
      dirty,
    ];
    await harness.deliverUdp(0, ...junk.map((bytes) => ({ bytes })));
    t.deepEqual(await harness.takeEvents(), []);
    // An empty UDP datagram may not reach an engine on real sockets.
    t.true((drops(harness.engine)['malformed'] ?? 0) >= junk.length - 1);
    t.deepEqual(Object.keys(drops(harness.engine)), ['malformed']);
  });

  contractTest(engine, 'hands control datagrams over as copies, in order', async (t, harness) => {
    const messages = [
      [1, 148],
      [2, 92],
      [3, 64],
    ].map(([type, bytes]) => Uint8Array.from({ length: bytes! }, (_, i) => (i === 0 ? type! : 0)));
    await harness.deliverUdp(1, ...messages.map((bytes) => ({ bytes })));
    const events = of(await harness.takeEvents(), 'controlReceived');
    t.deepEqual(
      events.map(({ bytes }) => bytes),
      messages,
    );
    for (const { path } of events) t.deepEqual(path.remote, harness.path(1).remote);
    t.is(harness.engine.traffic(PEER).receivedBytes, 0n);
    harness.engine.countControlReceived(PEER, 148);
    t.is(harness.engine.traffic(PEER).receivedBytes, 148n);
  });

  contractTest(engine, 'refuses inner sources that aren’t the peer’s', async (t, harness) => {
    const session = await established(harness);
    const inner = [
      ipPacket({ from: '10.0.1.1', to: OURS }),
      ipPacket({ from: 'fd00:2::1', to: OURS_V6 }),
    ];
    await harness.deliverUdp(0, ...inner.map((packet) => ({ bytes: session.seal(packet) })));
    t.deepEqual(await harness.takeFromTun(), []);
    t.deepEqual(drops(harness.engine), { wrongSource: 2 });
    t.is(harness.engine.traffic(PEER).receivedBytes, 0n);
    const [activity] = of(await harness.takeEvents(), 'activity');
    t.not(activity?.dataReceivedAt, null, 'it was authentic all the same');
  });

  contractTest(engine, 'refuses inner packets that are no IP packets', async (t, harness) => {
    const session = await established(harness);
    const long = fromPeer();
    long[3]! += 1;
    const short = fromPeer();
    short[3] = 19;
    const inner = [Uint8Array.of(0x45), new Uint8Array(64).fill(0x77), long, short];
    await harness.deliverUdp(0, ...inner.map((packet) => ({ bytes: session.seal(packet) })));
    t.deepEqual(await harness.takeFromTun(), []);
    t.deepEqual(drops(harness.engine), { malformed: 4 });
  });

  contractTest(engine, 'brings CE inside where the packet knows ECN', async (t, harness) => {
    const session = await established(harness);
    const delivered: Uint8Array[] = [];
    for (const [inner, ecn] of [
      [0xb8, 3],
      [0xba, 3],
      [0xb9, 3],
      [0xba, 0],
    ] as const) {
      await harness.deliverUdp(0, { bytes: session.seal(fromPeer(12, inner)), ecn });
      delivered.push(...(await harness.takeFromTun()));
    }
    t.deepEqual(
      delivered.map((packet) => packet[1]),
      [0xb8, 0xbb, 0xbb, 0xba],
    );
    for (const packet of delivered) {
      t.is((packet[10]! << 8) | packet[11]!, ipv4Checksum(packet));
    }
  });

  contractTest(engine, 'follows a peer that roams', async (t, harness) => {
    const session = await established(harness);
    await harness.deliverUdp(1, { bytes: session.seal(fromPeer()) });
    const [roamed] = of(await harness.takeEvents(), 'roamed');
    t.deepEqual(roamed?.path.remote, harness.path(1).remote);
    t.deepEqual(harness.engine.traffic(PEER).path?.remote, harness.path(1).remote);
    await harness.deliverToTun(ipPacket({ from: OURS, to: THEIRS }));
    t.is((await harness.takeUdp())[0]?.remote, 1);
    await harness.deliverUdp(1, { bytes: session.seal(fromPeer()) });
    t.is(of(await harness.takeEvents(), 'roamed').length, 0, 'once');
  });

  contractTest(engine, 'a keepalive moves the endpoint, a replay does not', async (t, harness) => {
    const session = await established(harness);
    const datagram = session.seal(new Uint8Array(0));
    await harness.deliverUdp(1, { bytes: datagram });
    t.deepEqual(harness.engine.traffic(PEER).path?.remote, harness.path(1).remote);
    await harness.deliverUdp(0, { bytes: datagram });
    t.deepEqual(harness.engine.traffic(PEER).path?.remote, harness.path(1).remote);
  });

  contractTest(engine, 'reports what was received, with the time', async (t, harness) => {
    const session = await established(harness);
    await harness.advance(20);
    const before = harness.now();
    await harness.deliverUdp(0, { bytes: session.seal(fromPeer()) });
    const after = harness.now();
    const [activity] = of(await harness.takeEvents(), 'activity');
    t.true(activity!.dataReceivedAt! >= before && activity!.dataReceivedAt! <= after);
    t.is(activity?.authenticatedReceivedAt, activity?.dataReceivedAt);
    t.is(activity?.authenticatedSentAt, null);
  });

  contractTest(engine, 'counts received UDP payload bytes', async (t, harness) => {
    const session = await established(harness);
    await harness.deliverUdp(0, { bytes: session.seal(padded(fromPeer(80))) });
    t.is(harness.engine.traffic(PEER).receivedBytes, 16n + 112n + 16n);
  });

  contractTest(engine, 'a refused write is counted', async (t, harness) => {
    if (harness.faults === null) {
      skip(t, 'the TUN device can’t be made to refuse');
      return;
    }
    const session = await established(harness);
    harness.faults.refuseWrites(true);
    await harness.deliverUdp(0, { bytes: session.seal(fromPeer()) });
    t.deepEqual(drops(harness.engine), { tunWriteFailed: 1 });
    t.deepEqual(kinds(await harness.takeEvents()).includes('activity'), true);
  });
}
