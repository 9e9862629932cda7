// Events on their way to the control plane.
import test from 'ava';
import { EnginePeer } from '../../../src/dataPlane/enginePeer.js';
import { EventQueue, MAX_PENDING_CONTROL } from '../../../src/dataPlane/eventQueue.js';
import { instant } from '../../../src/base/time.js';
import type { DataPlaneEvent } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import { VirtualClock, VirtualTime } from '../../support/virtualTime.js';

const PATH = {
  remote: { family: 4, address: '192.0.2.1', port: 1, scopeId: 0 },
  local: null,
} as const;

function setUp(): {
  queue: EventQueue;
  deliveries: (readonly DataPlaneEvent[])[];
  later: () => void;
} {
  const time = new VirtualTime(1_000);
  const deliveries: (readonly DataPlaneEvent[])[] = [];
  const queue = new EventQueue(new VirtualClock(time, 0), (events) => deliveries.push(events));
  return { queue, deliveries, later: () => time.advanceTo(time.nowMs) };
}

const peer = (slot: number): EnginePeer => new EnginePeer(peerId(slot), () => undefined);

test('nothing is delivered from inside a call, all of it together right after', (t) => {
  const { queue, deliveries, later } = setUp();
  queue.push({ kind: 'linkChanged', up: true, mtu: 1420 });
  queue.push({ kind: 'tunClosed' });
  t.deepEqual(deliveries, []);
  later();
  t.deepEqual(deliveries, [[{ kind: 'linkChanged', up: true, mtu: 1420 }, { kind: 'tunClosed' }]]);
  later();
  t.is(deliveries.length, 1);
});

test('a batch is delivered when it ends, once', (t) => {
  const { queue, deliveries, later } = setUp();
  queue.startBatch();
  queue.push({ kind: 'tunClosed' });
  later();
  t.is(deliveries.length, 0);
  queue.deliver();
  later();
  t.is(deliveries.length, 1);
});

test('what a listener causes comes in another delivery', (t) => {
  const time = new VirtualTime(0);
  const seen: string[] = [];
  const queue: EventQueue = new EventQueue(new VirtualClock(time, 0), (events) => {
    seen.push(events.map(({ kind }) => kind).join());
    if (seen.length === 1) queue.push({ kind: 'tunClosed' });
    t.true(seen.length < 3);
  });
  queue.startBatch();
  queue.push({ kind: 'linkChanged', up: false, mtu: 0 });
  queue.deliver();
  t.deepEqual(seen, ['linkChanged']);
  time.advanceTo(0);
  t.deepEqual(seen, ['linkChanged', 'tunClosed']);
});

test('a peer has one report per delivery, with the latest times', (t) => {
  const { queue, deliveries, later } = setUp();
  const a = peer(1);
  queue.activity(a).dataSentAt = instant(5);
  queue.activity(a).dataSentAt = instant(6);
  queue.activity(peer(2)).dataReceivedAt = instant(7);
  later();
  t.is(deliveries[0]?.length, 2);
  t.like(deliveries[0]?.[0], { kind: 'activity', peer: peerId(1), dataSentAt: instant(6) });
  queue.activity(a).authenticatedSentAt = instant(8);
  later();
  t.like(deliveries[1]?.[0], { dataSentAt: null, authenticatedSentAt: instant(8) });
});

test('control datagrams past the bound are refused until the others are delivered', (t) => {
  const { queue, deliveries, later } = setUp();
  const bytes = Uint8Array.of(1);
  for (let i = 0; i < MAX_PENDING_CONTROL; i++) t.true(queue.control(bytes, PATH));
  t.false(queue.control(bytes, PATH));
  later();
  t.is(deliveries[0]?.length, MAX_PENDING_CONTROL);
  t.true(queue.control(bytes, PATH));
});

test('a peer that is gone is not mentioned', (t) => {
  const { queue, deliveries, later } = setUp();
  queue.keysNeeded(peer(1), instant(0));
  queue.keysNeeded(peer(2), instant(0));
  queue.activity(peer(1)).dataSentAt = instant(0);
  queue.forget(peerId(1));
  later();
  t.deepEqual(deliveries, [[{ kind: 'keysNeeded', peer: peerId(2) }]]);
});

test('nothing comes after close', (t) => {
  const { queue, deliveries, later } = setUp();
  queue.push({ kind: 'tunClosed' });
  queue.close();
  queue.push({ kind: 'tunClosed' });
  later();
  queue.deliver();
  t.deepEqual(deliveries, []);
});
