// What is the sodium engine's own, beside the contract of all engines (test/contract).
import test from 'ava';
import { openSodiumEngine } from '../../../src/dataPlane/sodiumEngine.js';
import type { DataPlaneEvent } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import { FakeTun, FakeUdp } from '../../contract/fakePorts.js';
import { SodiumHarness } from '../../contract/sodiumHarness.js';
import { RemoteSession } from '../../contract/contractPeer.js';
import { ipPacket } from '../../support/ipPackets.js';
import { VirtualClock, VirtualTime } from '../../support/virtualTime.js';
import { parsePrefix } from '../../../src/base/ip.js';

test('sockets are closed again where the TUN device can’t be had', (t) => {
  let udp: FakeUdp | null = null;
  const open = (): unknown =>
    openSodiumEngine({
      openTun: () => {
        throw new Error('no device');
      },
      openUdp: (events) => (udp = new FakeUdp(events)),
      clock: new VirtualClock(new VirtualTime(0), 0),
      listener: () => undefined,
    });
  t.throws(open, { message: 'no device' });
  t.true((udp as FakeUdp | null)?.closed);
});

test('a link report during the opening is not lost', (t) => {
  const time = new VirtualTime(0);
  const seen: DataPlaneEvent[] = [];
  openSodiumEngine({
    openTun: (events) => {
      events.link({ up: true, mtu: 1280 });
      return new FakeTun(events);
    },
    openUdp: (events) => new FakeUdp(events),
    clock: new VirtualClock(time, 0),
    listener: (events) => seen.push(...events),
  });
  time.advanceTo(0);
  t.deepEqual(seen, [{ kind: 'linkChanged', up: true, mtu: 1280 }]);
});

test('the end of the TUN device is reported', async (t) => {
  const harness = await SodiumHarness.open();
  harness.tun.disappear();
  t.deepEqual(await harness.takeEvents(), [{ kind: 'tunClosed' }]);
});

test('closing closes the ports, and what comes in afterwards is ignored', async (t) => {
  const harness = await SodiumHarness.open();
  const peer = peerId(0);
  harness.engine.addPeer(peer);
  harness.engine.setPath(peer, harness.path(0));
  const add = [parsePrefix('10.0.0.0/24')!];
  harness.engine.changeAllowedIps(peer, { replace: false, add, remove: [] });
  RemoteSession.install(harness, peer);
  await harness.takeUdp();
  harness.engine.close();
  t.true(harness.tun.closed);
  t.true(harness.udp.closed);
  harness.tun.deliver([ipPacket({ from: '10.9.9.9', to: '10.0.0.1' })]);
  harness.udp.deliver([{ bytes: new Uint8Array(148), path: harness.path(0), ecn: 0 }]);
  t.deepEqual(await harness.takeUdp(), []);
  t.deepEqual(await harness.takeEvents(), []);
});

test('says what it is and what the sockets can do', async (t) => {
  const { engine } = await SodiumHarness.open();
  const { engine: name, features } = engine.stats();
  t.is(name, 'sodium');
  t.like(features, { stickySource: true, ecn: true, ipv4: true, ipv6: true });
});

test('a thousand packets of one batch leave in order, and are one delivery', async (t) => {
  const harness = await SodiumHarness.open();
  const peer = peerId(0);
  harness.engine.addPeer(peer);
  harness.engine.setPath(peer, harness.path(0));
  const add = [parsePrefix('10.0.0.0/24')!];
  harness.engine.changeAllowedIps(peer, { replace: false, add, remove: [] });
  const session = RemoteSession.install(harness, peer);
  await harness.takeUdp();
  await harness.takeEvents();
  const packets = Array.from({ length: 1000 }, (_, i) =>
    ipPacket({ from: '10.9.9.9', to: '10.0.0.1', payload: Uint8Array.of(i >> 8, i & 0xff) }),
  );
  await harness.deliverToTun(...packets);
  const counters = (await harness.takeUdp()).map(({ bytes }) => {
    const { packet, counter } = session.open(bytes);
    return { id: (packet[20]! << 8) | packet[21]!, counter };
  });
  t.deepEqual(
    counters,
    packets.map((_, i) => ({ id: i, counter: BigInt(i + 1) })),
  );
  t.is((await harness.takeEvents()).length, 1);
});
