// What bringing tunnels up and down is given.
import type { Secret } from '../../base/secret.js';
import type { Session } from '../../platform/network/callerSession.js';
import type { Reporter, TunnelNetwork } from '../../platform/network/tunnelNetwork.js';
import type { Clock } from '../../ports/clock.js';
import type { LookUp } from './endpointResolver.js';
import type { TunnelHost } from './tunnelControl.js';

export interface LifecyclePorts {
  readonly host: TunnelHost;
  readonly network: TunnelNetwork;
  readonly clock: Clock;
  readonly lookUp: LookUp;
  /** The index of an interface; null if there is none of that name. */
  readonly zoneIndex: (zone: string) => number | null;
  readonly reporter: Reporter;
  /** What isn't for the person who waits: look-ups that fail, endpoints that move. */
  readonly log: (text: string) => void;
  /** Writes the running state into the configuration file, where SaveConfig asks for it. */
  readonly saveConfig: () => Promise<void>;
  /** WG_ENDPOINT_RESOLUTION_RETRIES: see parseStartRetries. */
  readonly startRetries: number;
}

/** Who asks for a change, and how much they insist. */
export interface Caller {
  /** The SSH session that must not be cut off; null for none. */
  readonly session: Session | null;
  /** Cut it off all the same. */
  readonly force: boolean;
}

export interface UpRequest extends Caller {
  readonly interfaceName: string;
  /** Borrowed: from the configuration or from its PrivateKeyFile; null for none. */
  readonly privateKey: Secret | null;
  /** Ends the up as a failure would: E_INTERRUPTED, and everything is taken back. */
  readonly abort?: AbortSignal;
}
