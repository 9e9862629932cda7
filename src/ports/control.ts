// What `beam` commands and a running daemon say to each other: one JSON object a line over
// /run/beam/<interface>.sock, one answer a request. SPEC.md section 9.
import type { OperatorErrorDetails } from '../base/errors.js';
import type { DropReason } from './dataPlane.js';

export type ControlRequest =
  | { readonly method: 'status' }
  /** Reads the config file again and applies what changed; only for a tunnel that `up` or `run` started. */
  | ({ readonly method: 'reload' } & ControlCaller)
  /** Takes the tunnel down and ends the daemon; answered when everything is undone. */
  | ({ readonly method: 'down' } & ControlCaller)
  /** Writes the running state back to the config file (wg-quick's `save`). */
  | { readonly method: 'save' }
  /** What a reload would change. */
  | { readonly method: 'diff' };

/** Who asks, for the lockout check (SPEC.md 8.7). */
export interface ControlCaller {
  /** Go on although the session would be cut off. */
  readonly force: boolean;
  /** The SSH session that the command was called from; null for none. */
  readonly session: ControlSession | null;
}

export interface ControlSession {
  readonly client: string;
  readonly server: string;
  /** 1 to 65,535. */
  readonly serverPort: number;
}

export type ControlAnswer =
  | { readonly ok: true; readonly result: ControlResult }
  | { readonly ok: false; readonly errors: readonly OperatorErrorDetails[] };

export type ControlResult =
  | { readonly kind: 'status'; readonly status: TunnelStatus }
  | { readonly kind: 'reloaded'; readonly changes: readonly string[] }
  | { readonly kind: 'diff'; readonly diff: TunnelDiff }
  | { readonly kind: 'done' };

/** What a reload would change. Without `lines` it is what `beam config diff --json` prints. */
export interface TunnelDiff {
  readonly interface: string;
  readonly file: string;
  readonly needsRestart: boolean;
  /** As SPEC.md 7.5 has them; empty if a reload would change nothing. */
  readonly changes: readonly object[];
  /** The same for people, a line each. */
  readonly lines: readonly string[];
}

/** The stable shape behind `beam status --json`. Times are Unix milliseconds, sizes bytes. */
export interface TunnelStatus {
  readonly interface: string;
  readonly pid: number;
  readonly version: string;
  readonly startedAt: number;
  readonly up: boolean;
  readonly mtu: number;
  readonly engine: string;
  /** What the engine and the sockets can do here (offloads, cipher backend, sticky source, …). */
  readonly features: Readonly<Record<string, string | number | boolean>>;
  /** Base64; null before a private key is set. */
  readonly publicKey: string | null;
  readonly listenPort: number;
  readonly fwmark: number;
  /** The file that `up` or `run` was given; null for a drop-in started as `beam <interface>`. */
  readonly configFile: string | null;
  readonly peers: readonly PeerStatus[];
  readonly drops: Readonly<Record<DropReason, number>>;
  readonly sendErrors: Readonly<Record<string, number>>;
  /** Handshake messages refused, by reason. */
  readonly handshakeRefusals: Readonly<Record<string, number>>;
  /** Resident memory of the daemon. */
  readonly residentBytes: number;
  /** Things a person should know (no DNS tool, no native addon, …), one line each. */
  readonly warnings: readonly string[];
}

export interface PeerStatus {
  /** From the config file; null where it has none. */
  readonly name: string | null;
  readonly publicKey: string;
  readonly hasPresharedKey: boolean;
  /** `address:port` as it is reached now. */
  readonly endpoint: string | null;
  /** `host:port` as the config file has it, where that is a name. */
  readonly endpointName: string | null;
  readonly allowedIps: readonly string[];
  readonly latestHandshakeAt: number | null;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly persistentKeepaliveS: number;
  /** The current session's cipher; null while there is none. */
  readonly suite: string | null;
}
