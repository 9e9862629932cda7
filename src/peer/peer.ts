// What the control plane knows of one peer. SPEC.md 5.
import { Secret } from '../base/secret.js';
import type { Instant, WallTime } from '../base/time.js';
import { CookieStamper } from '../handshake/cookie.js';
import type { InitiatorState, RemoteIdentity, StaticIdentity } from '../handshake/wireguard.js';
import { createRemoteIdentity } from '../handshake/wireguard.js';
import type { PeerId } from '../ports/dataPlane.js';
import type { IndexOwner } from './indexTable.js';
import type { PeerTimers } from './timers.js';

export class Peer implements IndexOwner {
  readonly id: PeerId;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly timers: PeerTimers;
  readonly indices = new Set<number>();
  persistentKeepaliveS = 0;

  /** Our handshake under way. */
  initiation: InitiatorState | null = null;
  /** Our last initiation or response, for the limit of one initiation per REKEY_TIMEOUT. */
  lastSentAt: Instant | null = null;
  lastSentTimestamp: Uint8Array | null = null;

  /** The greatest timestamp of an authentic initiation, and when the last one was consumed. */
  latestTimestamp: Uint8Array | null = null;
  lastConsumedAt: Instant | null = null;

  lastHandshake: { readonly at: Instant; readonly wall: WallTime } | null = null;
  /** The data plane asked for keys and has got none since. */
  keysWanted = false;

  #presharedKey: Secret | null = null;
  #remote: RemoteIdentity | null = null;
  #stamper: CookieStamper | null = null;

  constructor(id: PeerId, publicKey: Uint8Array, timers: PeerTimers) {
    this.id = id;
    this.publicKey = publicKey;
    this.timers = timers;
  }

  /** Owned by the peer. */
  get presharedKey(): Secret | null {
    return this.#presharedKey;
  }

  /** Copies the key; it holds from the next handshake on. */
  set presharedKey(secret: Secret | null) {
    const copy = secret === null ? null : new Secret(Uint8Array.from(secret.expose()));
    this.#presharedKey?.destroy();
    this.#presharedKey = copy;
    if (this.#remote !== null) this.#remote.presharedKey = copy;
  }

  /** Made at first use, because it costs an X25519. */
  remote(local: StaticIdentity): RemoteIdentity {
    this.#remote ??= createRemoteIdentity(local, this.publicKey, this.#presharedKey);
    return this.#remote;
  }

  /** The device has another private key now: all that was computed with the old one is void. */
  identityChanged(): void {
    this.#remote?.destroy();
    this.#remote = null;
  }

  get stamper(): CookieStamper {
    this.#stamper ??= new CookieStamper(this.publicKey);
    return this.#stamper;
  }

  destroy(): void {
    this.initiation?.destroy();
    this.initiation = null;
    this.identityChanged();
    this.presharedKey = null;
    this.#stamper?.destroy();
    this.#stamper = null;
  }
}
