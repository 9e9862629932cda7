// Packets that users send through the tunnels, and what may come out at the other end.
import { ipPacket, ipv4Checksum } from '../support/ipPackets.js';
import type { Random } from './random.js';
import { must } from './violation.js';

const HEADER_BYTES = 20;
const ID_BYTES = 8;

export interface UserPacket {
  readonly id: number;
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly sentAtMs: number;
  readonly bytes: Uint8Array;
  deliveredAtMs: number | null;
}

export interface PacketPlan {
  readonly from: string;
  readonly to: string;
  /** Inner addresses. */
  readonly source: string;
  readonly destination: string;
  readonly nowMs: number;
}

export class UserTraffic {
  readonly #random: Random;
  readonly packets: UserPacket[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** A packet with an id and random content, of random size and traffic class. */
  create({ from, to, source, destination, nowMs }: PacketPlan): UserPacket {
    const payload = this.#random.bytes(ID_BYTES + this.#random.integer(0, 200));
    const id = this.packets.length;
    new DataView(payload.buffer).setUint32(0, id);
    const trafficClass = this.#random.u32() & 0xff;
    const bytes = ipPacket({ from: source, to: destination, payload, trafficClass });
    const packet = { id, from, to, source, sentAtMs: nowMs, bytes, deliveredAtMs: null };
    this.packets.push(packet);
    return packet;
  }

  /** The TUN device of `agent` got this packet: it must be one that was sent to it, once. */
  delivered(agent: string, bytes: Uint8Array, nowMs: number): UserPacket {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const id = bytes.length >= HEADER_BYTES + ID_BYTES ? view.getUint32(HEADER_BYTES) : -1;
    const packet = this.packets[id];
    must(packet !== undefined, () => `${agent} got a packet that nobody sent`);
    must(packet.to === agent, () => `packet ${id} for ${packet.to} came to ${agent}`);
    must(packet.deliveredAtMs === null, () => `packet ${id} was delivered twice`);
    must(sameButMarked(packet.bytes, bytes), () => `packet ${id} was changed on its way`);
    packet.deliveredAtMs = nowMs;
    return packet;
  }
}

/** Equal, but for a congestion mark on a packet that knows ECN. */
function sameButMarked(sent: Uint8Array, got: Uint8Array): boolean {
  if (sent.length !== got.length) return false;
  const isMarked = got[1] !== sent[1];
  if (isMarked && ((sent[1]! & 3) === 0 || got[1] !== (sent[1]! | 3))) return false;
  const checksum = (got[10]! << 8) | got[11]!;
  if (checksum !== ipv4Checksum(got)) return false;
  return sent.every((byte, i) => i === 1 || i === 10 || i === 11 || byte === got[i]);
}
