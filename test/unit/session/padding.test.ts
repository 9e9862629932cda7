// Padding of packets against the MTU.
import test from 'ava';
import fc from 'fast-check';
import { paddedBytes } from '../../../src/session/padding.js';

test('pads to 16, and not past an odd MTU', (t) => {
  const cases: readonly (readonly [packet: number, mtu: number, padded: number])[] = [
    [0, 1420, 0],
    [1, 1420, 16],
    [16, 1420, 16],
    [17, 1420, 32],
    [1408, 1420, 1408],
    [1409, 1420, 1420],
    [1420, 1420, 1420],
    [1290, 1299, 1296],
    [1296, 1299, 1296],
    [1297, 1299, 1299],
    [1299, 1299, 1299],
    // Larger than the MTU, which has just shrunk: the remainder decides.
    [1420, 1299, 1427],
    [1280, 1279, 1295],
    [2558, 1279, 2558],
    [65_535, 65_535, 65_535],
  ];
  for (const [packet, mtu, padded] of cases) {
    t.is(paddedBytes(packet, mtu), padded, `${packet} bytes with MTU ${mtu}`);
  }
});

test('never cuts, never adds more than 15 bytes, never passes the MTU', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 65_535 }),
      fc.integer({ min: 68, max: 65_535 }),
      (packet, mtu) => {
        const padded = paddedBytes(packet, mtu);
        const fits = packet > mtu || padded <= mtu;
        return (
          padded >= packet && padded - packet < 16 && fits && (padded % 16 === 0 || padded >= mtu)
        );
      },
    ),
  );
  t.pass();
});
