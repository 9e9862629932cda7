// The device: its key, its peers, and what becomes of every event. SPEC.md 5.
import { assertNever } from '../base/assert.js';
import type { Machine } from '../base/machine.js';
import type { Instant, Moment, WallTime } from '../base/time.js';
import { earliest } from '../base/time.js';
import type { PeerId, PeerTraffic } from '../ports/dataPlane.js';
import type { Entropy } from '../ports/entropy.js';
import type { Path } from '../ports/udp.js';
import { REKEY_TIMEOUT_MS } from '../session/limits.js';
import { classify } from '../wire/messages.js';
import type { DeviceSnapshot, PeerSnapshot } from './change.js';
import { Configurator } from './configurator.js';
import type { DeviceEffect, DeviceEvent } from './deviceEffects.js';
import { DeviceState, debugLine } from './deviceState.js';
import { Initiator } from './initiator.js';
import type { Peer } from './peer.js';
import type { Refusal } from './refusals.js';
import { Responder } from './responder.js';
import type { TimerAction } from './timers.js';

export interface DeviceOptions {
  readonly entropy: Entropy;
}

/** The part of a snapshot that the device knows; ports and marks are the agent's. */
export type DeviceView = Pick<DeviceSnapshot, 'privateKey' | 'publicKey' | 'peers'>;

/** How a peer is doing. */
export interface PeerHealth {
  readonly peer: PeerId;
  readonly lastHandshakeAt: WallTime | null;
  /** Initiations are being sent and have not been answered. */
  readonly handshakePending: boolean;
}

export interface DeviceStats {
  /** Handshake messages refused, by reason (peer/refusals.ts). */
  readonly refusals: Readonly<Record<Refusal, number>>;
  /** Session and handshake indices in use. */
  readonly indices: number;
  /** Sources that the rate limit remembers. */
  readonly rateLimitedSources: number;
}

export class Device implements Machine<DeviceEvent, DeviceEffect> {
  readonly #state: DeviceState;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  readonly #configurator: Configurator;

  constructor(options: DeviceOptions) {
    this.#state = new DeviceState(options.entropy);
    this.#initiator = new Initiator(this.#state);
    this.#responder = new Responder(this.#state);
    this.#configurator = new Configurator(this.#state, this.#initiator);
  }

  /**
   * Never throws on peer input. A `configure` that can't be carried out throws OperatorError
   * (E_TOO_MANY_PEERS) and changes nothing. Starts with the link down.
   */
  handle(event: DeviceEvent, now: Moment): DeviceEffect[] {
    switch (event.kind) {
      case 'configure':
        return this.#configurator.apply(event.change, now);
      case 'controlReceived':
        return this.#controlReceived(event.bytes, event.path, now);
      case 'linkChanged':
        return this.#linkChanged(event.up, now);
      case 'activity':
      case 'keysNeeded':
      case 'keysConfirmed':
      case 'keysDropped':
      case 'roamed': {
        const peer = this.#state.peer(event.peer);
        return peer === null ? [] : this.#peerEvent(peer, event, now);
      }
      default:
        return assertNever(event);
    }
  }

  nextTimeout(): Instant | null {
    return earliest(this.#state.deadlines.next(), this.#state.gate.nextTimeout());
  }

  handleTimeout(now: Moment): DeviceEffect[] {
    const { deadlines, gate } = this.#state;
    gate.handleTimeout(now.boot);
    const effects: DeviceEffect[] = [];
    for (;;) {
      const peer = deadlines.due(now.boot);
      const action = peer?.timers.expire(now.boot) ?? null;
      if (peer === null || action === null) return effects;
      effects.push(...this.#timerExpired(peer, action, now));
    }
  }

  /** `traffic` is DataPlane.traffic. The secrets are lent: valid until the next `configure`. */
  snapshot(traffic: (peer: PeerId) => PeerTraffic): DeviceView {
    const { identity, peers } = this.#state;
    return {
      privateKey: identity?.privateKey ?? null,
      publicKey: identity?.publicKey ?? null,
      peers: Array.from(peers, (peer) => this.#peerSnapshot(peer, traffic(peer.id))),
    };
  }

  /** Null if there is no peer with this public key (32 bytes). */
  health(publicKey: Uint8Array): PeerHealth | null {
    const peer = this.#state.peerByKey(publicKey);
    return peer === null
      ? null
      : {
          peer: peer.id,
          lastHandshakeAt: peer.lastHandshake?.wall ?? null,
          handshakePending: peer.timers.handshakePending,
        };
  }

  stats(): DeviceStats {
    return {
      refusals: this.#state.refusals.counts(),
      indices: this.#state.indices.size,
      rateLimitedSources: this.#state.gate.sources,
    };
  }

  /** Zeroes every secret. The device must not be used any more. */
  destroy(): void {
    for (const peer of [...this.#state.peers]) this.#state.removePeer(peer);
    this.#state.identity?.destroy();
    this.#state.identity = null;
    this.#state.gate.destroy();
  }

  #controlReceived(message: Uint8Array, path: Path, now: Moment): DeviceEffect[] {
    const outcome = this.#state.linkUp ? this.#control(message, path, now) : 'linkDown';
    return typeof outcome === 'string' ? this.#refuse(outcome, path, now) : outcome;
  }

  #control(message: Uint8Array, path: Path, now: Moment): DeviceEffect[] | Refusal {
    const kind = classify(message);
    if (kind === 'cookieReply') return this.#initiator.consumeCookieReply(message, path, now);
    if (kind !== 'initiation' && kind !== 'response') return 'malformed';
    const admission = this.#state.gate.admit(message, path.remote, now.boot);
    switch (admission.kind) {
      case 'refused':
        return admission.reason;
      case 'cookieRequired':
        return [
          ...this.#refuse('cookieRequired', path, now),
          { kind: 'sendTo', path, bytes: admission.reply, trafficClass: 0 },
        ];
      case 'admitted':
        return kind === 'initiation'
          ? this.#responder.consumeInitiation(message, path, now)
          : this.#initiator.consumeResponse(message, path, now);
      default:
        return assertNever(admission);
    }
  }

  #refuse(reason: Refusal, path: Path, now: Moment): DeviceEffect[] {
    const line = this.#state.refusals.count(reason, path.remote, now.boot);
    return line === null ? [] : [line];
  }

  #peerEvent(
    peer: Peer,
    event: Exclude<DeviceEvent, { kind: 'configure' | 'controlReceived' | 'linkChanged' }>,
    now: Moment,
  ): DeviceEffect[] {
    switch (event.kind) {
      case 'activity':
        peer.timers.report(event);
        return [];
      case 'keysNeeded':
        peer.keysWanted = true;
        return this.#initiator.request(peer, now);
      case 'keysConfirmed':
        return this.#keysConfirmed(peer, event.localIndex, now);
      case 'keysDropped':
        this.#state.indices.release(event.localIndex, peer);
        return [];
      case 'roamed':
        return [debugLine('Moved', peer, event.path.remote)];
      default:
        return assertNever(event);
    }
  }

  #keysConfirmed(peer: Peer, localIndex: number, now: Moment): DeviceEffect[] {
    if (!peer.indices.has(localIndex)) return [];
    peer.keysWanted = false;
    peer.lastHandshake = { at: now.boot, wall: now.wall };
    peer.timers.handshakeCompleted();
    return [debugLine('Handshake confirmed', peer)];
  }

  #linkChanged(up: boolean, now: Moment): DeviceEffect[] {
    if (up === this.#state.linkUp) return [];
    this.#state.linkUp = up;
    const effects: DeviceEffect[] = [];
    for (const peer of this.#state.peers) {
      effects.push(...(up ? this.#linkUp(peer, now) : this.#linkDown(peer)));
    }
    return effects;
  }

  #linkUp(peer: Peer, now: Moment): DeviceEffect[] {
    peer.timers.started(now.boot);
    return peer.persistentKeepaliveS === 0 ? [] : [{ kind: 'sendKeepalive', peer: peer.id }];
  }

  #linkDown(peer: Peer): DeviceEffect[] {
    peer.timers.stopped();
    peer.keysWanted = false;
    peer.lastSentAt = null;
    this.#state.clearInitiation(peer);
    return [
      { kind: 'dropStaged', peer: peer.id },
      { kind: 'dropKeys', peer: peer.id },
    ];
  }

  #timerExpired(peer: Peer, action: TimerAction, now: Moment): DeviceEffect[] {
    const forgetSource: DeviceEffect = { kind: 'clearLocalAddress', peer: peer.id };
    switch (action) {
      case 'retryHandshake': {
        const seconds = REKEY_TIMEOUT_MS / 1000;
        const attempt = `retrying (try ${peer.timers.retries + 1})`;
        const message = `Handshake did not complete after ${seconds} seconds, ${attempt}`;
        return [debugLine(message, peer), forgetSource, ...this.#initiator.retry(peer, now)];
      }
      case 'newHandshake':
        return [
          debugLine('Retrying handshake because we stopped hearing back', peer),
          forgetSource,
          ...this.#initiator.request(peer, now),
        ];
      case 'giveUp':
        peer.keysWanted = false;
        return [
          debugLine('Handshake did not complete, giving up', peer),
          { kind: 'dropStaged', peer: peer.id },
        ];
      case 'sendKeepalive':
        return [
          debugLine('Sending keepalive packet', peer),
          { kind: 'sendKeepalive', peer: peer.id },
        ];
      case 'zeroKeys':
        this.#state.clearInitiation(peer);
        return [
          debugLine('Removing all keys, since we have not received a new one', peer),
          { kind: 'dropKeys', peer: peer.id },
        ];
      default:
        return assertNever(action);
    }
  }

  #peerSnapshot(peer: Peer, traffic: PeerTraffic): PeerSnapshot {
    return {
      publicKey: peer.publicKey,
      presharedKey: peer.presharedKey,
      endpoint: traffic.path?.remote ?? null,
      lastHandshakeAt: peer.lastHandshake?.wall ?? null,
      receivedBytes: traffic.receivedBytes,
      sentBytes: traffic.sentBytes,
      persistentKeepaliveS: peer.persistentKeepaliveS,
      allowedIps: this.#state.allowedIps.list(peer),
      suite: traffic.session?.suite ?? null,
    };
  }
}
