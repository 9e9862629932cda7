// A tunnel's configuration while its file is being read, with the defaults. SPEC.md 7.2.
import type { IpPrefix } from '../../base/ip.js';
import type { Secret } from '../../base/secret.js';
import type { BeamSettings, InterfaceConfig, PeerConfig } from '../tunnelConfig.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The first line of each setting, by its name in SPEC.md 7.2. */
type Lines = Map<string, number>;

/** Fields of the interface that stand in [Beam]. */
type KeySourceField = 'privateKeyFile' | 'privateKeyStore' | 'storePassphrase';

export type InterfaceDraft = Mutable<Omit<InterfaceConfig, 'lines' | KeySourceField>> & {
  readonly lines: Lines;
};
export type BeamDraft = Mutable<BeamSettings & Pick<InterfaceConfig, KeySourceField>> & {
  readonly lines: Lines;
};
/** One [Peer] section. */
export type PeerDraft = Mutable<Omit<PeerConfig, 'publicKey' | 'allowedIps' | 'lines'>> & {
  publicKey: Uint8Array | null;
  /** By `prefixKey`, in the order of the file. */
  readonly allowedIps: Map<string, IpPrefix>;
  /** From a comment; used where `name` is null. */
  commentName: string | null;
  readonly lines: Lines;
};

export const interfaceDraft = (): InterfaceDraft => ({
  privateKey: null,
  listenPort: null,
  fwmark: 0,
  addresses: [],
  dns: { servers: [], search: [] },
  mtu: null,
  table: { kind: 'auto' },
  preUp: [],
  postUp: [],
  preDown: [],
  postDown: [],
  saveConfig: false,
  lines: new Map(),
});

/** What reresolve-dns.sh, the script that people run beside `wg`, is usually timed to. */
export const DEFAULT_RESOLUTION_S = 30;

export const BEAM_DEFAULTS: BeamSettings = {
  // The native engine where it can be loaded: it is the faster one.
  engine: 'auto',
  // One thread is as fast as several on a small machine, and quicker to answer.
  queues: 1,
  endpointResolutionS: DEFAULT_RESOLUTION_S,
  // A service's journal should tell when a tunnel and its peers come and go.
  logLevel: 'info',
};

export const beamDraft = (): BeamDraft => ({
  ...BEAM_DEFAULTS,
  privateKeyFile: null,
  privateKeyStore: null,
  storePassphrase: null,
  lines: new Map(),
});

export const peerDraft = (line: number): PeerDraft => ({
  name: null,
  commentName: null,
  publicKey: null,
  presharedKey: null,
  endpoint: null,
  allowedIps: new Map(),
  persistentKeepaliveS: 0,
  line,
  lines: new Map(),
});

/** The same text for the same prefix. */
export const prefixKey = (prefix: IpPrefix): string =>
  `${Buffer.from(prefix.bytes).toString('latin1')}/${prefix.length}`;

export function setSecret<K extends string>(
  draft: { [P in K]: Secret | null },
  field: K,
  secret: Secret | null,
): void {
  draft[field]?.destroy();
  draft[field] = secret;
}
