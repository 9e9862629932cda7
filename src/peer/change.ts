// A configuration change as the UAPI and the config files both express it, already parsed and
// checked; and what the device looks like when asked. SPEC.md section 6.
import type { Endpoint, IpPrefix } from '../base/ip.js';
import type { Secret } from '../base/secret.js';
import type { WallTime } from '../base/time.js';
import type { Suite } from '../ports/dataPlane.js';

/** Absent fields stay as they are. */
export interface DeviceChange {
  /** 32 bytes; null removes it. */
  readonly privateKey?: Secret | null;
  /** 0 lets the system choose. */
  readonly listenPort?: number;
  /** u32; 0 removes it. */
  readonly fwmark?: number;
  /** Remove every peer that `peers` doesn't name. */
  readonly replacePeers: boolean;
  /** Applied in order; a peer may come more than once. */
  readonly peers: readonly PeerChange[];
}

export interface PeerChange {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly remove: boolean;
  /** Do nothing if the peer isn't there. */
  readonly updateOnly: boolean;
  /** 32 bytes; null removes it. */
  readonly presharedKey?: Secret | null;
  readonly endpoint?: Endpoint;
  /** Seconds, 0 (off) to 65,535. */
  readonly persistentKeepaliveS?: number;
  /** Remove the peer's allowed-IPs before `allowedIps` is applied. */
  readonly replaceAllowedIps: boolean;
  /** Applied in order. */
  readonly allowedIps: readonly AllowedIpEdit[];
}

export interface AllowedIpEdit {
  readonly edit: 'add' | 'remove';
  readonly prefix: IpPrefix;
}

export interface DeviceSnapshot {
  readonly privateKey: Secret | null;
  readonly publicKey: Uint8Array | null;
  readonly listenPort: number;
  readonly fwmark: number;
  readonly peers: readonly PeerSnapshot[];
}

export interface PeerSnapshot {
  readonly publicKey: Uint8Array;
  readonly presharedKey: Secret | null;
  readonly endpoint: Endpoint | null;
  readonly lastHandshakeAt: WallTime | null;
  readonly receivedBytes: bigint;
  readonly sentBytes: bigint;
  readonly persistentKeepaliveS: number;
  readonly allowedIps: readonly IpPrefix[];
  readonly suite: Suite | null;
}
