// Settings as a file has them, for writing and for comparing. Keys and lists that may be long are
// left out: those are the callers'. SPEC.md 7.2.
import { formatAddress } from '../../base/ip.js';
import { DEFAULT_STORE_PATH } from '../../keyStore/storeFormat.js';
import { formatEndpointConfig } from '../tunnelConfig.js';
import type {
  InterfaceConfig,
  PeerConfig,
  RouteTable,
  TunnelConfigFields,
} from '../tunnelConfig.js';

/** By key, in the order in which they are written; empty for nothing. Hooks are a line each. */
export function interfaceTexts(config: InterfaceConfig): ReadonlyMap<string, string> {
  const { listenPort, fwmark, mtu } = config;
  return new Map([
    ['DNS', [...config.dns.servers.map(formatAddress), ...config.dns.search].join(', ')],
    ['MTU', mtu === null ? '' : String(mtu)],
    ['Table', tableText(config.table)],
    ['SaveConfig', config.saveConfig ? 'true' : ''],
    ['PreUp', config.preUp.join('\n')],
    ['PostUp', config.postUp.join('\n')],
    ['PreDown', config.preDown.join('\n')],
    ['PostDown', config.postDown.join('\n')],
    ['ListenPort', listenPort === null ? '' : String(listenPort)],
    ['FwMark', fwmark === 0 ? '' : `0x${fwmark.toString(16)}`],
  ]);
}

function tableText(table: RouteTable): string {
  if (table.kind === 'auto') return '';
  return table.kind === 'off' ? 'off' : table.id;
}

export function beamTexts(config: TunnelConfigFields): ReadonlyMap<string, string> {
  const { engine, queues, endpointResolutionS, logLevel } = config.beam;
  return new Map([
    ['Engine', engine],
    ['Queues', String(queues)],
    ['EndpointResolution', endpointResolutionS === 0 ? 'off' : String(endpointResolutionS)],
    ['LogLevel', logLevel],
    ['PrivateKeyFile', config.interface.privateKeyFile ?? ''],
    ['PrivateKeyStore', storeText(config.interface.privateKeyStore)],
    ['StorePassphrase', config.interface.storePassphrase ?? ''],
  ]);
}

const storeText = (path: string | null): string =>
  path === DEFAULT_STORE_PATH ? 'default' : (path ?? '');

export function peerTexts(peer: PeerConfig): ReadonlyMap<string, string> {
  const { name, endpoint, persistentKeepaliveS } = peer;
  return new Map([
    ['Name', name ?? ''],
    ['Endpoint', endpoint === null ? '' : formatEndpointConfig(endpoint)],
    ['PersistentKeepalive', persistentKeepaliveS === 0 ? '' : String(persistentKeepaliveS)],
  ]);
}
