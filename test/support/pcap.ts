// Just enough of pcap and pcapng to read Ethernet captures in tests: little-endian, microseconds.
// Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.

export interface Capture {
  /** Whole Ethernet frames, in order. */
  readonly frames: readonly Uint8Array[];
  /** The texts of pcapng's decryption secrets blocks. */
  readonly secrets: readonly string[];
}

export interface UdpDatagram {
  readonly source: string;
  readonly destination: string;
  readonly trafficClass: number;
  readonly payload: Uint8Array;
}

const ETHERNET_LINK = 1;

export function readCapture(bytes: Uint8Array): Capture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, true);
  if (magic === 0xa1b2c3d4) return readPcap(bytes, view);
  if (magic === 0x0a0d0d0a) return readPcapng(bytes, view);
  throw new Error(`not a capture this reader knows: magic ${magic.toString(16)}`);
}

function readPcap(bytes: Uint8Array, view: DataView): Capture {
  checkLink(view.getUint32(20, true));
  const frames: Uint8Array[] = [];
  for (let at = 24; at < bytes.length;) {
    const captured = view.getUint32(at + 8, true);
    frames.push(bytes.subarray(at + 16, at + 16 + captured));
    at += 16 + captured;
  }
  return { frames, secrets: [] };
}

const BLOCK = { interface: 1, enhancedPacket: 6, decryptionSecrets: 10 } as const;

function readPcapng(bytes: Uint8Array, view: DataView): Capture {
  const frames: Uint8Array[] = [];
  const secrets: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const type = view.getUint32(at, true);
    const blockBytes = view.getUint32(at + 4, true);
    if (type === BLOCK.interface) checkLink(view.getUint16(at + 8, true));
    if (type === BLOCK.enhancedPacket) {
      const captured = view.getUint32(at + 20, true);
      frames.push(bytes.subarray(at + 28, at + 28 + captured));
    }
    if (type === BLOCK.decryptionSecrets) {
      const secretBytes = view.getUint32(at + 12, true);
      secrets.push(Buffer.from(bytes.subarray(at + 16, at + 16 + secretBytes)).toString('ascii'));
    }
    at += blockBytes;
  }
  return { frames, secrets };
}

function checkLink(linkType: number): void {
  if (linkType !== ETHERNET_LINK) throw new Error(`link type ${linkType}, expected Ethernet`);
}

/** The UDP datagram in an IPv4 Ethernet frame; null for any other frame. */
export function udpOverIpv4(frame: Uint8Array): UdpDatagram | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint16(12) !== 0x0800 || frame[23] !== 17) return null;
  const udpAt = 14 + (frame[14]! & 0x0f) * 4;
  const address = (at: number): string => frame.subarray(at, at + 4).join('.');
  return {
    source: `${address(26)}:${view.getUint16(udpAt)}`,
    destination: `${address(30)}:${view.getUint16(udpAt + 2)}`,
    trafficClass: frame[15]!,
    payload: frame.subarray(udpAt + 8, udpAt + view.getUint16(udpAt + 4)),
  };
}
