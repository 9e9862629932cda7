// The difference of two configurations as types. SPEC.md 7.5.
import type { PeerConfig, TunnelConfig } from '../tunnelConfig.js';

export interface ConfigDiff {
  readonly running: TunnelConfig;
  readonly wanted: TunnelConfig;
  /** Empty if they mean the same. */
  readonly changes: readonly ConfigChange[];
}

export type ConfigChange =
  | FieldChange
  | { readonly kind: 'peerAdded'; readonly peer: PeerConfig }
  | { readonly kind: 'peerRemoved'; readonly peer: PeerConfig }
  | {
      readonly kind: 'peerChanged';
      readonly running: PeerConfig;
      readonly wanted: PeerConfig;
      /** At least one. */
      readonly changes: readonly FieldChange[];
    };

/** A setting that replaces its old value, or a list whose items come and go. No secret is in it. */
export type FieldChange = SettingChange | ListChange;

interface Field {
  readonly section: 'Interface' | 'Beam' | 'Peer';
  /** As in SPEC.md 7.2. */
  readonly key: string;
}

export interface SettingChange extends Field {
  readonly kind: 'setting';
  /** As in a file, empty for nothing; `(secret)` for a private or pre-shared key. */
  readonly from: string;
  readonly to: string;
}

/** The order of the items means nothing. */
export interface ListChange extends Field {
  readonly kind: 'list';
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const AT_START: readonly string[] = ['Engine', 'Queues'];

/** The engine is made when the tunnel starts; everything else can change while it runs. */
export const needsRestart = (change: ConfigChange): boolean =>
  change.kind === 'setting' && change.section === 'Beam' && AT_START.includes(change.key);
