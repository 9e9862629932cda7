// The boundary between the control plane and the packet path. Two engines implement it (sodium in
// TypeScript, native in C++) and pass the same contract tests (test/contract/).
import type { IpPrefix } from '../base/ip.js';
import type { Instant } from '../base/time.js';
import type { Path } from './udp.js';

declare const peerIdBrand: unique symbol;
/** A peer's slot in the data plane: a small non-negative integer, reused only after removePeer. */
export type PeerId = number & { readonly [peerIdBrand]: true };
export const peerId = (slot: number): PeerId => slot as PeerId;

export type Suite = 'chacha20-poly1305' | 'aes-256-gcm';

/** A session's keys and limits. The engine does not know which protocol made them. */
export interface SessionKeys {
  readonly peer: PeerId;
  /** The initiator's session is used at once; the responder's waits for its first packet. */
  readonly role: 'initiator' | 'responder';
  /** u32, unique on this device. */
  readonly localIndex: number;
  /** u32, chosen by the peer. */
  readonly remoteIndex: number;
  readonly suite: Suite;
  /** 32 bytes each. The engine takes them over and zeroes the caller's arrays. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly createdAt: Instant;
  readonly limits: SessionLimits;
}

export interface SessionLimits {
  /** Packets sent after which new keys are asked for. */
  readonly rekeyAfterMessages: bigint;
  /** Packets sent after which nothing is sent any more: what the AEAD bears. */
  readonly sendAtMostMessages: bigint;
  /** From this counter on nothing is sent or accepted. */
  readonly rejectAfterMessages: bigint;
  /** Datagrams that failed to open, 1 to 2^53 - 1: with that many the session is dropped. */
  readonly dropAfterForgeries: bigint;
  /** Age at which sending asks for new keys; null for the responder, who doesn't rekey by time. */
  readonly rekeyAfterMs: number | null;
  /** Age at which receiving asks for new keys; null for the responder. */
  readonly rekeyOnReceiveAfterMs: number | null;
  /** Age from which the session neither sends nor receives. */
  readonly rejectAfterMs: number;
}

/** What happened on the packet path. Delivered in batches, in order, never from inside a call. */
export type DataPlaneEvent =
  /** A datagram that is not type 4. `bytes` is a copy. */
  | { readonly kind: 'controlReceived'; readonly bytes: Uint8Array; readonly path: Path }
  /**
   * What a peer's packets did since the last report, in the order of the times. Null where it
   * didn't happen. An engine may report up to 50 ms late, with true times.
   */
  | PeerActivity
  /**
   * A packet waits without usable keys, or keys are due (limits). Repeated at most every 100 ms
   * per peer while it lasts; the control plane decides whether to act.
   */
  | { readonly kind: 'keysNeeded'; readonly peer: PeerId }
  /** The first packet under a responder's session arrived: it is now current. */
  | { readonly kind: 'keysConfirmed'; readonly peer: PeerId; readonly localIndex: number }
  /** A session left the keyring: the index is free. */
  | { readonly kind: 'keysDropped'; readonly peer: PeerId; readonly localIndex: number }
  /** An authenticated packet came by another path: the peer roamed. */
  | { readonly kind: 'roamed'; readonly peer: PeerId; readonly path: Path }
  | { readonly kind: 'linkChanged'; readonly up: boolean; readonly mtu: number }
  /** The TUN device is gone: the agent ends. */
  | { readonly kind: 'tunClosed' };

export interface PeerActivity {
  readonly kind: 'activity';
  readonly peer: PeerId;
  /** A packet with content was sealed and sent. */
  readonly dataSentAt: Instant | null;
  /** Any sealed packet was sent, keepalives included. */
  readonly authenticatedSentAt: Instant | null;
  /** An authenticated packet with content arrived. */
  readonly dataReceivedAt: Instant | null;
  /** Any authenticated transport packet arrived, keepalives included. */
  readonly authenticatedReceivedAt: Instant | null;
}

export interface PeerTraffic {
  /** UDP payload bytes, handshake messages included, as the kernel counts them. */
  readonly receivedBytes: bigint;
  readonly sentBytes: bigint;
  readonly path: Path | null;
  /** The current session, for status; null if there is none. */
  readonly session: { readonly suite: Suite; readonly createdAt: Instant } | null;
}

/** Every packet that is dropped is counted under exactly one of these. */
export const DROP_REASONS = [
  'malformed', // not an IP packet, or not a datagram of a known type and size
  'noPeer', // no allowed-IPs for the destination
  'noEndpoint', // the peer has no known endpoint
  'noSession', // type 4 with an index that isn't ours
  'expired', // the session is past its limits
  'forged', // authentication failed
  'replayed', // counter seen, or left of the window
  'wrongSource', // inner source isn't in the peer's allowed-IPs
  'stagedOverflow', // more packets waiting for keys than allowed
  'sendFailed', // the socket refused the datagram
  'tunWriteFailed', // the TUN refused the packet
  'controlOverflow', // more control datagrams than the control plane takes
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface DataPlaneStats {
  readonly engine: string;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Errno name to count, for sendFailed. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly features: Readonly<Record<string, string | number | boolean>>;
}

export interface DataPlane {
  /** Opens or moves the UDP sockets; see UdpSockets.bind for port 0 and errors. */
  bind(port: number): number;
  unbind(): void;
  setMark(mark: number): void;
  /** The device's X25519 public key, for engines that check mac1 themselves; null for none. */
  setLocalPublicKey(publicKey: Uint8Array | null): void;

  addPeer(peer: PeerId): void;
  /** Drops sessions, allowed-IPs, staged packets and the endpoint. No event names the peer after it. */
  removePeer(peer: PeerId): void;
  /** null forgets the endpoint. */
  setPath(peer: PeerId, path: Path | null): void;
  /** Lets routing choose the source address again (after handshakes that got no answer). */
  clearLocalAddress(peer: PeerId): void;
  /** Adds are applied in order; a prefix that another peer has moves here. */
  changeAllowedIps(peer: PeerId, change: AllowedIpsChange): void;

  /**
   * An initiator's session is current at once: sends what is staged or, where nothing is, an empty
   * packet, which confirms it to the peer.
   */
  installKeys(keys: SessionKeys): void;
  /** Nothing is sent under the peer's sessions any more; what arrives under them is still accepted. */
  expireKeys(peer: PeerId): void;
  /** All sessions of the peer. */
  dropKeys(peer: PeerId): void;
  /** Forgets the packets that wait for keys. */
  dropStaged(peer: PeerId): void;
  /**
   * Sends what is staged or, where nothing is, an empty packet; asks for keys where there are no
   * usable ones.
   */
  sendKeepalive(peer: PeerId): void;
  /** A control datagram to the peer's current path, counted as its traffic. */
  sendToPeer(peer: PeerId, bytes: Uint8Array, trafficClass: number): void;
  /** A control datagram back to where one came from (cookie replies). */
  sendTo(path: Path, bytes: Uint8Array, trafficClass: number): void;
  /** Bytes of control datagrams that the control plane attributes to the peer. */
  countControlReceived(peer: PeerId, bytes: number): void;

  traffic(peer: PeerId): PeerTraffic;
  stats(): DataPlaneStats;
  /** Closes sockets and TUN; zeroes keys. No events after it. */
  close(): void;
}

export interface AllowedIpsChange {
  /** First remove all that the peer has. */
  readonly replace: boolean;
  readonly add: readonly IpPrefix[];
  readonly remove: readonly IpPrefix[];
}

export type DataPlaneListener = (events: readonly DataPlaneEvent[]) => void;
