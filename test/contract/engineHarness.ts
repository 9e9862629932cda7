// What the contract tests need of an engine under test: its ports, seen from outside. An engine
// over fake ports and one that owns real descriptors both fit behind it.
import type { Instant } from '../../src/base/time.js';
import type { DataPlane, DataPlaneEvent } from '../../src/ports/dataPlane.js';
import type { Path } from '../../src/ports/udp.js';

/** A datagram that the engine sent. */
export interface SentDatagram {
  readonly bytes: Uint8Array;
  /** Which remote it went to. */
  readonly remote: number;
  readonly trafficClass: number;
}

/**
 * An open engine whose sockets are bound and whose link is up with an MTU of 1420. Methods that
 * take wait until the engine had time to do what it was told.
 */
export interface EngineHarness {
  readonly engine: DataPlane;
  /** The engine's clock. */
  readonly now: () => Instant;
  /** Two remotes, 0 and 1, that the engine can reach; without a local address. */
  path(remote: number): Path;
  /** The system sends packets into the tunnel. */
  deliverToTun(...packets: readonly Uint8Array[]): Promise<void>;
  /** What the engine wrote to the TUN device since it was asked last. */
  takeFromTun(): Promise<readonly Uint8Array[]>;
  /** Datagrams arrive from a remote. */
  deliverUdp(remote: number, ...datagrams: readonly IncomingDatagram[]): Promise<void>;
  takeUdp(): Promise<readonly SentDatagram[]>;
  /** Events since it was asked last, in order. */
  takeEvents(): Promise<readonly DataPlaneEvent[]>;
  /** True if the listener was ever called from inside a call of the engine. */
  readonly listenerReentered: boolean;
  setMtu(mtu: number): Promise<void>;
  /** At most some hundred milliseconds: real time passes for an engine on real descriptors. */
  advance(ms: number): Promise<void>;
  /** Null where sockets can't be made to fail. */
  readonly faults: SocketFaults | null;
  close(): Promise<void>;
}

export interface IncomingDatagram {
  readonly bytes: Uint8Array;
  /** Outer ECN bits; 0 if absent. */
  readonly ecn?: number;
}

export interface SocketFaults {
  /** Every send fails with this errno name; null: none does. */
  failSends(failure: string | null): void;
  /** The local address of the next send can't be used any more. */
  makeLocalStale(): void;
  /** The TUN device refuses what is written to it. */
  refuseWrites(refuse: boolean): void;
}
