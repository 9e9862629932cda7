// Our side of the handshakes that a peer starts. SPEC.md 3.3, 5.4.
import type { Instant, Moment } from '../base/time.js';
import { compareTimestamps } from '../handshake/timestamp.js';
import type { AcceptedInitiation } from '../handshake/wireguard.js';
import { consumeInitiation, createResponse } from '../handshake/wireguard.js';
import type { Path } from '../ports/udp.js';
import {
  HANDSHAKE_TRAFFIC_CLASS,
  INITIATION_INTERVAL_MS,
  wireGuardLimits,
} from '../session/limits.js';
import type { DeviceEffect } from './deviceEffects.js';
import type { DeviceState } from './deviceState.js';
import { debugLine } from './deviceState.js';
import type { Peer } from './peer.js';
import type { Refusal } from './refusals.js';

export class Responder {
  readonly #state: DeviceState;

  constructor(state: DeviceState) {
    this.#state = state;
  }

  /** An initiation that the gate has admitted: answered at once or refused. */
  consumeInitiation(message: Uint8Array, path: Path, now: Moment): DeviceEffect[] | Refusal {
    const local = this.#state.identity;
    if (local === null) return 'noIdentity';
    const accepted = consumeInitiation({
      local,
      message,
      lookup: (publicKey) => this.#state.peerByKey(publicKey)?.remote(local) ?? null,
    });
    if ('refused' in accepted) return accepted.refused;
    const peer = this.#state.peerByKey(accepted.remote.publicKey);
    if (peer === null) return 'unknownPeer';
    const stale = staleness(peer, accepted.timestamp, now.boot);
    if (stale !== null) {
      accepted.state.destroy();
      return stale;
    }
    peer.latestTimestamp = accepted.timestamp;
    peer.lastConsumedAt = now.boot;
    // Of two initiations that cross, the one of the lower key survives. SPEC.md 4.1.
    const isOursGreater = Buffer.compare(local.publicKey, peer.publicKey) > 0;
    if (isOursGreater) this.#state.clearInitiation(peer);
    return [
      debugLine('Received handshake initiation', peer, path.remote),
      { kind: 'setPath', peer: peer.id, path },
      { kind: 'countControlReceived', peer: peer.id, bytes: message.length },
      ...this.#respond(peer, accepted, now),
    ];
  }

  #respond(peer: Peer, accepted: AcceptedInitiation, now: Moment): DeviceEffect[] {
    const { indices, entropy } = this.#state;
    const { state, remote } = accepted;
    const localIndex = indices.allocate(peer);
    peer.lastSentAt = now.boot;
    peer.timers.authenticatedReceived(now.boot);
    const created = createResponse({ state, remote, localIndex, entropy });
    if (created === null) {
      indices.release(localIndex, peer);
      return [debugLine('No response: the ephemeral key of the initiation is unusable', peer)];
    }
    peer.stamper.stamp(created.message, now.boot);
    peer.timers.sessionDerived(now.boot);
    peer.timers.authenticatedSent(now.boot);
    return [
      {
        kind: 'installKeys',
        keys: {
          peer: peer.id,
          role: 'responder',
          localIndex,
          ...created.keys,
          suite: 'chacha20-poly1305',
          createdAt: now.boot,
          limits: wireGuardLimits('responder'),
        },
      },
      debugLine('Sending handshake response', peer),
      {
        kind: 'sendToPeer',
        peer: peer.id,
        bytes: created.message,
        trafficClass: HANDSHAKE_TRAFFIC_CLASS,
      },
    ];
  }
}

/** Why an authentic initiation isn't wanted; null if it is. */
function staleness(peer: Peer, timestamp: Uint8Array, now: Instant): Refusal | null {
  const { latestTimestamp, lastConsumedAt } = peer;
  if (latestTimestamp !== null && compareTimestamps(timestamp, latestTimestamp) <= 0) {
    return 'replayedInitiation';
  }
  if (lastConsumedAt !== null && now - lastConsumedAt < INITIATION_INTERVAL_MS) {
    return 'initiationFlood';
  }
  return null;
}
