// What `beam status` is told about a running tunnel. SPEC.md 9.5.
import { toBase64 } from '../base/bytes.js';
import { formatEndpoint, formatPrefix } from '../base/ip.js';
import {
  formatEndpointConfig,
  type PeerConfig,
  type TunnelConfig,
} from '../config/tunnelConfig.js';
import type { PeerSnapshot } from '../peer/change.js';
import type { PeerStatus, TunnelStatus } from '../ports/control.js';
import type { Controller } from './controller.js';

export interface StatusSubject {
  readonly interfaceName: string;
  readonly controller: Controller;
  readonly startedAt: number;
  readonly version: string;
  readonly warnings: readonly string[];
  /** Null for the drop-in. */
  readonly config: TunnelConfig | null;
}

export function buildStatus(subject: StatusSubject): TunnelStatus {
  const { controller, config } = subject;
  const snapshot = controller.snapshot();
  const { device, dataPlane } = controller.stats();
  const configured = new Map(
    config?.peers.map((peer) => [toBase64(peer.publicKey), peer] as const) ?? [],
  );
  return {
    interface: subject.interfaceName,
    pid: process.pid,
    version: subject.version,
    startedAt: subject.startedAt,
    up: controller.link.up,
    mtu: controller.link.mtu,
    engine: dataPlane.engine,
    features: dataPlane.features,
    publicKey: snapshot.publicKey === null ? null : toBase64(snapshot.publicKey),
    listenPort: snapshot.listenPort,
    fwmark: snapshot.fwmark,
    configFile: config?.file ?? null,
    peers: snapshot.peers.map((peer) => peerStatus(peer, configured)),
    drops: dataPlane.drops,
    sendErrors: dataPlane.sendErrors,
    handshakeRefusals: device.refusals,
    residentBytes: process.memoryUsage.rss(),
    warnings: subject.warnings,
  };
}

function peerStatus(peer: PeerSnapshot, configured: ReadonlyMap<string, PeerConfig>): PeerStatus {
  const publicKey = toBase64(peer.publicKey);
  const config = configured.get(publicKey);
  return {
    name: config?.name ?? null,
    publicKey,
    hasPresharedKey: peer.presharedKey !== null,
    endpoint: peer.endpoint === null ? null : formatEndpoint(peer.endpoint),
    endpointName: endpointName(config),
    allowedIps: peer.allowedIps.map(formatPrefix),
    latestHandshakeAt: peer.lastHandshakeAt,
    receivedBytes: Number(peer.receivedBytes),
    sentBytes: Number(peer.sentBytes),
    persistentKeepaliveS: peer.persistentKeepaliveS,
    suite: peer.suite,
  };
}

/** Only a name is worth showing beside the address. */
function endpointName(config: PeerConfig | undefined): string | null {
  const endpoint = config?.endpoint ?? null;
  if (endpoint === null || /^[\d.]+$/.test(endpoint.host) || endpoint.host.includes(':'))
    return null;
  return formatEndpointConfig(endpoint);
}
