// What the parts of the device share: its key, its peers, their indices and deadlines. SPEC.md 5.
import { toHex } from '../base/bytes.js';
import type { Endpoint } from '../base/ip.js';
import type { StaticIdentity } from '../handshake/wireguard.js';
import type { PeerId } from '../ports/dataPlane.js';
import { peerId } from '../ports/dataPlane.js';
import type { Entropy } from '../ports/entropy.js';
import { REKEY_TIMEOUT_JITTER_MS } from '../session/limits.js';
import { AllowedIps } from './allowedIps.js';
import { DeadlineQueue } from './deadlineQueue.js';
import type { LogEffect } from './deviceEffects.js';
import { HandshakeGate } from './handshakeGate.js';
import { IndexTable } from './indexTable.js';
import { InitiationClock } from './initiationClock.js';
import { Peer } from './peer.js';
import { Refusals } from './refusals.js';
import { PeerTimers } from './timers.js';

export class DeviceState {
  readonly entropy: Entropy;
  readonly indices: IndexTable<Peer>;
  readonly gate: HandshakeGate;
  readonly deadlines = new DeadlineQueue<Peer>();
  readonly allowedIps = new AllowedIps<Peer>();
  readonly clock = new InitiationClock();
  readonly refusals = new Refusals();
  identity: StaticIdentity | null = null;
  linkUp = false;

  readonly #byKey = new Map<string, Peer>();
  readonly #byId: (Peer | undefined)[] = [];
  readonly #freeIds: PeerId[] = [];

  constructor(entropy: Entropy) {
    this.entropy = entropy;
    this.indices = new IndexTable(entropy);
    this.gate = new HandshakeGate(entropy);
  }

  get peers(): Iterable<Peer> {
    return this.#byKey.values();
  }

  get peerCount(): number {
    return this.#byKey.size;
  }

  /** Null if there is no such peer (any more). */
  peer(id: PeerId): Peer | null {
    return this.#byId[id] ?? null;
  }

  peerByKey(publicKey: Uint8Array): Peer | null {
    return this.#byKey.get(toHex(publicKey)) ?? null;
  }

  addPeer(publicKey: Uint8Array): Peer {
    const id = this.#freeIds.pop() ?? peerId(this.#byId.length);
    const timers = new PeerTimers({
      jitterMs: () => this.#jitterMs(),
      changed: () => this.deadlines.set(peer, timers.nextDeadline()),
    });
    const peer = new Peer(id, Uint8Array.from(publicKey), timers);
    this.#byId[id] = peer;
    this.#byKey.set(toHex(publicKey), peer);
    return peer;
  }

  removePeer(peer: Peer): void {
    peer.timers.stopped();
    this.indices.releaseAll(peer);
    this.allowedIps.removeOwner(peer);
    this.#byKey.delete(toHex(peer.publicKey));
    this.#byId[peer.id] = undefined;
    this.#freeIds.push(peer.id);
    peer.destroy();
  }

  /** Forgets our handshake under way. */
  clearInitiation(peer: Peer): void {
    if (peer.initiation === null) return;
    this.indices.release(peer.initiation.localIndex, peer);
    peer.initiation.destroy();
    peer.initiation = null;
  }

  #jitterMs(): number {
    const [high = 0, low = 0] = this.entropy(2);
    return Math.floor((((high << 8) | low) / 2 ** 16) * (REKEY_TIMEOUT_JITTER_MS + 1));
  }
}

/** A debug line about a peer. */
export function debugLine(
  message: string,
  peer: Peer,
  endpoint: Endpoint | null = null,
): LogEffect {
  return { kind: 'log', level: 'debug', message, peer: peer.publicKey, endpoint };
}
