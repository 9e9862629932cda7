// From the TUN device to the sockets, for any engine. SPEC.md 4.3 to 4.5.
import { ipPacket } from '../support/ipPackets.js';
import { skip } from '../support/skip.js';
import { RemoteSession, drops } from './contractPeer.js';
import type { EngineUnderTest } from './contractTest.js';
import { OURS, OURS_V6, PEER, THEIRS, THEIRS_V6, contractTest, of } from './contractTest.js';
import type { EngineHarness } from './engineHarness.js';

const toPeer = (payloadBytes = 8, trafficClass = 0): Uint8Array =>
  ipPacket({ from: OURS, to: THEIRS, payload: new Uint8Array(payloadBytes).fill(7), trafficClass });

/** Takes the one datagram that must have been sent. */
async function takeOne(harness: EngineHarness): Promise<Uint8Array> {
  const sent = await harness.takeUdp();
  if (sent.length !== 1) throw new Error(`${sent.length} datagrams instead of one`);
  return sent[0]!.bytes;
}

/** Installs an initiator's session and takes its confirming datagram away. */
async function established(harness: EngineHarness): Promise<RemoteSession> {
  const session = RemoteSession.install(harness, PEER);
  await takeOne(harness);
  await harness.takeEvents();
  return session;
}

export function outboundContract(engine: EngineUnderTest): void {
  contractTest(engine, 'seals packets to a peer’s addresses, in order', async (t, harness) => {
    const session = await established(harness);
    const packets = [
      toPeer(4),
      ipPacket({ from: OURS_V6, to: THEIRS_V6, payload: new Uint8Array(24) }),
      toPeer(100),
    ];
    await harness.deliverToTun(...packets);
    const sent = await harness.takeUdp();
    t.deepEqual(
      sent.map(({ remote, trafficClass }) => ({ remote, trafficClass })),
      packets.map(() => ({ remote: 0, trafficClass: 0 })),
    );
    const opened = sent.map(({ bytes }) => session.open(bytes));
    t.deepEqual(
      opened.map(({ counter }) => counter),
      [1n, 2n, 3n],
    );
    for (const [i, { packet }] of opened.entries()) {
      const padded = new Uint8Array(Math.ceil(packets[i]!.length / 16) * 16);
      padded.set(packets[i]!);
      t.deepEqual(packet, padded);
    }
    t.deepEqual(drops(harness.engine), {});
  });

  contractTest(engine, 'pads to 16 bytes but not past an odd MTU', async (t, harness) => {
    const session = await established(harness);
    await harness.setMtu(1299);
    for (const [bytes, padded] of [
      [1296, 1296],
      [1297, 1299],
      [1299, 1299],
      [20, 32],
    ] as const) {
      await harness.deliverToTun(toPeer(bytes - 20));
      t.is(session.open(await takeOne(harness)).packet.length, padded);
    }
  });

  contractTest(engine, 'carries packets up to the largest datagram', async (t, harness) => {
    await harness.setMtu(65_535);
    const session = await established(harness);
    const packet = toPeer(65_456 - 20);
    await harness.deliverToTun(packet);
    t.deepEqual(session.open(await takeOne(harness)).packet, packet);
  });

  contractTest(
    engine,
    'copies ECN outside, CE as ECT(0), and never the DSCP',
    async (t, harness) => {
      await established(harness);
      const classes = [0x00, 0x01, 0x02, 0x03, 0xb8, 0xba];
      await harness.deliverToTun(...classes.map((trafficClass) => toPeer(8, trafficClass)));
      const sent = await harness.takeUdp();
      t.deepEqual(
        sent.map(({ trafficClass }) => trafficClass),
        [0, 1, 2, 2, 0, 2],
      );
    },
  );

  contractTest(engine, 'counts what it can’t send, each under one reason', async (t, harness) => {
    const { engine: dataPlane } = harness;
    await established(harness);
    await harness.deliverToTun(
      Uint8Array.of(0x45),
      Uint8Array.from({ length: 60 }, () => 0x70),
      new Uint8Array(39).fill(0x60),
      ipPacket({ from: OURS, to: '10.0.1.1' }),
    );
    dataPlane.setPath(PEER, null);
    await harness.deliverToTun(toPeer());
    t.deepEqual(drops(dataPlane), { malformed: 3, noPeer: 1, noEndpoint: 1 });
    t.deepEqual(await harness.takeUdp(), []);
  });

  contractTest(
    engine,
    'stages packets without keys, and sends them in order',
    async (t, harness) => {
      const packets = [toPeer(1), toPeer(40), toPeer(3)];
      await harness.deliverToTun(...packets);
      t.deepEqual(await harness.takeUdp(), []);
      t.deepEqual(of(await harness.takeEvents(), 'keysNeeded'), [
        { kind: 'keysNeeded', peer: PEER },
      ]);
      const session = RemoteSession.install(harness, PEER);
      const opened = (await harness.takeUdp()).map(({ bytes }) => session.open(bytes).packet);
      t.deepEqual(
        opened.map((packet) => packet[3]),
        packets.map((packet) => packet[3]),
      );
      t.is(opened.length, 3, 'no empty packet on top');
    },
  );

  contractTest(engine, 'stages 128 packets; the oldest give way', async (t, harness) => {
    const packets = Array.from({ length: 140 }, (_, i) => toPeer(i));
    await harness.deliverToTun(...packets);
    const session = RemoteSession.install(harness, PEER);
    const opened = (await harness.takeUdp()).map(({ bytes }) => session.open(bytes).packet);
    t.is(opened.length, 128);
    t.is(opened[0]?.[3], packets[12]?.[3]);
    t.is(opened[127]?.[3], packets[139]?.[3]);
    t.deepEqual(drops(harness.engine), { stagedOverflow: 12 });
  });

  contractTest(engine, 'forgets staged packets when told to', async (t, harness) => {
    await harness.deliverToTun(toPeer(50));
    harness.engine.dropStaged(PEER);
    const session = RemoteSession.install(harness, PEER);
    t.is(session.open(await takeOne(harness)).packet.length, 0);
  });

  contractTest(engine, 'asks for keys at most every 100 ms', async (t, harness) => {
    await harness.deliverToTun(toPeer());
    await harness.deliverToTun(toPeer());
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
    await harness.advance(150);
    await harness.deliverToTun(toPeer());
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
  });

  contractTest(
    engine,
    'an initiator’s session is confirmed by an empty packet',
    async (t, harness) => {
      const session = RemoteSession.install(harness, PEER);
      const { packet, counter } = session.open(await takeOne(harness));
      t.is(packet.length, 0);
      t.is(counter, 0n);
    },
  );

  contractTest(engine, 'sends a keepalive of 32 bytes, traffic class 0', async (t, harness) => {
    const session = await established(harness);
    harness.engine.sendKeepalive(PEER);
    const [sent] = await harness.takeUdp();
    t.is(sent?.bytes.length, 32);
    t.is(sent?.trafficClass, 0);
    t.is(session.open(sent!.bytes).packet.length, 0);
  });

  contractTest(engine, 'a keepalive sends what is staged instead', async (t, harness) => {
    const session = await established(harness);
    harness.engine.dropKeys(PEER);
    await harness.deliverToTun(toPeer(9));
    harness.engine.sendKeepalive(PEER);
    t.deepEqual(await harness.takeUdp(), []);
    const next = RemoteSession.install(harness, PEER);
    t.is(next.open(await takeOne(harness)).packet[3], 29);
    t.throws(() => session.open(new Uint8Array(32)));
  });

  contractTest(engine, 'a keepalive without keys asks for them, and waits', async (t, harness) => {
    harness.engine.sendKeepalive(PEER);
    harness.engine.sendKeepalive(PEER);
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
    const session = RemoteSession.install(harness, PEER);
    t.is(session.open(await takeOne(harness)).packet.length, 0);
  });

  contractTest(engine, 'reports what was sent, with the time', async (t, harness) => {
    await established(harness);
    await harness.advance(20);
    const before = harness.now();
    await harness.deliverToTun(toPeer());
    const after = harness.now();
    const [data] = of(await harness.takeEvents(), 'activity');
    t.true(data!.dataSentAt! >= before && data!.dataSentAt! <= after);
    t.is(data?.authenticatedSentAt, data?.dataSentAt);
    t.is(data?.authenticatedReceivedAt, null);
    harness.engine.sendKeepalive(PEER);
    const [empty] = of(await harness.takeEvents(), 'activity');
    t.is(empty?.dataSentAt, null);
    t.not(empty?.authenticatedSentAt, null);
  });

  contractTest(
    engine,
    'control datagrams go where they are sent, untouched',
    async (t, harness) => {
      const bytes = Uint8Array.from({ length: 148 }, (_, i) => i);
      harness.engine.sendToPeer(PEER, bytes, 0x88);
      harness.engine.sendTo(harness.path(1), bytes.subarray(0, 64), 0);
      t.deepEqual(await harness.takeUdp(), [
        { bytes, remote: 0, trafficClass: 0x88 },
        { bytes: bytes.subarray(0, 64), remote: 1, trafficClass: 0 },
      ]);
      t.is(
        harness.engine.traffic(PEER).sentBytes,
        148n,
        'only what goes to the peer is its traffic',
      );
      t.deepEqual(await harness.takeEvents(), []);
    },
  );

  contractTest(engine, 'a control datagram to a peer without endpoint is dropped', (t, harness) => {
    harness.engine.setPath(PEER, null);
    harness.engine.sendToPeer(PEER, new Uint8Array(148), 0x88);
    t.deepEqual(drops(harness.engine), { noEndpoint: 1 });
  });

  contractTest(engine, 'counts sent UDP payload bytes', async (t, harness) => {
    await established(harness);
    await harness.deliverToTun(toPeer(80));
    await harness.takeUdp();
    t.is(harness.engine.traffic(PEER).sentBytes, 32n + 16n + 112n + 16n);
  });

  contractTest(
    engine,
    'a failed send is counted by errno, and no data was sent',
    async (t, harness) => {
      if (harness.faults === null) {
        skip(t, 'sockets can’t be made to fail');
        return;
      }
      await established(harness);
      const { sentBytes } = harness.engine.traffic(PEER);
      harness.faults.failSends('ENETUNREACH');
      await harness.deliverToTun(toPeer(), toPeer());
      harness.faults.failSends('EPERM');
      harness.engine.sendToPeer(PEER, new Uint8Array(148), 0x88);
      harness.engine.sendTo(harness.path(1), new Uint8Array(64), 0);
      t.deepEqual(drops(harness.engine), { sendFailed: 4 });
      t.deepEqual(harness.engine.stats().sendErrors, { ENETUNREACH: 2, EPERM: 2 });
      t.is(harness.engine.traffic(PEER).sentBytes, sentBytes);
      const [activity] = of(await harness.takeEvents(), 'activity');
      t.is(activity?.dataSentAt, null);
      t.not(activity?.authenticatedSentAt, null);
      harness.faults.failSends(null);
      await harness.deliverToTun(toPeer());
      t.is((await harness.takeUdp()).length, 1, 'it comes back by itself');
    },
  );
}
