import test from 'ava';
import {
  decapsulateEcn,
  destinationStart,
  ECN,
  ipFamily,
  ipPacketBytes,
  outerTrafficClass,
  setEcn,
  sourceStart,
  trafficClass,
} from '../../../src/wire/ip.js';

function ipv4(options: {
  tos?: number;
  totalBytes?: number;
  length?: number;
  id?: number;
}): Uint8Array {
  const packet = new Uint8Array(options.length ?? 28);
  const total = options.totalBytes ?? packet.length;
  const id = options.id ?? 1;
  const head = [0x45, options.tos ?? 0, total >> 8, total & 255, id >> 8, id & 255, 0, 0, 64, 17];
  packet.set(head.concat([0, 0, 10, 0, 0, 1, 10, 0, 0, 2]));
  const checksum = checksumOf(packet);
  packet.set([checksum >> 8, checksum & 255], 10);
  return packet;
}

function ipv6(options: {
  trafficClass?: number;
  payloadBytes?: number;
  length?: number;
}): Uint8Array {
  const packet = new Uint8Array(options.length ?? 48);
  const payload = options.payloadBytes ?? packet.length - 40;
  const traffic = options.trafficClass ?? 0;
  const head = [0x60 | (traffic >> 4), ((traffic & 15) << 4) | 0x0a, 0xbc, 0xde];
  packet.set(head.concat([payload >> 8, payload & 255, 17, 64]));
  for (let i = 8; i < 40; i++) packet[i] = i;
  return packet;
}

/** Of the first twenty bytes, computed anew, the checksum field taken as zero. */
function checksumOf(packet: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) {
    if (at !== 10) sum += (packet[at]! << 8) | packet[at + 1]!;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

test('the size of a packet is what its header says, without the padding', (t) => {
  t.is(ipPacketBytes(ipv4({ length: 48, totalBytes: 33 })), 33);
  t.is(ipPacketBytes(ipv4({ length: 48 })), 48);
  t.is(ipPacketBytes(ipv4({ length: 20 })), 20);
  t.is(ipPacketBytes(ipv6({ length: 64, payloadBytes: 9 })), 49);
  t.is(ipPacketBytes(ipv6({ length: 40 })), 40);
  t.is(ipPacketBytes(ipv4({ length: 65_535 })), 65_535);
});

test('a packet that claims more than there is, or less than a header, is none', (t) => {
  t.is(ipPacketBytes(ipv4({ length: 32, totalBytes: 33 })), 0);
  t.is(ipPacketBytes(ipv4({ length: 32, totalBytes: 19 })), 0);
  t.is(ipPacketBytes(ipv4({ length: 32, totalBytes: 0 })), 0);
  t.is(ipPacketBytes(ipv6({ length: 48, payloadBytes: 9 })), 0);
  t.is(ipPacketBytes(ipv6({ length: 48, payloadBytes: 65_535 })), 0);
});

test('truncated headers and other versions are no packets', (t) => {
  for (let length = 0; length < 20; length++) {
    t.is(ipFamily(ipv4({ length: 40 }).subarray(0, length)), 0);
    t.is(ipPacketBytes(ipv4({ length: 40 }).subarray(0, length)), 0);
  }
  for (let length = 0; length < 40; length++) {
    t.is(ipFamily(ipv6({}).subarray(0, length)), 0);
  }
  for (let version = 0; version < 16; version++) {
    const packet = new Uint8Array(60);
    packet[0] = (version << 4) | 5;
    t.is(ipFamily(packet), version === 4 || version === 6 ? version : 0);
  }
});

test('addresses stand where the families have them', (t) => {
  const four = ipv4({});
  t.deepEqual([...four.subarray(sourceStart(4), sourceStart(4) + 4)], [10, 0, 0, 1]);
  t.deepEqual([...four.subarray(destinationStart(4), destinationStart(4) + 4)], [10, 0, 0, 2]);
  const six = ipv6({});
  t.is(six[sourceStart(6)], 8);
  t.is(six[destinationStart(6)], 24);
});

test('the traffic class is read in both families, and setting ECN changes nothing else', (t) => {
  for (let tos = 0; tos < 256; tos++) {
    t.is(trafficClass(ipv4({ tos })), tos);
    t.is(trafficClass(ipv6({ trafficClass: tos })), tos);
    for (let ecn = 0; ecn < 4; ecn++) {
      const four = ipv4({ tos, id: tos * 97 });
      setEcn(four, ecn);
      t.deepEqual(four, ipv4({ tos: (tos & ~3) | ecn, id: tos * 97 }));
      const six = ipv6({ trafficClass: tos });
      setEcn(six, ecn);
      t.deepEqual(six, ipv6({ trafficClass: (tos & ~3) | ecn }));
    }
  }
});

test('the updated IPv4 checksum is the one computed anew, for every header word sum', (t) => {
  for (let id = 0; id < 65_536; id++) {
    const packet = ipv4({ tos: ECN.ect0, id });
    setEcn(packet, ECN.ce);
    if (((packet[10]! << 8) | packet[11]!) !== checksumOf(packet)) {
      t.fail(`id ${id}`);
      return;
    }
  }
  t.pass();
});

test('the outer header gets the ECN bits, CE as ECT(0), and no DSCP', (t) => {
  const outer = [ECN.notEct, ECN.ect1, ECN.ect0, ECN.ect0];
  for (let tos = 0; tos < 256; tos++) {
    t.is(outerTrafficClass(ipv4({ tos })), outer[tos & 3]!);
    t.is(outerTrafficClass(ipv6({ trafficClass: tos })), outer[tos & 3]!);
  }
});

test('decapsulation follows the table of RFC 6040, figure 4', (t) => {
  const { notEct, ect0, ect1, ce } = ECN;
  // Inner, then the result for the outer codepoints not-ECT, ECT(0), ECT(1), CE; null is a refusal.
  const table: readonly (readonly [number, readonly (number | null)[]])[] = [
    [notEct, [notEct, notEct, notEct, null]],
    [ect0, [ect0, ect0, ect1, ce]],
    [ect1, [ect1, ect1, ect1, ce]],
    [ce, [ce, ce, ce, ce]],
  ];
  for (const [inner, results] of table) {
    for (const [i, outer] of [notEct, ect0, ect1, ce].entries()) {
      const result = results[i] as number | null;
      const dscp = 0xb8;
      for (const make of [
        (ecn: number) => ipv4({ tos: dscp | ecn }),
        (ecn: number) => ipv6({ trafficClass: dscp | ecn }),
      ]) {
        const packet = make(inner);
        t.is(decapsulateEcn(packet, outer), result !== null);
        t.deepEqual(packet, make(result ?? inner));
      }
    }
  }
});

test('DSCP bits beside the outer ECN bits do not matter', (t) => {
  const packet = ipv4({ tos: ECN.ect0 });
  t.true(decapsulateEcn(packet, 0x88 | ECN.ce));
  t.is(trafficClass(packet), ECN.ce);
});
