// Reads the answer to the UAPI's `get`, also other implementations'. SPEC.md 6.2.
import { fromHex, isZero } from '../../base/bytes.js';
import { parsePrefix } from '../../base/ip.js';
import type { IpPrefix } from '../../base/ip.js';
import { Secret } from '../../base/secret.js';
import { wallTime } from '../../base/time.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../peer/change.js';
import { parseUapiEndpoint } from './uapiEndpoint.js';
import type { ZoneIndex } from './uapiEndpoint.js';

export type GetOutcome =
  /**
   * Whoever gets the device owns the secrets in it. Its `publicKey` is null (the answer doesn't
   * have it), and so are the suites.
   */
  | { readonly kind: 'device'; readonly device: DeviceSnapshot }
  /** Negative, as received. */
  | { readonly kind: 'errno'; readonly errno: number }
  /** Not an answer to `get`; `line` counts from 1. */
  | { readonly kind: 'malformed'; readonly line: number };

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type PeerDraft = Draft<Omit<PeerSnapshot, 'allowedIps'>> & {
  allowedIps: IpPrefix[];
  handshakeNs: bigint;
};
type DeviceDraft = Draft<Omit<DeviceSnapshot, 'peers'>>;

const KEY_BYTES = 32;

/** Parses a whole answer, from its first line to the empty line. Unknown keys are skipped. */
export function parseGet(text: string, zoneIndex: ZoneIndex): GetOutcome {
  const device: DeviceDraft = { privateKey: null, publicKey: null, listenPort: 0, fwmark: 0 };
  const peers: PeerDraft[] = [];
  let line = 0;
  for (const row of text.split('\n')) {
    line++;
    if (row === '') break;
    const split = row.indexOf('=');
    const key = row.slice(0, Math.max(0, split));
    const value = row.slice(split + 1);
    if (key === 'errno' && /^-?[0-9]{1,10}$/.test(value)) {
      if (Number(value) === 0)
        return { kind: 'device', device: { ...device, peers: peers.map(finishPeer) } };
      destroyAll(device, peers);
      return { kind: 'errno', errno: Number(value) };
    }
    if (key === '' || !readSetting(device, peers, { key, value, zoneIndex })) break;
  }
  destroyAll(device, peers);
  return { kind: 'malformed', line };
}

interface Setting {
  readonly key: string;
  readonly value: string;
  readonly zoneIndex: ZoneIndex;
}

function readSetting(device: DeviceDraft, peers: PeerDraft[], setting: Setting): boolean {
  const peer = peers.at(-1);
  if (setting.key === 'public_key') {
    const publicKey = fromHex(setting.value, KEY_BYTES);
    if (publicKey !== null) peers.push(emptyPeer(publicKey));
    return publicKey !== null;
  }
  return peer === undefined ? readDevice(device, setting) : readPeer(peer, setting);
}

function readDevice(device: DeviceDraft, { key, value }: Setting): boolean {
  switch (key) {
    case 'private_key': {
      const bytes = fromHex(value, KEY_BYTES);
      if (bytes !== null) device.privateKey = new Secret(bytes);
      return bytes !== null;
    }
    case 'listen_port':
      device.listenPort = Number(value);
      return isCount(value);
    case 'fwmark':
      device.fwmark = Number(value);
      return isCount(value);
    default:
      return true;
  }
}

function readPeer(peer: PeerDraft, { key, value, zoneIndex }: Setting): boolean {
  switch (key) {
    case 'preshared_key': {
      const bytes = fromHex(value, KEY_BYTES);
      if (bytes !== null) peer.presharedKey = isZero(bytes) ? null : new Secret(bytes);
      return bytes !== null;
    }
    case 'endpoint':
      peer.endpoint = parseUapiEndpoint(value, zoneIndex);
      return true;
    case 'allowed_ip': {
      const prefix = parsePrefix(value);
      if (prefix !== null) peer.allowedIps.push(prefix);
      return prefix !== null;
    }
    default:
      return isCount(value) ? readCount(peer, key, BigInt(value)) : !COUNTS.has(key);
  }
}

const COUNTS: ReadonlySet<string> = new Set([
  'last_handshake_time_sec',
  'last_handshake_time_nsec',
  'tx_bytes',
  'rx_bytes',
  'persistent_keepalive_interval',
]);

function readCount(peer: PeerDraft, key: string, value: bigint): true {
  if (key === 'last_handshake_time_sec') peer.handshakeNs += value * 1_000_000_000n;
  else if (key === 'last_handshake_time_nsec') peer.handshakeNs += value;
  else if (key === 'tx_bytes') peer.sentBytes = value;
  else if (key === 'rx_bytes') peer.receivedBytes = value;
  else if (key === 'persistent_keepalive_interval') peer.persistentKeepaliveS = Number(value);
  return true;
}

const isCount = (value: string): boolean => /^[0-9]{1,20}$/.test(value);

const emptyPeer = (publicKey: Uint8Array): PeerDraft => ({
  publicKey,
  presharedKey: null,
  endpoint: null,
  lastHandshakeAt: null,
  receivedBytes: 0n,
  sentBytes: 0n,
  persistentKeepaliveS: 0,
  allowedIps: [],
  suite: null,
  handshakeNs: 0n,
});

function finishPeer({ handshakeNs, ...peer }: PeerDraft): PeerSnapshot {
  const lastHandshakeAt = handshakeNs === 0n ? null : wallTime(Number(handshakeNs / 1_000_000n));
  return { ...peer, lastHandshakeAt };
}

function destroyAll(device: DeviceDraft, peers: readonly PeerDraft[]): void {
  device.privateKey?.destroy();
  for (const peer of peers) peer.presharedKey?.destroy();
}
