// Packets that wait for keys.
import test from 'ava';
import { StagedPackets } from '../../../src/dataPlane/stagedPackets.js';
import { MAX_STAGED_PACKETS } from '../../../src/session/limits.js';

const packet = (byte: number): Uint8Array => Uint8Array.of(byte);

test('keeps copies, in order', (t) => {
  const staged = new StagedPackets();
  const buffer = packet(1);
  staged.add(buffer);
  buffer[0] = 9;
  staged.add(packet(2));
  t.deepEqual(staged.takeAll(), [packet(1), packet(2)]);
  t.is(staged.count, 0);
});

test('the oldest gives way when it is full', (t) => {
  const staged = new StagedPackets();
  for (let i = 0; i < MAX_STAGED_PACKETS; i++) t.false(staged.add(packet(i)));
  t.true(staged.add(packet(200)));
  t.is(staged.count, MAX_STAGED_PACKETS);
  const packets = staged.takeAll();
  t.deepEqual([packets[0], packets.at(-1)], [packet(1), packet(200)]);
});

test('what is put back comes first', (t) => {
  const staged = new StagedPackets();
  staged.restore([packet(1), packet(2)]);
  staged.add(packet(3));
  t.deepEqual(staged.takeAll(), [packet(1), packet(2), packet(3)]);
});
