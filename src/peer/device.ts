// The device: its key, its peers, and what becomes of every event. SPEC.md 5.
import type { Machine } from '../base/machine.js';
import type { Instant, Moment, WallTime } from '../base/time.js';
import type { PeerId, PeerTraffic } from '../ports/dataPlane.js';
import type { Entropy } from '../ports/entropy.js';
import type { DeviceSnapshot } from './change.js';
import type { DeviceEffect, DeviceEvent } from './deviceEffects.js';

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
  readonly refusals: Readonly<Record<string, number>>;
  /** Cookies are asked for now. SPEC.md 5.4. */
  readonly underLoad: boolean;
}

export class Device implements Machine<DeviceEvent, DeviceEffect> {
  constructor(options: DeviceOptions) {
    void options;
  }

  /**
   * Never throws on peer input. A `configure` that can't be carried out throws OperatorError
   * (E_TOO_MANY_PEERS) and changes nothing. Starts with the link down.
   */
  handle(event: DeviceEvent, now: Moment): DeviceEffect[] {
    void event;
    void now;
    throw new Error('not built yet');
  }

  nextTimeout(): Instant | null {
    throw new Error('not built yet');
  }

  handleTimeout(now: Moment): DeviceEffect[] {
    void now;
    throw new Error('not built yet');
  }

  /** `traffic` is DataPlane.traffic. The secrets are lent: valid until the next `configure`. */
  snapshot(traffic: (peer: PeerId) => PeerTraffic): DeviceView {
    void traffic;
    throw new Error('not built yet');
  }

  /** Null if there is no peer with this public key (32 bytes). */
  health(publicKey: Uint8Array): PeerHealth | null {
    void publicKey;
    throw new Error('not built yet');
  }

  stats(): DeviceStats {
    throw new Error('not built yet');
  }

  /** Zeroes every secret. The device must not be used any more. */
  destroy(): void {
    throw new Error('not built yet');
  }
}
