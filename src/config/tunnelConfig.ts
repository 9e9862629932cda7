// What a configuration file means, after parsing and checking: one tunnel. SPEC.md 7.2 and 7.3.
import type { IpAddress, IpPrefix } from '../base/ip.js';
import { formatAddress } from '../base/ip.js';
import type { Secret } from '../base/secret.js';
import type { LogLevel } from '../ports/log.js';

declare const checkedBrand: unique symbol;

/**
 * One tunnel's configuration, checked as a whole. Only the parser makes it. Whoever parsed owns the
 * secrets in it and ends them with `destroyTunnelConfig`.
 */
export type TunnelConfig = TunnelConfigFields & { readonly [checkedBrand]: true };

export interface TunnelConfigFields {
  /** Where the text came from, as errors name it. */
  readonly file: string;
  /** The interface's name (the file's base name); null if the text has none, as on stdin. */
  readonly name: string | null;
  readonly interface: InterfaceConfig;
  readonly beam: BeamSettings;
  /** In the order of the file; no public key and no allowed-IP comes twice. */
  readonly peers: readonly PeerConfig[];
}

export interface InterfaceConfig {
  /** 32 bytes. At most one of `privateKey`, `privateKeyFile` and `privateKeyStore` is set. */
  readonly privateKey: Secret | null;
  /** [Beam] PrivateKeyFile: an absolute path, or a systemd credential's name (without a slash). */
  readonly privateKeyFile: string | null;
  /** [Beam] PrivateKeyStore: the absolute path of the key store that has this tunnel's key. */
  readonly privateKeyStore: string | null;
  /** [Beam] StorePassphrase: as `privateKeyFile`; null for the credential `beam-passphrase`. */
  readonly storePassphrase: string | null;
  /** 1 to 65,535; null lets the system choose. */
  readonly listenPort: number | null;
  /** u32; 0 for none. */
  readonly fwmark: number;
  readonly addresses: readonly InterfaceAddress[];
  readonly dns: DnsConfig;
  /** Bytes, 68 to 65,535; null for what the route to the endpoints allows. */
  readonly mtu: number | null;
  readonly table: RouteTable;
  /** Shell commands as written: run `substituteInterfaceName` on them first. */
  readonly preUp: readonly string[];
  readonly postUp: readonly string[];
  readonly preDown: readonly string[];
  readonly postDown: readonly string[];
  readonly saveConfig: boolean;
  /** The first line on which each setting stands; absent where it doesn't. */
  readonly lines: ReadonlyMap<string, number>;
}

/** An address with the length of its network; the host bits are kept. */
export interface InterfaceAddress {
  readonly address: IpAddress;
  /** 0 to 32, or 0 to 128. */
  readonly length: number;
}

export interface DnsConfig {
  readonly servers: readonly IpAddress[];
  readonly search: readonly string[];
}

/** Where routes go: the main table or, for default routes, one of their own; nowhere; one table. */
export type RouteTable =
  | { readonly kind: 'auto' }
  | { readonly kind: 'off' }
  /** A number or a name of /etc/iproute2/rt_tables, as `ip route` takes it. */
  | { readonly kind: 'table'; readonly id: string };

export const ENGINE_CHOICES = ['auto', 'native', 'sodium'] as const;
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

/** As many as the native engine takes (native/engine/core/limits.h). */
export const MAX_QUEUES = 8;

/** The [Beam] section. */
export interface BeamSettings {
  readonly engine: EngineChoice;
  /** TUN queues of the native engine, each with a thread and sockets: 1 to MAX_QUEUES. */
  readonly queues: number;
  /** How often an endpoint's name is looked up again while its peer is silent; 0 for never. */
  readonly endpointResolutionS: number;
  readonly logLevel: LogLevel;
}

export interface PeerConfig {
  readonly name: string | null;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly presharedKey: Secret | null;
  readonly endpoint: EndpointConfig | null;
  /** The result of all AllowedIPs lines of the peer, in order, without duplicates. */
  readonly allowedIps: readonly IpPrefix[];
  /** Seconds, 0 (off) to 65,535. */
  readonly persistentKeepaliveS: number;
  /** Where the peer's section begins, counted from 1. */
  readonly line: number;
  /** The first line on which each setting stands; absent where it doesn't. */
  readonly lines: ReadonlyMap<string, number>;
}

/** Where a peer is said to be: not resolved yet. */
export interface EndpointConfig {
  /** A DNS name, or an IPv4 or IPv6 address without brackets, perhaps with `%zone`. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** For the parser alone: says that `fields` has been checked. */
export const markChecked = (fields: TunnelConfigFields): TunnelConfig => fields as TunnelConfig;

/** Zeroes the keys that the configuration owns. */
export function destroyTunnelConfig(config: TunnelConfig): void {
  config.interface.privateKey?.destroy();
  for (const peer of config.peers) peer.presharedKey?.destroy();
}

/** A hook's command with every `%i` replaced, as wg-quick does it. */
export const substituteInterfaceName = (command: string, name: string): string =>
  command.replaceAll('%i', () => name);

export const formatInterfaceAddress = (address: InterfaceAddress): string =>
  `${formatAddress(address.address)}/${address.length}`;

/** `host:port`, with brackets around IPv6. */
export const formatEndpointConfig = (endpoint: EndpointConfig): string =>
  endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
