// What `save` writes: the file's settings with the running state in their place. SPEC.md 7.5.
import { toHex } from '../base/bytes.js';
import type { Endpoint } from '../base/ip.js';
import { formatAddress, parseAddress } from '../base/ip.js';
import type { DeviceSnapshot, PeerSnapshot } from '../peer/change.js';
import type {
  EndpointConfig,
  InterfaceAddress,
  InterfaceConfig,
  PeerConfig,
} from './tunnelConfig.js';
import type { TunnelConfig, TunnelConfigFields } from './tunnelConfig.js';

export interface RunningState {
  readonly device: DeviceSnapshot;
  /** The interface's own; null if they could not be read: the file's stay. */
  readonly addresses: readonly InterfaceAddress[] | null;
  /** Used only where the file sets an MTU. */
  readonly mtu: number;
}

/** The keys in the result are lent by `config` and `running`. */
export function savedConfig(config: TunnelConfig, running: RunningState): TunnelConfigFields {
  const { device, addresses, mtu } = running;
  const own = config.interface;
  return {
    ...config,
    interface: {
      ...own,
      privateKey: isKeyElsewhere(own) ? null : device.privateKey,
      listenPort: device.listenPort === 0 ? null : device.listenPort,
      fwmark: device.fwmark,
      addresses: addresses ?? own.addresses,
      mtu: own.mtu === null ? null : mtu,
    },
    peers: savedPeers(config.peers, device.peers),
  };
}

/** Then the file names where the key is, and never holds it. */
const isKeyElsewhere = ({ privateKeyFile, privateKeyStore }: InterfaceConfig): boolean =>
  privateKeyFile !== null || privateKeyStore !== null;

/** The file's peers in its order, then those that came at run time. */
function savedPeers(inFile: readonly PeerConfig[], running: readonly PeerSnapshot[]): PeerConfig[] {
  const unsaved = new Map(running.map((peer) => [toHex(peer.publicKey), peer]));
  const peers: PeerConfig[] = [];
  for (const configured of inFile) {
    const key = toHex(configured.publicKey);
    const peer = unsaved.get(key);
    if (peer !== undefined) peers.push(savedPeer(peer, configured));
    unsaved.delete(key);
  }
  return [...peers, ...[...unsaved.values()].map((peer) => savedPeer(peer, null))];
}

function savedPeer(peer: PeerSnapshot, configured: PeerConfig | null): PeerConfig {
  const { publicKey, presharedKey, allowedIps, persistentKeepaliveS } = peer;
  return {
    name: configured?.name ?? null,
    publicKey,
    presharedKey,
    endpoint: savedEndpoint(peer.endpoint, configured?.endpoint ?? null),
    allowedIps,
    persistentKeepaliveS,
    line: configured?.line ?? 0,
    lines: configured?.lines ?? new Map(),
  };
}

/** A name stays: it says more than the address that it had last. */
function savedEndpoint(
  current: Endpoint | null,
  configured: EndpointConfig | null,
): EndpointConfig | null {
  if (configured !== null && parseAddress(configured.host.split('%')[0]!) === null)
    return configured;
  if (current === null || isAt(current, configured)) return configured;
  const zone = current.scopeId === 0 ? '' : `%${current.scopeId}`;
  return { host: `${current.address}${zone}`, port: current.port };
}

/** The file's own form is kept, its zone's name above all: an index may be another after a boot. */
function isAt(current: Endpoint, configured: EndpointConfig | null): boolean {
  const address = configured === null ? null : parseAddress(configured.host.split('%')[0]!);
  if (address === null) return false;
  return current.address === formatAddress(address) && current.port === configured!.port;
}
