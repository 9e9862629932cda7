// The native packet functions against TypeScript's: the same inputs, the same answers.
import fc from 'fast-check';
import { maskPrefix, type IpFamily } from '../../../src/base/ip.js';
import { AllowedIps } from '../../../src/peer/allowedIps.js';
import { counterLimit } from '../../../src/session/counter.js';
import { REJECT_AFTER_MESSAGES } from '../../../src/session/limits.js';
import { paddedBytes } from '../../../src/session/padding.js';
import { ReplayWindow } from '../../../src/session/replayWindow.js';
import { ipPacket } from '../../support/ipPackets.js';
import { OPERATION, addonTest, frame, u32, u64, unframe } from './probe.js';

const NO_PEER = 0xffff_ffff;

/** Counters that creep, jump and fall back around the window's edges. */
const counters = fc
  .array(
    fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.integer({ min: -8200, max: 200 }),
      fc.integer({ min: 0, max: 20_000 }),
    ),
    { minLength: 1, maxLength: 300 },
  )
  .chain((steps) =>
    fc
      .constantFrom(0n, 2n ** 31n, 2n ** 32n, 2n ** 53n, REJECT_AFTER_MESSAGES - 30_000n)
      .map((start) => {
        let at = start;
        return steps.map((step) => {
          at += BigInt(step);
          if (at < 0n) at = 0n;
          if (at >= REJECT_AFTER_MESSAGES) at = REJECT_AFTER_MESSAGES - 1n;
          return at;
        });
      }),
  );

addonTest('both replay windows give the same answers', (t, addon) => {
  fc.assert(
    fc.property(counters, (sequence) => {
      const window = new ReplayWindow(counterLimit(REJECT_AFTER_MESSAGES));
      const expected = sequence.map((counter) =>
        window.accept(Number(counter >> 32n), Number(counter & 0xffff_ffffn)) ? 1 : 0,
      );
      const given = addon.probe(OPERATION.replay, Buffer.concat(sequence.map(u64)));
      return given !== null && Buffer.compare(given, Uint8Array.from(expected)) === 0;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

interface Step {
  readonly kind: 'insert' | 'remove' | 'removePeer' | 'lookup';
  readonly family: IpFamily;
  readonly length: number;
  readonly peer: number;
  readonly bytes: Uint8Array;
}
const KINDS = ['insert', 'remove', 'removePeer', 'lookup'] as const;

const step: fc.Arbitrary<Step> = fc.constantFrom<IpFamily>(4, 6).chain((family) =>
  fc.record({
    kind: fc.constantFrom('insert', 'insert', 'remove', 'removePeer', 'lookup', 'lookup' as const),
    family: fc.constant(family),
    length: fc.integer({ min: 0, max: family === 4 ? 32 : 128 }),
    peer: fc.integer({ min: 0, max: 4 }),
    // Two values a byte, so that prefixes lie in each other.
    bytes: fc
      .array(fc.constantFrom(0, 0x81), {
        minLength: family === 4 ? 4 : 16,
        maxLength: family === 4 ? 4 : 16,
      })
      .map((bytes) => Uint8Array.from(bytes)),
  }),
);

addonTest('both allowed-IPs tables give the same answers', (t, addon) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new AllowedIps<number>();
      const expected: number[] = [];
      for (const { kind, family, length, peer, bytes } of steps) {
        const prefix = maskPrefix({ family, bytes }, length);
        if (kind === 'insert') table.add(peer, prefix);
        if (kind === 'remove') table.remove(peer, prefix);
        if (kind === 'removePeer') table.removeOwner(peer);
        if (kind === 'lookup') expected.push(table.lookup(family, bytes, 0) ?? NO_PEER);
      }
      const records = steps.map(({ kind, family, length, peer, bytes }) => {
        const address = Buffer.alloc(16);
        address.set(bytes);
        return Buffer.concat([
          Uint8Array.of(KINDS.indexOf(kind), family, length),
          u32(peer),
          address,
        ]);
      });
      const given = addon.probe(OPERATION.allowedIps, Buffer.concat(records));
      return given !== null && Buffer.compare(given, Buffer.concat(expected.map(u32))) === 0;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

addonTest('both pad packets to the same size', (t, addon) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 68, max: 2000 }),
      (payloadBytes, mtu) => {
        const packet = ipPacket({
          from: '10.0.0.1',
          to: '10.0.0.2',
          payload: new Uint8Array(payloadBytes),
        });
        const request = Buffer.concat([u32(mtu), new Uint8Array(10), packet]);
        const given = addon.probe(OPERATION.segment, request);
        if (given === null) return false;
        const [padded, ...more] = unframe(given);
        const expected = new Uint8Array(paddedBytes(packet.length, mtu));
        expected.set(packet);
        return more.length === 0 && Buffer.compare(padded!, expected) === 0;
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

addonTest('packets that are no flow are passed on one by one', (t, addon) => {
  const packets = [8, 9, 10].map((bytes) =>
    ipPacket({ from: '10.0.0.1', to: '10.0.0.2', payload: new Uint8Array(bytes) }),
  );
  const given = addon.probe(OPERATION.coalesce, frame(packets));
  t.deepEqual(
    unframe(given!).map((framed) => framed.slice(10)),
    packets,
  );
});
