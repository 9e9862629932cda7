// Carries out a configuration change, all of it or nothing. SPEC.md 5.5.
import { equalConstantTime, toHex } from '../base/bytes.js';
import { OperatorError } from '../base/errors.js';
import type { IpPrefix } from '../base/ip.js';
import type { Secret } from '../base/secret.js';
import type { Moment } from '../base/time.js';
import { createStaticIdentity } from '../handshake/wireguard.js';
import { MAX_PEERS } from '../session/limits.js';
import type { AllowedIpEdit, DeviceChange, PeerChange } from './change.js';
import type { DeviceEffect } from './deviceEffects.js';
import type { DeviceState } from './deviceState.js';
import { debugLine } from './deviceState.js';
import type { Initiator } from './initiator.js';
import type { Peer } from './peer.js';

export class Configurator {
  readonly #state: DeviceState;
  readonly #initiator: Initiator;

  constructor(state: DeviceState, initiator: Initiator) {
    this.#state = state;
    this.#initiator = initiator;
  }

  /** Throws OperatorError E_TOO_MANY_PEERS before anything is changed. */
  apply(change: DeviceChange, now: Moment): DeviceEffect[] {
    this.#checkPeerCount(change);
    const kept = change.replacePeers ? createdKeys(change.peers) : null;
    const effects: DeviceEffect[] = [];
    if (kept !== null) {
      for (const peer of [...this.#state.peers]) {
        if (!kept.has(toHex(peer.publicKey))) effects.push(...this.#removePeer(peer));
      }
    }
    if (change.privateKey !== undefined) this.#setKey(change.privateKey, now, effects);
    for (const peerChange of change.peers) {
      effects.push(...this.#changePeer(peerChange, kept, now));
    }
    return effects;
  }

  #checkPeerCount(change: DeviceChange): void {
    const kept = change.replacePeers ? createdKeys(change.peers) : null;
    const keys = new Set<string>();
    for (const peer of this.#state.peers) {
      const key = toHex(peer.publicKey);
      if (kept === null || kept.has(key)) keys.add(key);
    }
    let most = keys.size;
    for (const peer of change.peers) {
      const key = toHex(peer.publicKey);
      if (peer.remove) keys.delete(key);
      else if (!peer.updateOnly) keys.add(key);
      most = Math.max(most, keys.size);
    }
    if (most <= MAX_PEERS) return;
    throw new OperatorError({
      code: 'E_TOO_MANY_PEERS',
      place: 'peers',
      expected: `at most ${MAX_PEERS} peers`,
      found: `${most}`,
      remedy: 'remove peers that are not used, or spread them over several interfaces',
    });
  }

  #setKey(privateKey: Secret | null, now: Moment, effects: DeviceEffect[]): void {
    const { identity: before, gate } = this.#state;
    const next = privateKey === null ? null : createStaticIdentity(privateKey.expose());
    if (next !== null && before !== null) {
      if (equalConstantTime(next.publicKey, before.publicKey)) {
        next.destroy();
        return;
      }
    } else if (next === before) return;
    const self = next === null ? null : this.#state.peerByKey(next.publicKey);
    if (self !== null) effects.push(...this.#removePeer(self));
    this.#state.identity = next;
    before?.destroy();
    const publicKey = next?.publicKey ?? null;
    gate.identityChanged(publicKey);
    effects.push({ kind: 'setLocalPublicKey', publicKey });
    for (const peer of this.#state.peers) effects.push(...this.#identityChanged(peer, now));
  }

  #identityChanged(peer: Peer, now: Moment): DeviceEffect[] {
    peer.identityChanged();
    this.#state.clearInitiation(peer);
    peer.lastSentAt = null;
    return [{ kind: 'expireKeys', peer: peer.id }, ...this.#initiateIfWanted(peer, now)];
  }

  /** `kept`: null, or the peers that `replace_peers` keeps and that still have their old settings. */
  #changePeer(change: PeerChange, kept: Set<string> | null, now: Moment): DeviceEffect[] {
    const key = toHex(change.publicKey);
    const isFresh = kept?.has(key) === true;
    // After replace_peers the peer isn't there until it is named without remove or update_only.
    if (isFresh && (change.remove || change.updateOnly)) return [];
    kept?.delete(key);
    const existing = this.#state.peerByKey(change.publicKey);
    if (change.remove) return existing === null ? [] : this.#removePeer(existing);
    if (existing === null && (change.updateOnly || this.#isOwnKey(change.publicKey))) return [];
    const effects: DeviceEffect[] = [];
    const peer = existing ?? this.#addPeer(change.publicKey, now, effects);
    this.#configure(peer, isFresh ? fromScratch(change) : change, now, effects);
    effects.push(...this.#initiateIfWanted(peer, now));
    return effects;
  }

  #isOwnKey(publicKey: Uint8Array): boolean {
    const own = this.#state.identity?.publicKey;
    return own !== undefined && equalConstantTime(own, publicKey);
  }

  #addPeer(publicKey: Uint8Array, now: Moment, effects: DeviceEffect[]): Peer {
    const peer = this.#state.addPeer(publicKey);
    if (this.#state.linkUp) peer.timers.started(now.boot);
    effects.push({ kind: 'addPeer', peer: peer.id }, debugLine('Created', peer));
    return peer;
  }

  #removePeer(peer: Peer): DeviceEffect[] {
    this.#state.removePeer(peer);
    return [{ kind: 'removePeer', peer: peer.id }, debugLine('Removed', peer)];
  }

  #configure(peer: Peer, change: PeerChange, now: Moment, effects: DeviceEffect[]): void {
    if (change.presharedKey !== undefined) peer.presharedKey = change.presharedKey;
    if (change.endpoint !== undefined) {
      const path = { remote: change.endpoint, local: null };
      effects.push({ kind: 'setPath', peer: peer.id, path });
    }
    this.#changeAllowedIps(peer, change, effects);
    if (change.persistentKeepaliveS !== undefined) {
      const starts = peer.persistentKeepaliveS === 0 && change.persistentKeepaliveS !== 0;
      peer.persistentKeepaliveS = change.persistentKeepaliveS;
      peer.timers.persistentKeepaliveChanged(change.persistentKeepaliveS * 1000, now.boot);
      if (starts && this.#state.linkUp) effects.push({ kind: 'sendKeepalive', peer: peer.id });
    }
  }

  #changeAllowedIps(peer: Peer, change: PeerChange, effects: DeviceEffect[]): void {
    const { allowedIps } = this.#state;
    if (change.replaceAllowedIps) allowedIps.removeOwner(peer);
    for (const { edit, prefix } of change.allowedIps) {
      if (edit === 'add') allowedIps.add(peer, prefix);
      else allowedIps.remove(peer, prefix);
    }
    for (const part of inParts(change)) {
      effects.push({ kind: 'changeAllowedIps', peer: peer.id, change: part });
    }
  }

  #initiateIfWanted(peer: Peer, now: Moment): DeviceEffect[] {
    return peer.keysWanted ? this.#initiator.request(peer, now) : [];
  }
}

/** The peers that exist after `replace_peers`, by hex key. */
function createdKeys(changes: readonly PeerChange[]): Set<string> {
  const creating = changes.filter(({ remove, updateOnly }) => !remove && !updateOnly);
  return new Set(creating.map(({ publicKey }) => toHex(publicKey)));
}

/** The change with everything that it doesn't mention taken back to what a new peer has. */
function fromScratch(change: PeerChange): PeerChange {
  return { presharedKey: null, persistentKeepaliveS: 0, ...change, replaceAllowedIps: true };
}

interface AllowedIpsPart {
  replace: boolean;
  add: IpPrefix[];
  remove: IpPrefix[];
}

/** The edits in as few steps as their order allows; a step adds first, then removes. */
function inParts(change: PeerChange): AllowedIpsPart[] {
  const parts: AllowedIpsPart[] = [];
  const start = (replace: boolean): AllowedIpsPart => {
    const part = { replace, add: [], remove: [] };
    parts.push(part);
    return part;
  };
  let part = change.replaceAllowedIps ? start(true) : null;
  for (const { edit, prefix } of change.allowedIps satisfies readonly AllowedIpEdit[]) {
    if (part === null || (edit === 'add' && part.remove.length > 0)) part = start(false);
    part[edit].push(prefix);
  }
  return parts;
}
