// What went over a wire: tcpdump on an interface, read back as UDP datagrams with the IP header
// fields that tests look at.
import { readFileSync } from 'node:fs';
import { formatAddress } from '../../src/base/ip.js';
import type { Namespace, Network } from './netnsNetwork.js';
import { waitFor } from './netnsProcess.js';
import type { Background } from './netnsProcess.js';

export interface CapturedDatagram {
  /** Seconds of the capture's clock. */
  readonly timeS: number;
  readonly family: 4 | 6;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** TOS or traffic class: DSCP in the upper six bits, ECN in the lower two. */
  readonly trafficClass: number;
  readonly payload: Buffer;
}

/** WireGuard's message type, the first byte of a datagram. */
export const messageType = ({ payload }: CapturedDatagram): number => payload[0] ?? 0;

export class Capture {
  readonly #tcpdump: Background;
  readonly #path: string;

  private constructor(tcpdump: Background, path: string) {
    this.#tcpdump = tcpdump;
    this.#path = path;
  }

  /** Resolves when tcpdump listens. `filter` is pcap-filter(7); the default is all UDP. */
  static async start(
    net: Network,
    namespace: Namespace,
    device: string,
    filter = 'udp',
  ): Promise<Capture> {
    const path = net.file(`capture-${serial++}.pcap`, '');
    const tcpdump = namespace.spawn(
      // Root stays root, for the folder is root's alone.
      ['tcpdump', '-i', device, '-n', '-U', '--immediate-mode', '-Z', 'root', '-w', path, filter],
    );
    await waitFor('tcpdump listens', () => {
      if (tcpdump.outcome !== null) throw new Error(`tcpdump: ${tcpdump.log}`);
      return tcpdump.log.includes('listening on');
    });
    return new Capture(tcpdump, path);
  }

  /** What was captured until now. */
  datagrams(): CapturedDatagram[] {
    return readPcap(readFileSync(this.#path));
  }

  async stop(): Promise<CapturedDatagram[]> {
    await this.#tcpdump.stop('SIGINT');
    return this.datagrams();
  }
}
let serial = 0;

const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MICROSECONDS_MAGIC = 0xa1b2c3d4;
const LINKTYPE_EN10MB = 1;
const LINKTYPE_RAW = 101;
const ETHERNET_HEADER_BYTES = 14;

/** Reads the whole records of a pcap file in this machine's byte order (little-endian). */
function readPcap(file: Buffer): CapturedDatagram[] {
  if (file.length < PCAP_HEADER_BYTES) return [];
  if (file.readUInt32LE(0) !== MICROSECONDS_MAGIC)
    throw new Error('not a pcap file of this machine');
  const linkType = file.readUInt32LE(20);
  if (linkType !== LINKTYPE_EN10MB && linkType !== LINKTYPE_RAW) {
    throw new Error(`link type ${linkType}`);
  }
  const skipBytes = linkType === LINKTYPE_EN10MB ? ETHERNET_HEADER_BYTES : 0;
  const datagrams: CapturedDatagram[] = [];
  for (let at = PCAP_HEADER_BYTES; at + RECORD_HEADER_BYTES <= file.length;) {
    const timeS = file.readUInt32LE(at) + file.readUInt32LE(at + 4) / 1e6;
    const end = at + RECORD_HEADER_BYTES + file.readUInt32LE(at + 8);
    if (end > file.length) break;
    const datagram = readIpUdp(file.subarray(at + RECORD_HEADER_BYTES + skipBytes, end), timeS);
    if (datagram !== null) datagrams.push(datagram);
    at = end;
  }
  return datagrams;
}

const PROTOCOL_UDP = 17;
const UDP_HEADER_BYTES = 8;

function readIpUdp(packet: Buffer, timeS: number): CapturedDatagram | null {
  const family = packet[0]! >> 4 === 6 ? 6 : 4;
  const headerBytes = family === 6 ? 40 : (packet[0]! & 15) * 4;
  if (packet[family === 6 ? 6 : 9] !== PROTOCOL_UDP) return null;
  const [sourceAt, destinationAt, addressBytes] = family === 6 ? [8, 24, 16] : [12, 16, 4];
  const address = (at: number): string =>
    formatAddress({ family, bytes: packet.subarray(at, at + addressBytes) });
  return {
    timeS,
    family,
    source: address(sourceAt),
    sourcePort: packet.readUInt16BE(headerBytes),
    destination: address(destinationAt),
    destinationPort: packet.readUInt16BE(headerBytes + 2),
    trafficClass: family === 6 ? (packet.readUInt16BE(0) >> 4) & 0xff : packet[1]!,
    payload: packet.subarray(headerBytes + UDP_HEADER_BYTES),
  };
}
