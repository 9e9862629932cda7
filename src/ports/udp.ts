// The pair of UDP sockets (IPv4 and IPv6, the same port) that carries the tunnel.
import type { Endpoint, IpFamily } from '../base/ip.js';

/**
 * How a peer is reached: where to, and from which local address. `local` is what the last
 * authenticated packet was sent to ("sticky source"), null to let routing choose.
 */
export interface Path {
  readonly remote: Endpoint;
  readonly local: LocalAddress | null;
}

/** A local address with the interface it was received on. */
export interface LocalAddress {
  readonly address: string;
  /** 0 if unknown. */
  readonly interfaceIndex: number;
}

export interface ReceivedDatagram {
  /** Only valid during the call; may be decrypted in place. */
  readonly bytes: Uint8Array;
  /** The same object while consecutive datagrams come by the same path. */
  readonly path: Path;
  /** The outer ECN bits, 0 to 3; 0 where the platform can't tell. */
  readonly ecn: number;
}

export interface UdpEvents {
  datagrams(batch: readonly ReceivedDatagram[]): void;
}

/** Why a datagram did not go out: an errno name; `ENOSOCK` where that family isn't open. */
export type SendFailure = string;

export interface UdpSockets {
  /**
   * Opens both families on `port` (0: one free port for both) and closes what was open. IPv4 alone
   * is enough where IPv6 is off. Returns the port. Throws OperatorError E_BIND and keeps the old
   * sockets if the port can't be had.
   */
  bind(port: number): number;
  unbind(): void;
  /** SO_MARK for both sockets, now and after every bind; 0 for none. */
  setMark(mark: number): void;
  /**
   * Sends one datagram with the given TOS / traffic class byte. If `path.local` can't be used any
   * more, sends without it and reports `localStale`. `bytes` is only valid during the call.
   */
  send(path: Path, bytes: Uint8Array, trafficClass: number): SendOutcome;
  /** What this platform can do; shown by `beam status --stats` and `beam doctor`. */
  readonly features: UdpFeatures;
  /** Which families are open now. */
  readonly families: readonly IpFamily[];
  close(): void;
}

export interface SendOutcome {
  readonly failure: SendFailure | null;
  readonly localStale: boolean;
}

export interface UdpFeatures {
  readonly stickySource: boolean;
  readonly ecn: boolean;
  readonly mark: boolean;
}
