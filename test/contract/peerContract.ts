// Peers, their addresses and their end, for any engine. SPEC.md 5.3, 5.5.
import { peerId } from '../../src/ports/dataPlane.js';
import { ipPacket } from '../support/ipPackets.js';
import { skip } from '../support/skip.js';
import { RemoteSession, drops } from './contractPeer.js';
import type { EngineUnderTest } from './contractTest.js';
import { OURS, PEER, THEIRS, addAllowedIps, contractTest, of, prefix } from './contractTest.js';
import type { EngineHarness } from './engineHarness.js';

const SECOND = peerId(1);

/** A second peer at remote 1, with a session each. */
async function twoPeers(harness: EngineHarness): Promise<[RemoteSession, RemoteSession]> {
  harness.engine.addPeer(SECOND);
  harness.engine.setPath(SECOND, harness.path(1));
  const sessions: [RemoteSession, RemoteSession] = [
    RemoteSession.install(harness, PEER),
    RemoteSession.install(harness, SECOND),
  ];
  await harness.takeUdp();
  await harness.takeEvents();
  return sessions;
}

/** Which remote a packet to this address goes to; null for none. */
async function routeTo(harness: EngineHarness, to: string): Promise<number | null> {
  const from = to.includes(':') ? 'fd00:9::9' : OURS;
  await harness.deliverToTun(ipPacket({ from, to }));
  return (await harness.takeUdp())[0]?.remote ?? null;
}

export function peerContract(engine: EngineUnderTest): void {
  contractTest(engine, 'the longest allowed prefix decides', async (t, harness) => {
    const [first, second] = await twoPeers(harness);
    addAllowedIps(harness.engine, SECOND, '10.0.0.128/25', '::/0');
    t.is(await routeTo(harness, '10.0.0.127'), 0);
    t.is(await routeTo(harness, '10.0.0.128'), 1);
    t.is(await routeTo(harness, 'fd00:1::5'), 0);
    t.is(await routeTo(harness, 'fd00:2::5'), 1);
    const inner = ipPacket({ from: '10.0.0.200', to: OURS });
    await harness.deliverUdp(0, { bytes: first.seal(inner) });
    t.deepEqual(drops(harness.engine), { wrongSource: 1 }, 'also for what comes in');
    await harness.deliverUdp(1, { bytes: second.seal(inner) });
    t.deepEqual(await harness.takeFromTun(), [inner]);
  });

  contractTest(engine, 'a prefix moves to the peer that gets it last', async (t, harness) => {
    await twoPeers(harness);
    addAllowedIps(harness.engine, SECOND, '10.0.0.0/24');
    t.is(await routeTo(harness, THEIRS), 1);
    harness.engine.changeAllowedIps(PEER, {
      replace: false,
      add: [],
      remove: [prefix('10.0.0.0/24')],
    });
    t.is(await routeTo(harness, THEIRS), 1, 'the old owner can’t remove it');
  });

  contractTest(engine, 'a change replaces, then adds, then removes', async (t, harness) => {
    await twoPeers(harness);
    harness.engine.changeAllowedIps(PEER, {
      replace: true,
      add: [prefix('10.1.0.0/16'), prefix('10.2.0.0/16')],
      remove: [prefix('10.2.0.0/16'), prefix('10.1.0.0/24')],
    });
    t.is(await routeTo(harness, THEIRS), null);
    t.is(await routeTo(harness, '10.1.0.1'), 0);
    t.is(await routeTo(harness, '10.2.0.1'), null);
  });

  contractTest(engine, 'a removed peer leaves nothing behind', async (t, harness) => {
    const [first] = await twoPeers(harness);
    harness.engine.sendKeepalive(PEER);
    harness.engine.removePeer(PEER);
    t.deepEqual(
      (await harness.takeEvents()).filter((event) => 'peer' in event && event.peer === PEER),
      [],
      'no event names it any more',
    );
    await harness.takeUdp();
    t.is(await routeTo(harness, THEIRS), null);
    await harness.deliverUdp(0, { bytes: first.seal(ipPacket({ from: THEIRS, to: OURS })) });
    t.deepEqual(await harness.takeFromTun(), []);
    t.deepEqual(drops(harness.engine), { noPeer: 1, noSession: 1 });
  });

  contractTest(engine, 'a slot that is used again starts empty', async (t, harness) => {
    const session = RemoteSession.install(harness, PEER);
    await harness.deliverUdp(0, { bytes: session.seal(ipPacket({ from: THEIRS, to: OURS })) });
    harness.engine.removePeer(PEER);
    harness.engine.addPeer(PEER);
    t.deepEqual(harness.engine.traffic(PEER), {
      receivedBytes: 0n,
      sentBytes: 0n,
      path: null,
      session: null,
    });
    await harness.takeUdp();
    t.is(await routeTo(harness, THEIRS), null);
  });

  contractTest(engine, 'the path is what was set, until it is forgotten', async (t, harness) => {
    t.deepEqual(harness.engine.traffic(PEER).path, harness.path(0));
    harness.engine.setPath(PEER, harness.path(1));
    RemoteSession.install(harness, PEER);
    t.is((await harness.takeUdp())[0]?.remote, 1);
    harness.engine.setPath(PEER, null);
    t.is(harness.engine.traffic(PEER).path, null);
  });

  contractTest(engine, 'the local address sticks until it is cleared', async (t, harness) => {
    const session = RemoteSession.install(harness, PEER);
    const learn = async (): Promise<void> =>
      harness.deliverUdp(0, { bytes: session.seal(new Uint8Array(0)) });
    await learn();
    if (harness.engine.traffic(PEER).path?.local === null) {
      skip(t, 'no sticky source addresses here');
      return;
    }
    harness.engine.clearLocalAddress(PEER);
    t.deepEqual(harness.engine.traffic(PEER).path, harness.path(0));
    await learn();
    t.not(harness.engine.traffic(PEER).path?.local, null);
    harness.engine.setMark(5);
    t.is(harness.engine.traffic(PEER).path?.local, null, 'another mark may route otherwise');
    harness.engine.setMark(0);
    await learn();
    harness.engine.bind(0);
    t.is(harness.engine.traffic(PEER).path?.local, null, 'so may new sockets');
  });

  contractTest(engine, 'a local address that can’t be used is forgotten', async (t, harness) => {
    if (harness.faults === null) {
      skip(t, 'local addresses can’t be made stale');
      return;
    }
    const session = RemoteSession.install(harness, PEER);
    await harness.deliverUdp(0, { bytes: session.seal(new Uint8Array(0)) });
    await harness.takeUdp();
    t.not(harness.engine.traffic(PEER).path?.local, null);
    harness.faults.makeLocalStale();
    await harness.deliverToTun(ipPacket({ from: OURS, to: THEIRS }));
    t.is((await harness.takeUdp()).length, 1, 'the datagram went out without it');
    t.is(harness.engine.traffic(PEER).path?.local, null);
    t.deepEqual(drops(harness.engine), {});
  });

  contractTest(engine, 'says when the MTU changes', async (t, harness) => {
    await harness.setMtu(1280);
    const changes = of(await harness.takeEvents(), 'linkChanged');
    t.deepEqual(changes.at(-1), { kind: 'linkChanged', up: true, mtu: 1280 });
  });

  contractTest(
    engine,
    'closing twice is harmless, and nothing is reported after it',
    async (t, harness) => {
      RemoteSession.install(harness, PEER);
      harness.engine.close();
      harness.engine.close();
      t.deepEqual(await harness.takeEvents(), []);
    },
  );
}
