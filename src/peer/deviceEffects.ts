// What goes into the device and what comes out of it. SPEC.md 5.1.
import type { Endpoint } from '../base/ip.js';
import type { AllowedIpsChange, DataPlaneEvent, PeerId, SessionKeys } from '../ports/dataPlane.js';
import type { Path } from '../ports/udp.js';
import type { DeviceChange } from './change.js';

/** A change by the operator, or something that happened on the packet path. */
export type DeviceEvent =
  /** All or nothing. The device copies the secrets; they stay the caller's to destroy. */
  { readonly kind: 'configure'; readonly change: DeviceChange } | DeviceDataPlaneEvent;

/** Everything an engine reports but its end, which ends the agent. */
export type DeviceDataPlaneEvent = Exclude<DataPlaneEvent, { readonly kind: 'tunClosed' }>;

/** A call of the data plane (dataPlane/applyEffects.ts makes it), or a line for the log. */
export type DeviceEffect = DataPlaneEffect | LogEffect;

export type DataPlaneEffect =
  | { readonly kind: 'setLocalPublicKey'; readonly publicKey: Uint8Array | null }
  | { readonly kind: 'addPeer'; readonly peer: PeerId }
  | { readonly kind: 'removePeer'; readonly peer: PeerId }
  | { readonly kind: 'setPath'; readonly peer: PeerId; readonly path: Path | null }
  | { readonly kind: 'clearLocalAddress'; readonly peer: PeerId }
  | { readonly kind: 'changeAllowedIps'; readonly peer: PeerId; readonly change: AllowedIpsChange }
  | { readonly kind: 'installKeys'; readonly keys: SessionKeys }
  | { readonly kind: 'expireKeys'; readonly peer: PeerId }
  | { readonly kind: 'dropKeys'; readonly peer: PeerId }
  | { readonly kind: 'dropStaged'; readonly peer: PeerId }
  | { readonly kind: 'sendKeepalive'; readonly peer: PeerId }
  | {
      readonly kind: 'sendToPeer';
      readonly peer: PeerId;
      readonly bytes: Uint8Array;
      readonly trafficClass: number;
    }
  | {
      readonly kind: 'sendTo';
      readonly path: Path;
      readonly bytes: Uint8Array;
      readonly trafficClass: number;
    }
  | { readonly kind: 'countControlReceived'; readonly peer: PeerId; readonly bytes: number };

/** Facts for a log line. Never key material: public keys and endpoints at most. */
export interface LogEffect {
  readonly kind: 'log';
  readonly level: 'debug' | 'info' | 'error';
  /** What happened, in a few words without a full stop. */
  readonly message: string;
  /** The public key of the peer that it is about, 32 bytes. */
  readonly peer: Uint8Array | null;
  /** Where the datagram came from or goes to. */
  readonly endpoint: Endpoint | null;
}
