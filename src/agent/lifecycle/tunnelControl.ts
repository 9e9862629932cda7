// What bringing a tunnel up and down needs from whoever runs the device (SPEC.md 8.1).
import type { Endpoint } from '../../base/ip.js';
import type { WallTime } from '../../base/time.js';
import type { DeviceChange, DeviceSnapshot } from '../../peer/change.js';

/** Makes the interface: called once per `up`, after the PreUp hooks. */
export interface TunnelHost {
  /**
   * Creates the interface, down and without addresses, and serves it. Throws OperatorError if the
   * name is taken or the TUN device can't be had.
   */
  open(interfaceName: string): Promise<TunnelControl>;
}

/** A running device, as the lifecycle of its interface sees it. */
export interface TunnelControl {
  readonly interfaceName: string;
  /** All or nothing: throws OperatorError (E_BIND…) and leaves the device as it was. */
  applyChange(change: DeviceChange): void;
  snapshot(): DeviceSnapshot;
  /** How the peer with this public key (32 bytes) is doing; null if there is none. Cheap. */
  liveness(publicKey: Uint8Array): PeerLiveness | null;
  /** Deletes the interface and stops serving it; resolves when it is gone. */
  close(): Promise<void>;
}

export interface PeerLiveness {
  /** Where packets go now; differs from what was configured after the peer roamed. */
  readonly endpoint: Endpoint | null;
  readonly lastHandshakeAt: WallTime | null;
  /** Handshake initiations are being sent and have not been answered. */
  readonly handshakePending: boolean;
}
