// Events on their way to the control plane: gathered while packets are worked on, delivered after
// a batch or from a timer, never from inside a call of the engine. SPEC.md 5.1.
import type { Instant } from '../base/time.js';
import type { Clock, Timer } from '../ports/clock.js';
import type {
  DataPlaneEvent,
  DataPlaneListener,
  PeerActivity,
  PeerId,
} from '../ports/dataPlane.js';
import type { Path } from '../ports/udp.js';
import { KEYS_NEEDED_INTERVAL_MS } from '../session/limits.js';
import type { EnginePeer } from './enginePeer.js';

export type MutableActivity = { -readonly [Key in keyof PeerActivity]: PeerActivity[Key] };

/** Chosen: more control datagrams than this in one delivery are dropped. */
export const MAX_PENDING_CONTROL = 1024;

export class EventQueue {
  readonly #clock: Clock;
  readonly #listener: DataPlaneListener;
  #pending: DataPlaneEvent[] = [];
  /** Peers whose report is among the pending events. */
  #active: EnginePeer[] = [];
  #pendingControl = 0;
  #timer: Timer | null = null;
  #batching = false;
  #closed = false;

  constructor(clock: Clock, listener: DataPlaneListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** The caller is at work on a batch and will call `deliver` after it. */
  startBatch(): void {
    this.#batching = true;
  }

  /** Will be delivered at the end of the batch, or soon. */
  push(event: DataPlaneEvent): void {
    if (this.#closed) return;
    this.#pending.push(event);
    if (!this.#batching) this.#timer ??= this.#clock.setTimer(0, () => this.deliver());
  }

  /** Copies the datagram; false if there are too many of them. */
  control(bytes: Uint8Array, path: Path): boolean {
    if (this.#pendingControl >= MAX_PENDING_CONTROL) return false;
    this.#pendingControl++;
    this.push({ kind: 'controlReceived', bytes: Uint8Array.from(bytes), path });
    return true;
  }

  /** At most every 100 ms for one peer. */
  keysNeeded(peer: EnginePeer, now: Instant): void {
    const last = peer.keysNeededAt;
    if (last !== null && now - last < KEYS_NEEDED_INTERVAL_MS) return;
    peer.keysNeededAt = now;
    this.push({ kind: 'keysNeeded', peer: peer.id });
  }

  /** The peer's report, to note what happened in. */
  activity(peer: EnginePeer): MutableActivity {
    if (peer.activity !== null) return peer.activity;
    peer.activity = {
      kind: 'activity',
      peer: peer.id,
      dataSentAt: null,
      authenticatedSentAt: null,
      dataReceivedAt: null,
      authenticatedReceivedAt: null,
    };
    this.#active.push(peer);
    this.push(peer.activity);
    return peer.activity;
  }

  /** Hands over what is pending. */
  deliver(): void {
    this.#batching = false;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#pending.length === 0) return;
    const events = this.#pending;
    this.#pending = [];
    this.#pendingControl = 0;
    for (const peer of this.#active) peer.activity = null;
    this.#active = [];
    this.#listener(events);
  }

  /** Forgets what is pending about a peer that is gone. */
  forget(peer: PeerId): void {
    this.#pending = this.#pending.filter((event) => !('peer' in event && event.peer === peer));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#pending = [];
  }
}
