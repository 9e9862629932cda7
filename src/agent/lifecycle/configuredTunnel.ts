// What the parts of the lifecycle read from a tunnel's configuration.
import { toBase64 } from '../../base/bytes.js';
import { formatAddress, parseAddress, type Endpoint } from '../../base/ip.js';
import {
  substituteInterfaceName,
  type EndpointConfig,
  type PeerConfig,
  type TunnelConfig,
} from '../../config/tunnelConfig.js';
import type { HookName } from '../../platform/network/hooks.js';
import type { NetworkSettings } from '../../platform/network/settings.js';
import type { HookTable } from './hookTransition.js';
import type { NamedPeer } from './endpointNames.js';

export function networkSettings(config: TunnelConfig, interfaceName: string): NetworkSettings {
  const { addresses, mtu, table, fwmark, dns } = config.interface;
  const allowedIps = config.peers.flatMap((peer) => peer.allowedIps);
  return { interfaceName, addresses, mtu, table, fwmark, dns, allowedIps };
}

/** The commands of one hook, ready for the shell. */
export function hookCommands(
  config: TunnelConfig,
  name: HookName,
  interfaceName: string,
): string[] {
  const { preUp, postUp, preDown, postDown } = config.interface;
  const commands = { PreUp: preUp, PostUp: postUp, PreDown: preDown, PostDown: postDown }[name];
  return commands.map((command) => substituteInterfaceName(command, interfaceName));
}

export const hookTable = (config: TunnelConfig, interfaceName: string): HookTable => ({
  PreUp: hookCommands(config, 'PreUp', interfaceName),
  PostUp: hookCommands(config, 'PostUp', interfaceName),
  PreDown: hookCommands(config, 'PreDown', interfaceName),
  PostDown: hookCommands(config, 'PostDown', interfaceName),
});

export const peerKey = (peer: Pick<PeerConfig, 'publicKey'>): string => toBase64(peer.publicKey);

/** The peers whose endpoint is a name, not an address. */
export function namedPeers(config: TunnelConfig): NamedPeer[] {
  return config.peers.flatMap((peer) =>
    peer.endpoint === null || literalAddress(peer.endpoint) !== null
      ? []
      : [{ id: peerKey(peer), host: peer.endpoint.host, port: peer.endpoint.port }],
  );
}

const literalAddress = ({ host }: EndpointConfig) => parseAddress(host.split('%')[0]!);

/**
 * The endpoint that an address in the configuration stands for; null for a name. `zoneIndex` gives
 * an interface's index, null for none of that name, which counts as no zone.
 */
export function literalEndpoint(
  endpoint: EndpointConfig,
  zoneIndex: (zone: string) => number | null,
): Endpoint | null {
  const address = literalAddress(endpoint);
  if (address === null) return null;
  const zone = endpoint.host.split('%')[1];
  const scopeId =
    zone === undefined ? 0 : /^\d+$/.test(zone) ? Number(zone) : (zoneIndex(zone) ?? 0);
  return { family: address.family, address: formatAddress(address), port: endpoint.port, scopeId };
}
