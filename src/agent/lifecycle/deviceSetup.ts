// The device's part of a configuration, and the addresses of its peers.
import type { Endpoint } from '../../base/ip.js';
import type { PeerConfig, TunnelConfig } from '../../config/tunnelConfig.js';
import type { DeviceChange, PeerChange } from '../../peer/change.js';
import { literalEndpoint, peerKey } from './configuredTunnel.js';
import type { LifecyclePorts, UpRequest } from './lifecyclePorts.js';

/** By peer: the address that the file has, or the first that its name has. */
export function endpointsOf(
  config: TunnelConfig,
  known: ReadonlyMap<string, readonly Endpoint[]>,
  { zoneIndex }: Pick<LifecyclePorts, 'zoneIndex'>,
): Map<string, Endpoint> {
  const entries = config.peers.flatMap((peer): [string, Endpoint][] => {
    if (peer.endpoint === null) return [];
    const endpoint = literalEndpoint(peer.endpoint, zoneIndex) ?? known.get(peerKey(peer))?.[0];
    return endpoint === undefined ? [] : [[peerKey(peer), endpoint]];
  });
  return new Map(entries);
}

interface DeviceSetup extends Pick<UpRequest, 'privateKey'> {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly mark: number;
}

/** The whole configuration for a device that has none. */
export function setupChange(config: TunnelConfig, setup: DeviceSetup): DeviceChange {
  const { listenPort } = config.interface;
  return {
    ...(setup.privateKey === null ? {} : { privateKey: setup.privateKey }),
    ...(listenPort === null ? {} : { listenPort }),
    ...(setup.mark === 0 ? {} : { fwmark: setup.mark }),
    replacePeers: true,
    peers: config.peers.map((peer) => setupPeer(peer, setup)),
  };
}

function setupPeer(peer: PeerConfig, { endpoints }: DeviceSetup): PeerChange {
  const endpoint = endpoints.get(peerKey(peer));
  return {
    publicKey: peer.publicKey,
    remove: false,
    updateOnly: false,
    presharedKey: peer.presharedKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    persistentKeepaliveS: peer.persistentKeepaliveS,
    replaceAllowedIps: true,
    allowedIps: peer.allowedIps.map((prefix) => ({ edit: 'add', prefix })),
  };
}
