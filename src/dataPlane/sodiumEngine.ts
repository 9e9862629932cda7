// The executable specification of the data plane: every packet in TypeScript, over the ports.
// SPEC.md 4.
import type { Clock } from '../ports/clock.js';
import type { DataPlane, DataPlaneListener } from '../ports/dataPlane.js';
import type { TunDevice, TunEvents } from '../ports/tun.js';
import type { UdpEvents, UdpSockets } from '../ports/udp.js';

export interface SodiumEngineOptions {
  /** Called once, before openSodiumEngine returns; its errors (OperatorError) pass through. */
  readonly openTun: (events: TunEvents) => TunDevice;
  readonly openUdp: (events: UdpEvents) => UdpSockets;
  readonly clock: Clock;
  /** Never called from inside a call of the engine. */
  readonly listener: DataPlaneListener;
}

/** Opens the TUN device; sockets are open after `bind`. */
export function openSodiumEngine(options: SodiumEngineOptions): DataPlane {
  void options;
  throw new Error('not built yet');
}
