// Sessions and their keyring, for any engine. SPEC.md 4.1, 4.3, 5.5.
import { ipPacket } from '../support/ipPackets.js';
import { RemoteSession, drops } from './contractPeer.js';
import type { EngineUnderTest } from './contractTest.js';
import { OURS, PEER, THEIRS, contractTest, of } from './contractTest.js';
import type { EngineHarness } from './engineHarness.js';

const toPeer = (): Uint8Array => ipPacket({ from: OURS, to: THEIRS });
const fromPeer = (): Uint8Array => ipPacket({ from: THEIRS, to: OURS });

/** True if a packet under this session reaches the TUN device. */
async function accepted(harness: EngineHarness, session: RemoteSession): Promise<boolean> {
  await harness.deliverUdp(0, { bytes: session.seal(fromPeer()) });
  return (await harness.takeFromTun()).length === 1;
}

/** True if a packet from the TUN device goes out under this session. */
async function sendsUnder(harness: EngineHarness, session: RemoteSession): Promise<boolean> {
  await harness.takeUdp();
  await harness.deliverToTun(toPeer());
  const [sent] = await harness.takeUdp();
  if (sent === undefined) return false;
  try {
    session.open(sent.bytes);
    return true;
  } catch {
    return false;
  }
}

/** Datagrams that name the session and don't open. */
async function forge(harness: EngineHarness, session: RemoteSession, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const bytes = session.seal(fromPeer(), BigInt(50 + i));
    bytes[bytes.length - 1]! ^= 1;
    await harness.deliverUdp(0, { bytes });
  }
}

export function sessionContract(engine: EngineUnderTest): void {
  for (const suite of ['chacha20-poly1305', 'aes-256-gcm'] as const) {
    contractTest(engine, `${suite} sessions carry packets both ways`, async (t, harness) => {
      const session = RemoteSession.install(harness, PEER, { suite });
      t.true(await accepted(harness, session));
      t.true(await sendsUnder(harness, session));
      t.is(harness.engine.traffic(PEER).session?.suite, suite);
    });
  }

  contractTest(engine, 'zeroes the arrays that keys come in', (t, harness) => {
    const sendKey = new Uint8Array(32).fill(1);
    const receiveKey = new Uint8Array(32).fill(2);
    harness.engine.installKeys({
      peer: PEER,
      role: 'initiator',
      localIndex: 7,
      remoteIndex: 8,
      suite: 'chacha20-poly1305',
      sendKey,
      receiveKey,
      createdAt: harness.now(),
      limits: {
        rekeyAfterMessages: 1n,
        sendAtMostMessages: 2n,
        rejectAfterMessages: 2n,
        dropAfterForgeries: 1n,
        rekeyAfterMs: null,
        rekeyOnReceiveAfterMs: null,
        rejectAfterMs: 1,
      },
    });
    t.deepEqual(sendKey, new Uint8Array(32));
    t.deepEqual(receiveKey, new Uint8Array(32));
  });

  contractTest(engine, 'a responder sends nothing before the first packet', async (t, harness) => {
    await harness.deliverToTun(toPeer());
    await harness.takeEvents();
    const session = RemoteSession.install(harness, PEER, { role: 'responder' });
    t.deepEqual(await harness.takeUdp(), []);
    t.is(harness.engine.traffic(PEER).session, null);
    await harness.deliverUdp(0, { bytes: session.seal(new Uint8Array(0)) });
    const { localIndex } = session;
    t.deepEqual(of(await harness.takeEvents(), 'keysConfirmed'), [
      { kind: 'keysConfirmed', peer: PEER, localIndex },
    ]);
    const sent = await harness.takeUdp();
    t.deepEqual(
      sent.map(({ bytes }) => session.open(bytes).packet.length),
      [32],
      'then what was staged',
    );
    await harness.deliverUdp(0, { bytes: session.seal(new Uint8Array(0)) });
    t.deepEqual(of(await harness.takeEvents(), 'keysConfirmed'), [], 'confirmed once');
  });

  contractTest(engine, 'a forged or replayed packet confirms nothing', async (t, harness) => {
    const session = RemoteSession.install(harness, PEER, { role: 'responder' });
    const bent = session.seal(fromPeer(), 5n);
    bent[17]! ^= 1;
    await harness.deliverUdp(0, { bytes: bent });
    t.deepEqual(of(await harness.takeEvents(), 'keysConfirmed'), []);
    t.false(await sendsUnder(harness, session));
  });

  contractTest(
    engine,
    'the previous session still receives, the one before not',
    async (t, harness) => {
      const [a, b, c] = [0, 1, 2].map(() => RemoteSession.install(harness, PEER));
      t.true(await accepted(harness, b!));
      t.true(await accepted(harness, c!));
      t.false(await accepted(harness, a!));
      t.deepEqual(drops(harness.engine), { noSession: 1 });
      t.true(await sendsUnder(harness, c!));
      t.deepEqual(of(await harness.takeEvents(), 'keysDropped'), [
        { kind: 'keysDropped', peer: PEER, localIndex: a!.localIndex },
      ]);
    },
  );

  contractTest(
    engine,
    'an answered session pushes previous and an older next out',
    async (t, harness) => {
      const a = RemoteSession.install(harness, PEER);
      const b = RemoteSession.install(harness, PEER);
      const c = RemoteSession.install(harness, PEER, { role: 'responder' });
      const d = RemoteSession.install(harness, PEER, { role: 'responder' });
      const dropped = of(await harness.takeEvents(), 'keysDropped').map(
        ({ localIndex }) => localIndex,
      );
      t.deepEqual(dropped, [a.localIndex, c.localIndex]);
      t.true(await sendsUnder(harness, b));
      t.true(await accepted(harness, d));
      t.true(await sendsUnder(harness, d));
      t.true(await accepted(harness, b), 'the old current is previous now');
    },
  );

  contractTest(engine, 'an initiated session demotes an unconfirmed one', async (t, harness) => {
    const a = RemoteSession.install(harness, PEER);
    const b = RemoteSession.install(harness, PEER, { role: 'responder' });
    const c = RemoteSession.install(harness, PEER);
    t.true(await sendsUnder(harness, c));
    t.true(await accepted(harness, b));
    t.true(await sendsUnder(harness, c), 'b is previous: its packets confirm nothing');
    t.false(await accepted(harness, a));
  });

  contractTest(engine, 'a session of 180 s neither sends nor receives', async (t, harness) => {
    const old = RemoteSession.install(harness, PEER, { ageMs: 180_000 });
    t.false(await accepted(harness, old));
    t.false(await sendsUnder(harness, old));
    t.deepEqual(drops(harness.engine), { expired: 1 });
    t.is(of(await harness.takeEvents(), 'keysNeeded').length >= 1, true);
    const young = RemoteSession.install(harness, PEER, { ageMs: 170_000 });
    t.true(await accepted(harness, young));
    t.true(await sendsUnder(harness, young));
  });

  contractTest(engine, 'asks for keys by age in sending, as initiator only', async (t, harness) => {
    for (const [role, ageMs, asks] of [
      ['initiator', 110_000, false],
      ['initiator', 120_000, true],
      ['responder', 170_000, false],
    ] as const) {
      harness.engine.dropKeys(PEER);
      const session = RemoteSession.install(harness, PEER, { role, ageMs });
      await harness.deliverUdp(0, { bytes: session.seal(new Uint8Array(0)) });
      await harness.takeEvents();
      await harness.advance(120);
      t.true(await sendsUnder(harness, session));
      t.is(of(await harness.takeEvents(), 'keysNeeded').length, asks ? 1 : 0, `${role} ${ageMs}`);
    }
  });

  contractTest(engine, 'asks for keys by age in receiving, once', async (t, harness) => {
    const session = RemoteSession.install(harness, PEER, { ageMs: 165_000 });
    await harness.takeEvents();
    await harness.advance(120);
    t.true(await accepted(harness, session));
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
    await harness.advance(120);
    t.true(await accepted(harness, session));
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 0);
    const young = RemoteSession.install(harness, PEER, { ageMs: 110_000 });
    await harness.takeEvents();
    t.true(await accepted(harness, young));
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 0);
  });

  contractTest(engine, 'asks for keys after rekeyAfterMessages packets', async (t, harness) => {
    const limits = { rekeyAfterMessages: 3n };
    const session = RemoteSession.install(harness, PEER, { limits });
    t.true(await sendsUnder(harness, session));
    t.true(await sendsUnder(harness, session));
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 0);
    t.true(await sendsUnder(harness, session));
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
  });

  contractTest(
    engine,
    'sends and takes rejectAfterMessages packets and no more',
    async (t, harness) => {
      const limits = { rejectAfterMessages: 3n };
      const session = RemoteSession.install(harness, PEER, { limits });
      t.true(await sendsUnder(harness, session));
      t.true(await sendsUnder(harness, session));
      t.false(await sendsUnder(harness, session), 'the empty packet was the first');
      t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
      for (const takes of [true, true, true, false]) t.is(await accepted(harness, session), takes);
      t.deepEqual(drops(harness.engine), { expired: 1 });
      const next = RemoteSession.install(harness, PEER);
      const sent = (await harness.takeUdp()).map(({ bytes }) => next.open(bytes).packet.length);
      t.deepEqual(sent, [32], 'the packet that waited');
    },
  );

  contractTest(
    engine,
    'sends as many packets as the cipher bears, and takes more',
    async (t, harness) => {
      const limits = { sendAtMostMessages: 3n, rekeyAfterMessages: 1n };
      const session = RemoteSession.install(harness, PEER, { suite: 'aes-256-gcm', limits });
      t.true(await sendsUnder(harness, session));
      t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1, 'asked for before the end');
      t.true(await sendsUnder(harness, session));
      t.false(await sendsUnder(harness, session), 'the empty packet was the first');
      session.counter = 100n;
      t.true(await accepted(harness, session), 'the other end has limits of its own');
      t.deepEqual(drops(harness.engine), {});
    },
  );

  for (const suite of ['chacha20-poly1305', 'aes-256-gcm'] as const) {
    contractTest(
      engine,
      `a ${suite} session that met too many forgeries is dropped`,
      async (t, harness) => {
        const limits = { dropAfterForgeries: 3n };
        const older = RemoteSession.install(harness, PEER, { suite });
        const session = RemoteSession.install(harness, PEER, { suite, limits });
        await harness.takeEvents();
        await forge(harness, session, 2);
        t.true(await accepted(harness, session), 'one is left');
        const again = session.seal(fromPeer(), 0n);
        await harness.deliverUdp(0, { bytes: again }, { bytes: again });
        t.true(await accepted(harness, session), 'replays are no forgeries');
        await harness.takeEvents();
        await harness.advance(120);
        await forge(harness, session, 1);
        const events = await harness.takeEvents();
        t.deepEqual(
          events.filter(({ kind }) => kind !== 'activity'),
          [
            { kind: 'keysDropped', peer: PEER, localIndex: session.localIndex },
            { kind: 'keysNeeded', peer: PEER },
          ],
        );
        t.false(await accepted(harness, session));
        t.false(await sendsUnder(harness, session));
        t.true(await accepted(harness, older), 'the others stay');
        t.deepEqual(drops(harness.engine), { forged: 3, noSession: 1, replayed: 2 });
        t.is(harness.engine.traffic(PEER).session, null);
      },
    );
  }

  contractTest(
    engine,
    'a previous session that met too many forgeries asks for nothing',
    async (t, harness) => {
      const old = RemoteSession.install(harness, PEER, { limits: { dropAfterForgeries: 1n } });
      const session = RemoteSession.install(harness, PEER);
      await harness.takeEvents();
      await forge(harness, old, 1);
      t.deepEqual(await harness.takeEvents(), [
        { kind: 'keysDropped', peer: PEER, localIndex: old.localIndex },
      ]);
      t.true(await sendsUnder(harness, session));
      t.true(await accepted(harness, session));
    },
  );

  contractTest(engine, 'an expired keyring receives but does not send', async (t, harness) => {
    const session = RemoteSession.install(harness, PEER);
    const next = RemoteSession.install(harness, PEER, { role: 'responder' });
    await harness.takeEvents();
    harness.engine.expireKeys(PEER);
    t.true(await accepted(harness, session));
    t.false(await sendsUnder(harness, session));
    t.is(of(await harness.takeEvents(), 'keysNeeded').length, 1);
    t.true(await accepted(harness, next));
    t.false(await sendsUnder(harness, next));
    t.deepEqual(of(await harness.takeEvents(), 'keysDropped'), []);
  });

  contractTest(engine, 'dropped keys are gone, and their indices free', async (t, harness) => {
    const a = RemoteSession.install(harness, PEER);
    const b = RemoteSession.install(harness, PEER, { role: 'responder' });
    await harness.takeEvents();
    harness.engine.dropKeys(PEER);
    const dropped = of(await harness.takeEvents(), 'keysDropped').map(
      ({ localIndex }) => localIndex,
    );
    t.deepEqual([...dropped].sort(), [a.localIndex, b.localIndex].sort());
    t.false(await accepted(harness, a));
    t.false(await accepted(harness, b));
    t.is(harness.engine.traffic(PEER).session, null);
    t.deepEqual(drops(harness.engine), { noSession: 2 });
  });

  contractTest(engine, 'tells the current session and its age', (t, harness) => {
    RemoteSession.install(harness, PEER, { ageMs: 60_000 });
    const { session } = harness.engine.traffic(PEER);
    t.is(session?.suite, 'chacha20-poly1305');
    const ageMs = harness.now() - session!.createdAt;
    t.true(ageMs >= 60_000 && ageMs < 61_000);
  });
}
