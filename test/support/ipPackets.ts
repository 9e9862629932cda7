// Inner packets for tests: real IP headers with right checksums around any payload.
import { parseAddress } from '../../src/base/ip.js';

export interface PacketFields {
  readonly from: string;
  readonly to: string;
  /** Bytes after the IP header. */
  readonly payload?: Uint8Array;
  /** TOS or traffic class. */
  readonly trafficClass?: number;
}

/** An IPv4 or IPv6 packet, by the family of its addresses; protocol 253 (RFC 3692, experiments). */
export function ipPacket({ from, to, payload, trafficClass = 0 }: PacketFields): Uint8Array {
  const source = parseAddress(from)!;
  const destination = parseAddress(to)!;
  const body = payload ?? new Uint8Array(8);
  const four = source.family === 4;
  const packet = new Uint8Array((four ? 20 : 40) + body.length);
  const view = new DataView(packet.buffer);
  if (four) {
    packet[0] = 0x45;
    packet[1] = trafficClass;
    view.setUint16(2, packet.length);
    packet[8] = 64;
    packet[9] = 253;
    packet.set(source.bytes, 12);
    packet.set(destination.bytes, 16);
    view.setUint16(10, ipv4Checksum(packet));
  } else {
    packet[0] = 0x60 | (trafficClass >> 4);
    packet[1] = (trafficClass & 0x0f) << 4;
    view.setUint16(4, body.length);
    packet[6] = 253;
    packet[7] = 64;
    packet.set(source.bytes, 8);
    packet.set(destination.bytes, 24);
  }
  packet.set(body, four ? 20 : 40);
  return packet;
}

/** What the checksum field must hold, taking it as zero. RFC 1071. */
export function ipv4Checksum(packet: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < 20; i += 2) {
    if (i !== 10) sum += (packet[i]! << 8) | packet[i + 1]!;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
