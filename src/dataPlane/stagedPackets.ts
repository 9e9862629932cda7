// Packets that wait for keys, oldest first, a bounded number of them. SPEC.md 4.3.
import { MAX_STAGED_PACKETS } from '../session/limits.js';

export class StagedPackets {
  #packets: Uint8Array[] = [];

  get count(): number {
    return this.#packets.length;
  }

  /** Copies the packet; an empty one is a keepalive. True if the oldest one gave way. */
  add(packet: Uint8Array): boolean {
    const full = this.#packets.length >= MAX_STAGED_PACKETS;
    if (full) this.#packets.shift();
    this.#packets.push(Uint8Array.from(packet));
    return full;
  }

  /** All of them; none is left. */
  takeAll(): readonly Uint8Array[] {
    const packets = this.#packets;
    this.#packets = [];
    return packets;
  }

  /** Puts back what was taken, before anything else was added. */
  restore(packets: readonly Uint8Array[]): void {
    this.#packets = [...packets];
  }
}
