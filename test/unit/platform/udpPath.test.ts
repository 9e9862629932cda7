import test from 'ava';
import fc from 'fast-check';
import { BugError } from '../../../src/base/assert.js';
import { formatAddress } from '../../../src/base/ip.js';
import type { Path } from '../../../src/ports/udp.js';
import { IO_CONSTANTS } from '../../../src/platform/addon.js';
import { PathReader, PathWriter, decodePath, encodePath } from '../../../src/platform/udpPath.js';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const address = (family: 4 | 6): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 })
    .map((bytes) => formatAddress({ family, bytes }));
const pathOf = (family: 4 | 6): fc.Arbitrary<Path> =>
  fc.record({
    remote: fc.record({
      family: fc.constant(family),
      address: address(family),
      port: fc.integer({ min: 0, max: 0xffff }),
      scopeId: u32,
    }),
    local: fc.option(fc.record({ address: address(family), interfaceIndex: u32 })),
  });
const anyPath = fc.oneof(pathOf(4), pathOf(6));

const path = (port: number): Path => ({
  remote: { family: 4, address: '192.0.2.1', port, scopeId: 0 },
  local: null,
});

test('a path that is written and read is the same path, at any offset', (t) => {
  fc.assert(
    fc.property(anyPath, fc.nat(3), (original, slot) => {
      const records = Buffer.alloc(4 * IO_CONSTANTS.recordBytes, 0xff);
      const start = slot * IO_CONSTANTS.recordBytes;
      records.set(encodePath(original), start);
      t.deepEqual(decodePath(records, start), original);
    }),
  );
});

test('the layout is the one that the addon has', (t) => {
  const record = encodePath({
    remote: { family: 6, address: 'fe80::1', port: 0x1234, scopeId: 7 },
    local: { address: '2001:db8::ff', interfaceIndex: 9 },
  });
  const words = new Uint32Array(record.buffer, record.byteOffset, 12);
  t.is(record.length, 48);
  t.is(record[0], 6);
  t.is(record[1], 1);
  t.is(new Uint16Array(record.buffer, record.byteOffset, 2)[1], 0x1234);
  t.is(words[1], 7);
  t.is(record.toString('hex', 8, 24), 'fe800000000000000000000000000001');
  t.is(record.toString('hex', 24, 40), '20010db80000000000000000000000ff');
  t.is(words[10], 9);
  t.is(words[11], 0);
});

test('the same bytes give the same object, other bytes another', (t) => {
  const reader = new PathReader();
  const records = Buffer.concat([encodePath(path(1)), encodePath(path(2)), encodePath(path(1))]);
  const first = reader.read(records, 0);
  const second = reader.read(records, 48);
  const third = reader.read(records, 96);
  t.is(first, third);
  t.not(first, second);
  // When the route was checked is the sender's business and no part of a path.
  records.writeUInt32LE(77, IO_CONSTANTS.pathRouteCheckedS);
  t.is(reader.read(records, 0), first);
});

test('a flood of sources does not grow memory without bound', (t) => {
  const reader = new PathReader();
  const first = reader.read(encodePath(path(0)), 0);
  for (let port = 1; port < 5000; port++) reader.read(encodePath(path(port)), 0);
  const again = reader.read(encodePath(path(0)), 0);
  t.deepEqual(again, first);
  t.not(again, first, 'it was forgotten in between');
});

test('a path is written once', (t) => {
  const writer = new PathWriter();
  const one = path(1);
  t.is(writer.record(one), writer.record(one));
  t.not(writer.record(one), writer.record(path(1)));
});

test('an address of another family is a bug, not a datagram', (t) => {
  const { remote } = path(1);
  t.throws(() => encodePath({ remote: { ...remote, address: '::1' }, local: null }), {
    instanceOf: BugError,
  });
  t.throws(() => encodePath({ remote, local: { address: 'fe80::1', interfaceIndex: 0 } }), {
    instanceOf: BugError,
  });
});
