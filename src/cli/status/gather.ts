// The tunnels of this machine: Beam's own by their control sockets, other programs' by the UAPI.
// SPEC.md 9.1 and 9.5.
import { toBase64 } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { formatEndpoint, formatPrefix } from '../../base/ip.js';
import { parseTunnelConfig } from '../../config/file/parseTunnelConfig.js';
import { parseGet } from '../../config/uapi/parseGet.js';
import { destroyTunnelConfig } from '../../config/tunnelConfig.js';
import { createStaticIdentity } from '../../handshake/wireguard.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../peer/change.js';
import { findTunnel, readConfigFile } from '../../platform/configFiles.js';
import { askDaemon, listControlSockets } from '../../platform/controlClient.js';
import { interfaceIndex } from '../../platform/interfaceIndex.js';
import { listUapiSockets, uapiGet } from '../../platform/uapiClient.js';
import type { PeerStatus, TunnelStatus } from '../../ports/control.js';
import { resultOf } from '../report.js';

export type TunnelReport =
  | ({ readonly source: 'beam' } & TunnelStatus)
  | ({ readonly source: 'uapi' } & ForeignStatus)
  | { readonly source: 'beam' | 'uapi'; readonly interface: string; readonly error: string };

/** What a WireGuard of another kind tells. */
export type ForeignStatus = Pick<
  TunnelStatus,
  'interface' | 'publicKey' | 'listenPort' | 'fwmark' | 'peers'
>;

const ANSWER_MS = 5_000;

/** One tunnel, or all: Beam's first. Throws OperatorError where a single one can't be asked. */
export async function gatherTunnels(name: string | null): Promise<TunnelReport[]> {
  const beams = new Set(await listControlSockets());
  if (name !== null) return [await (beams.has(name) ? askBeam(name) : askForeign(name))];
  const reports = await Promise.all([...beams].map((one) => orError('beam', one, askBeam)));
  // A socket that a dead daemon left may belong to somebody else by now.
  const dead = new Set(reports.filter(isUnanswered).map((report) => report.interface));
  const others = (await listUapiSockets()).filter((one) => !beams.has(one) || dead.has(one));
  const foreign = await Promise.all(others.map((one) => orError('uapi', one, askForeign)));
  const answered = new Set(foreign.filter((one) => !('error' in one)).map((one) => one.interface));
  return [
    ...reports.filter((one) => !answered.has(one.interface)),
    ...foreign.filter((one) => !('error' in one) || !beams.has(one.interface)),
  ];
}

const isUnanswered = (report: TunnelReport): boolean => 'error' in report;

async function orError(
  source: 'beam' | 'uapi',
  name: string,
  ask: (name: string) => Promise<TunnelReport>,
): Promise<TunnelReport> {
  try {
    return await ask(name);
  } catch (error) {
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    if (!(first instanceof OperatorError)) throw error;
    return { source, interface: name, error: first.code };
  }
}

async function askBeam(name: string): Promise<TunnelReport> {
  const result = resultOf(await askDaemon(name, { method: 'status' }, { timeoutMs: ANSWER_MS }));
  if (result.kind !== 'status') throw unexpected(name, result.kind);
  const { status } = result;
  return { source: 'beam', ...status, peers: await withNames(name, status.peers) };
}

async function askForeign(name: string): Promise<TunnelReport> {
  const outcome = parseGet(await uapiGet(name, { timeoutMs: ANSWER_MS }), interfaceIndex);
  if (outcome.kind !== 'device') throw unexpected(name, outcome.kind);
  const { device } = outcome;
  try {
    const peers = await withNames(name, device.peers.map(foreignPeer));
    const { listenPort, fwmark } = device;
    return {
      source: 'uapi',
      interface: name,
      publicKey: publicKeyOf(device),
      listenPort,
      fwmark,
      peers,
    };
  } finally {
    device.privateKey?.destroy();
    for (const peer of device.peers) peer.presharedKey?.destroy();
  }
}

function publicKeyOf({ privateKey }: DeviceSnapshot): string | null {
  if (privateKey === null) return null;
  const identity = createStaticIdentity(privateKey.expose().slice());
  identity.privateKey.destroy();
  return toBase64(identity.publicKey);
}

const foreignPeer = (peer: PeerSnapshot): PeerStatus => ({
  name: null,
  publicKey: toBase64(peer.publicKey),
  hasPresharedKey: peer.presharedKey !== null,
  endpoint: peer.endpoint === null ? null : formatEndpoint(peer.endpoint),
  endpointName: null,
  allowedIps: peer.allowedIps.map(formatPrefix),
  latestHandshakeAt: peer.lastHandshakeAt,
  receivedBytes: Number(peer.receivedBytes),
  sentBytes: Number(peer.sentBytes),
  persistentKeepaliveS: peer.persistentKeepaliveS,
  suite: null,
});

/** Where the daemon knows no name, the file of that interface may. */
async function withNames(name: string, peers: readonly PeerStatus[]): Promise<PeerStatus[]> {
  const names = peers.every((peer) => peer.name !== null) ? null : await namesInFile(name);
  return peers.map((peer) => ({ ...peer, name: peer.name ?? names?.get(peer.publicKey) ?? null }));
}

async function namesInFile(name: string): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  try {
    const { path } = await findTunnel(name);
    const { text } = await readConfigFile(path);
    const parsed = parseTunnelConfig(text, { file: path, name });
    if (parsed.kind === 'refused') return names;
    for (const peer of parsed.config.peers) {
      if (peer.name !== null) names.set(toBase64(peer.publicKey), peer.name);
    }
    destroyTunnelConfig(parsed.config);
  } catch (error) {
    // No file, or none that we may read: names are a courtesy.
    if (!(error instanceof OperatorError)) throw error;
  }
  return names;
}

const unexpected = (name: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_STATUS',
    place: name,
    expected: 'the state of a tunnel',
    found,
    remedy: 'check that the daemon is of this version',
  });
