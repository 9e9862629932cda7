// The `set` operation of the UAPI: lines in, one checked change out. SPEC.md 6.3 and 6.4.
import { fromHex, isZero } from '../../base/bytes.js';
import { parsePrefix } from '../../base/ip.js';
import { Secret } from '../../base/secret.js';
import type { AllowedIpEdit, DeviceChange, PeerChange } from '../../peer/change.js';
import { ERRNO } from './answer.js';
import { parseDecimal } from './decimal.js';
import { parseUapiEndpoint } from './uapiEndpoint.js';
import type { ZoneIndex } from './uapiEndpoint.js';

export type SetOutcome =
  /** Whoever gets the change owns the secrets in it. */
  { readonly kind: 'change'; readonly change: DeviceChange } | SetRefusal;

export interface SetRefusal {
  readonly kind: 'refused';
  readonly errno: typeof ERRNO.EINVAL | typeof ERRNO.EPROTO;
  /** Counted from 1 for the line after `set=1`. */
  readonly line: number;
  /** For Beam's own log: names the key, never the value. */
  readonly reason: string;
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type DeviceDraft = Draft<Omit<DeviceChange, 'peers'>>;
type PeerDraft = Draft<Omit<PeerChange, 'allowedIps'>> & { allowedIps: AllowedIpEdit[] };

const KEY_BYTES = 32;
const MAX_U16 = 0xffff;
const MAX_U32 = 0xffff_ffff;

/** Parses the lines between `set=1` and the empty line. */
export function parseSet(lines: Iterable<string>, zoneIndex: ZoneIndex): SetOutcome {
  const parser = new SetParser(zoneIndex);
  for (const line of lines) parser.line(line);
  return parser.finish();
}

/** Takes the lines of one request as they come; after the first wrong one it only counts. */
export class SetParser {
  readonly #zoneIndex: ZoneIndex;
  readonly #device: DeviceDraft = { replacePeers: false };
  readonly #peers: PeerDraft[] = [];
  #lineNumber = 0;
  #refusal: SetRefusal | null = null;

  constructor(zoneIndex: ZoneIndex) {
    this.#zoneIndex = zoneIndex;
  }

  line(text: string): void {
    this.#lineNumber++;
    if (this.#refusal !== null) return;
    const split = text.indexOf('=');
    if (split < 0) {
      this.#refuse(ERRNO.EPROTO, 'a line without "="');
      return;
    }
    const problem = this.#setting(text.slice(0, split), text.slice(split + 1));
    if (problem !== null) this.#refuse(ERRNO.EINVAL, problem);
  }

  finish(): SetOutcome {
    if (this.#refusal !== null) return this.#refusal;
    return { kind: 'change', change: { ...this.#device, peers: this.#peers } };
  }

  /** For a request that is given up. */
  destroy(): void {
    this.#device.privateKey?.destroy();
    for (const peer of this.#peers) peer.presharedKey?.destroy();
  }

  #refuse(errno: SetRefusal['errno'], reason: string): void {
    this.#refusal = { kind: 'refused', errno, line: this.#lineNumber, reason };
    this.destroy();
  }

  #setting(key: string, value: string): string | null {
    const peer = this.#peers.at(-1);
    if (key === 'public_key') return this.#beginPeer(value);
    if (peer === undefined) {
      const parse = DEVICE_KEYS.get(key);
      if (parse === undefined) return unknownKey(key, 'device');
      return parse(this.#device, value) ? null : `${key}: value not allowed`;
    }
    const parse = PEER_KEYS.get(key);
    if (parse === undefined) return unknownKey(key, 'peer');
    return parse(peer, value, this.#zoneIndex) ? null : `${key}: value not allowed`;
  }

  #beginPeer(value: string): string | null {
    const publicKey = fromHex(value, KEY_BYTES);
    if (publicKey === null) return 'public_key: value not allowed';
    this.#peers.push({
      publicKey,
      remove: false,
      updateOnly: false,
      replaceAllowedIps: false,
      allowedIps: [],
    });
    return null;
  }
}

/** False for a value that isn't allowed. */
type DeviceKey = (device: DeviceDraft, value: string) => boolean;
type PeerKey = (peer: PeerDraft, value: string, zoneIndex: ZoneIndex) => boolean;

const DEVICE_KEYS: ReadonlyMap<string, DeviceKey> = new Map<string, DeviceKey>([
  ['private_key', (device, value) => setKey(device, 'privateKey', value)],
  ['listen_port', (device, value) => setNumber(device, 'listenPort', value, MAX_U16)],
  ['fwmark', (device, value) => setNumber(device, 'fwmark', value, MAX_U32)],
  ['replace_peers', (device, value) => setTrue(device, 'replacePeers', value)],
]);

const PEER_KEYS: ReadonlyMap<string, PeerKey> = new Map<string, PeerKey>([
  ['remove', (peer, value) => setTrue(peer, 'remove', value)],
  ['update_only', (peer, value) => setTrue(peer, 'updateOnly', value)],
  ['preshared_key', (peer, value) => setKey(peer, 'presharedKey', value)],
  ['endpoint', setEndpoint],
  [
    'persistent_keepalive_interval',
    (peer, value) => setNumber(peer, 'persistentKeepaliveS', value, MAX_U16),
  ],
  ['replace_allowed_ips', setReplaceAllowedIps],
  ['allowed_ip', addAllowedIp],
  ['protocol_version', (_peer, value) => value === '1'],
]);

function unknownKey(key: string, section: 'device' | 'peer'): string {
  return /^[a-z_]{1,32}$/.test(key) ? `${key}: no ${section} key` : `no ${section} key`;
}

function setKey<K extends string>(
  draft: { [P in K]?: Secret | null },
  field: K,
  value: string,
): boolean {
  const bytes = fromHex(value, KEY_BYTES);
  if (bytes === null) return false;
  draft[field]?.destroy();
  draft[field] = isZero(bytes) ? null : new Secret(bytes);
  return true;
}

function setNumber<K extends string>(
  draft: { [P in K]?: number },
  field: K,
  value: string,
  max: number,
): boolean {
  const number = parseDecimal(value, max);
  if (number === null) return false;
  draft[field] = number;
  return true;
}

function setTrue<K extends string>(draft: { [P in K]: boolean }, field: K, value: string): boolean {
  draft[field] = value === 'true';
  return draft[field];
}

function setEndpoint(peer: PeerDraft, value: string, zoneIndex: ZoneIndex): boolean {
  const endpoint = parseUapiEndpoint(value, zoneIndex);
  if (endpoint === null) return false;
  peer.endpoint = endpoint;
  return true;
}

function setReplaceAllowedIps(peer: PeerDraft, value: string): boolean {
  if (value !== 'true') return false;
  peer.replaceAllowedIps = true;
  peer.allowedIps = [];
  return true;
}

function addAllowedIp(peer: PeerDraft, value: string): boolean {
  const remove = value.startsWith('-');
  const prefix = value.includes('/') ? parsePrefix(remove ? value.slice(1) : value) : null;
  if (prefix === null) return false;
  peer.allowedIps.push({ edit: remove ? 'remove' : 'add', prefix });
  return true;
}
