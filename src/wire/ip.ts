// The inner IP packet, as far as a tunnel reads it: its size, its addresses, its ECN bits
// (SPEC.md 2.5). Runs per packet: nothing here allocates.
import type { IpFamily } from '../base/ip.js';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

/** ECN codepoints, the two low bits of TOS and traffic class. RFC 3168 section 5. */
export const ECN = { notEct: 0, ect1: 1, ect0: 2, ce: 3 } as const;
const ECN_MASK = 3;

/** The family of an IP packet that has at least its fixed header; 0 for anything else. */
export function ipFamily(packet: Uint8Array): IpFamily | 0 {
  const version = packet.length === 0 ? 0 : packet[0]! >> 4;
  if (version === 4) return packet.length >= IPV4_HEADER_BYTES ? 4 : 0;
  if (version === 6) return packet.length >= IPV6_HEADER_BYTES ? 6 : 0;
  return 0;
}

/**
 * The packet's bytes by its own header, without the padding that may follow; 0 if it isn't an IP
 * packet or claims more than there is. IPv6 jumbograms (RFC 2675) are not known.
 */
export function ipPacketBytes(packet: Uint8Array): number {
  const family = ipFamily(packet);
  if (family === 0) return 0;
  const bytes = family === 4 ? readU16(packet, 2) : IPV6_HEADER_BYTES + readU16(packet, 4);
  const atLeast = family === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  return bytes < atLeast || bytes > packet.length ? 0 : bytes;
}

/** Where the source address starts: 4 or 16 bytes. */
export const sourceStart = (family: IpFamily): number => (family === 4 ? 12 : 8);

/** Where the destination address starts: 4 or 16 bytes. */
export const destinationStart = (family: IpFamily): number => (family === 4 ? 16 : 24);

/** TOS or traffic class, of a packet whose ipFamily isn't 0. */
export function trafficClass(packet: Uint8Array): number {
  return packet[0]! >> 4 === 4 ? packet[1]! : ((packet[0]! & 0x0f) << 4) | (packet[1]! >> 4);
}

/** Replaces the two ECN bits, and brings an IPv4 checksum along (RFC 1624, equation 3). */
export function setEcn(packet: Uint8Array, ecn: number): void {
  if (packet[0]! >> 4 === 6) {
    packet[1] = (packet[1]! & ~(ECN_MASK << 4)) | (ecn << 4);
    return;
  }
  const before = readU16(packet, 0);
  packet[1] = (packet[1]! & ~ECN_MASK) | ecn;
  const after = readU16(packet, 0);
  let sum = (~readU16(packet, 10) & 0xffff) + (~before & 0xffff) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  packet[10] = (~sum >> 8) & 0xff;
  packet[11] = ~sum & 0xff;
}

/**
 * The outer TOS or traffic class for an inner packet: DSCP 0, so that the tunnel doesn't show what
 * kind of traffic it carries, and the inner ECN bits, but ECT(0) for CE. RFC 3168 section 9.1.1,
 * full functionality, as Linux does it for its tunnels.
 */
export function outerTrafficClass(packet: Uint8Array): number {
  const ecn = trafficClass(packet) & ECN_MASK;
  return ecn === ECN.ce ? ECN.ect0 : ecn;
}

/**
 * Brings the congestion marks of the outer header into the inner packet. RFC 6040 section 4.2.
 * False, and no change, for CE around a packet that doesn't know ECN: the RFC would have it
 * dropped; Linux's WireGuard delivers it (SPEC.md 2.5).
 */
export function decapsulateEcn(packet: Uint8Array, outerEcn: number): boolean {
  const outer = outerEcn & ECN_MASK;
  const inner = trafficClass(packet) & ECN_MASK;
  if (inner === ECN.notEct) return outer !== ECN.ce;
  if (outer === ECN.ce && inner !== ECN.ce) setEcn(packet, ECN.ce);
  else if (outer === ECN.ect1 && inner === ECN.ect0) setEcn(packet, ECN.ect1);
  return true;
}

function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
