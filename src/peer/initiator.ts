// Our side of the handshakes that we start. SPEC.md 3.2, 5.2.
import type { Moment } from '../base/time.js';
import { after } from '../base/time.js';
import { consumeResponse, createInitiation } from '../handshake/wireguard.js';
import type { Path } from '../ports/udp.js';
import { HANDSHAKE_TRAFFIC_CLASS, REKEY_TIMEOUT_MS, wireGuardLimits } from '../session/limits.js';
import { decodeCookieReply, decodeResponse } from '../wire/messages.js';
import type { DeviceEffect } from './deviceEffects.js';
import type { DeviceState } from './deviceState.js';
import { debugLine } from './deviceState.js';
import type { Peer } from './peer.js';
import type { Refusal } from './refusals.js';

export class Initiator {
  readonly #state: DeviceState;

  constructor(state: DeviceState) {
    this.#state = state;
  }

  /** The data plane needs keys, or nothing was heard for too long. */
  request(peer: Peer, now: Moment): DeviceEffect[] {
    peer.timers.handshakeRequested();
    return this.retry(peer, now);
  }

  /** Sends an initiation, now or when REKEY_TIMEOUT is over. */
  retry(peer: Peer, now: Moment): DeviceEffect[] {
    const { identity, linkUp } = this.#state;
    if (identity === null || !linkUp) return [];
    if (peer.lastSentAt !== null && now.boot - peer.lastSentAt < REKEY_TIMEOUT_MS) {
      // After a handshake that is done there is nothing to wait for: the request was made before.
      const done = peer.lastHandshake !== null && peer.lastHandshake.at >= peer.lastSentAt;
      if (!done) peer.timers.handshakePutOff(after(peer.lastSentAt, REKEY_TIMEOUT_MS));
      return [];
    }
    return this.#initiate(peer, now);
  }

  #initiate(peer: Peer, now: Moment): DeviceEffect[] {
    const { identity, indices, clock, entropy } = this.#state;
    if (identity === null) return [];
    peer.lastSentAt = now.boot;
    this.#state.clearInitiation(peer);
    const localIndex = indices.allocate(peer);
    const timestamp = clock.next(peer.lastSentTimestamp, now.wall);
    const remote = peer.remote(identity);
    const created = createInitiation({ local: identity, remote, localIndex, timestamp, entropy });
    if (created === null) {
      indices.release(localIndex, peer);
      return [debugLine('No handshake: the public key of the peer is unusable', peer)];
    }
    peer.initiation = created.state;
    peer.lastSentTimestamp = timestamp;
    peer.stamper.stamp(created.message, now.boot);
    peer.timers.authenticatedSent(now.boot);
    peer.timers.handshakeInitiated(now.boot);
    return [
      debugLine('Sending handshake initiation', peer),
      {
        kind: 'sendToPeer',
        peer: peer.id,
        bytes: created.message,
        trafficClass: HANDSHAKE_TRAFFIC_CLASS,
      },
    ];
  }

  /** A response that the gate has admitted. */
  consumeResponse(message: Uint8Array, path: Path, now: Moment): DeviceEffect[] | Refusal {
    const { identity, indices } = this.#state;
    if (identity === null) return 'noIdentity';
    const response = decodeResponse(message);
    if (response === null) return 'malformed';
    const peer = indices.owner(response.receiver);
    const state = peer?.initiation;
    if (peer === null || state?.localIndex !== response.receiver) return 'unknownIndex';
    const keys = consumeResponse({
      local: identity,
      remote: peer.remote(identity),
      state,
      message,
    });
    if (keys === null) return 'forgedResponse';
    peer.initiation = null;
    peer.keysWanted = false;
    peer.lastHandshake = { at: now.boot, wall: now.wall };
    peer.timers.sessionDerived(now.boot);
    peer.timers.handshakeCompleted();
    peer.timers.authenticatedReceived(now.boot);
    return [
      debugLine('Received handshake response', peer, path.remote),
      { kind: 'setPath', peer: peer.id, path },
      { kind: 'countControlReceived', peer: peer.id, bytes: message.length },
      {
        kind: 'installKeys',
        keys: {
          peer: peer.id,
          role: 'initiator',
          localIndex: response.receiver,
          ...keys,
          suite: 'chacha20-poly1305',
          createdAt: now.boot,
          limits: wireGuardLimits('initiator'),
        },
      },
    ];
  }

  /** Keeps the cookie for the next message. Moves no endpoint and stops no timer. SPEC.md 5.3. */
  consumeCookieReply(message: Uint8Array, path: Path, now: Moment): DeviceEffect[] | Refusal {
    const reply = decodeCookieReply(message);
    if (reply === null) return 'malformed';
    const peer = this.#state.indices.owner(reply.receiver);
    if (peer === null) return 'unknownIndex';
    if (!peer.stamper.consumeReply(message, now.boot)) return 'unusableCookie';
    return [debugLine('Received cookie reply', peer, path.remote)];
  }
}
