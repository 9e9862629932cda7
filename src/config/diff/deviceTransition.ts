// The device's part of a difference: the fewest changes that lead there. SPEC.md 7.5 and 8.8.
import { toBase64 } from '../../base/bytes.js';
import type { Endpoint, IpPrefix } from '../../base/ip.js';
import { formatPrefix } from '../../base/ip.js';
import type { Secret } from '../../base/secret.js';
import type { DeviceChange, PeerChange } from '../../peer/change.js';
import type { PeerConfig } from '../tunnelConfig.js';
import type { ConfigDiff, FieldChange } from './configDiff.js';

export interface DeviceTransition {
  /** Keys, port, mark, new peers, changed fields, allowed-IPs that are added. */
  readonly widen: DeviceChange;
  /** Allowed-IPs and peers that go. */
  readonly narrow: DeviceChange;
}

export interface TransitionSources {
  /** By public key in base64, as far as they are known. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** The content of PrivateKeyFile; null where the wanted configuration has none. */
  readonly keyFromFile: Secret | null;
}

/**
 * To be applied one after the other. The secrets in it belong to `diff.wanted` and `sources`. Peers
 * that don't differ aren't named.
 */
export function deviceTransition(diff: ConfigDiff, sources: TransitionSources): DeviceTransition {
  const removed = diff.changes.flatMap((change) =>
    change.kind === 'peerRemoved' ? [removal(change.peer)] : [],
  );
  return {
    widen: {
      ...deviceFields(diff, sources.keyFromFile),
      replacePeers: false,
      peers: widenedPeers(diff, sources),
    },
    narrow: { replacePeers: false, peers: [...narrowedPeers(diff), ...removed] },
  };
}

function deviceFields(
  diff: ConfigDiff,
  keyFromFile: Secret | null,
): Pick<DeviceChange, 'privateKey' | 'listenPort' | 'fwmark'> {
  const { privateKey, listenPort, fwmark } = diff.wanted.interface;
  // A key file or a store may have changed while its name stayed; the device ignores the key that it has.
  const hasNewKey =
    keyFromFile !== null ||
    ['PrivateKey', 'PrivateKeyFile', 'PrivateKeyStore'].some((key) => differs(diff, key));
  return {
    ...(hasNewKey ? { privateKey: keyFromFile ?? privateKey } : {}),
    ...(differs(diff, 'ListenPort') ? { listenPort: listenPort ?? 0 } : {}),
    ...(differs(diff, 'FwMark') ? { fwmark } : {}),
  };
}

const differs = (diff: ConfigDiff, key: string): boolean =>
  diff.changes.some((change) => change.kind === 'setting' && change.key === key);

function widenedPeers(diff: ConfigDiff, sources: TransitionSources): PeerChange[] {
  return diff.changes.flatMap((change) => {
    if (change.kind === 'peerAdded')
      return [addition(change.peer, endpointOf(change.peer, sources))];
    if (change.kind !== 'peerChanged') return [];
    const { wanted, changes } = change;
    const key = (name: string): boolean => changes.some((field) => field.key === name);
    const endpoint = key('Endpoint') ? endpointOf(wanted, sources) : null;
    const added = newPrefixes(wanted, changes);
    const fields: Partial<PeerChange> = {
      ...(key('PresharedKey') ? { presharedKey: wanted.presharedKey } : {}),
      ...(endpoint === null ? {} : { endpoint }),
      ...(key('PersistentKeepalive') ? { persistentKeepaliveS: wanted.persistentKeepaliveS } : {}),
    };
    if (Object.keys(fields).length + added.length === 0) return [];
    return [{ ...edit(wanted, 'add', added), ...fields }];
  });
}

const endpointOf = (peer: PeerConfig, { endpoints }: TransitionSources): Endpoint | null =>
  peer.endpoint === null ? null : (endpoints.get(toBase64(peer.publicKey)) ?? null);

function newPrefixes(wanted: PeerConfig, changes: readonly FieldChange[]): IpPrefix[] {
  const added = listItems(changes, 'added');
  return wanted.allowedIps.filter((prefix) => added.has(formatPrefix(prefix)));
}

/** Prefixes that another peer takes over have left already, by being added there. */
function narrowedPeers(diff: ConfigDiff): PeerChange[] {
  const taken = new Set(diff.wanted.peers.flatMap((peer) => peer.allowedIps.map(formatPrefix)));
  return diff.changes.flatMap((change) => {
    if (change.kind !== 'peerChanged') return [];
    const removed = listItems(change.changes, 'removed');
    const gone = change.running.allowedIps.filter((prefix) => {
      const text = formatPrefix(prefix);
      return removed.has(text) && !taken.has(text);
    });
    return gone.length === 0 ? [] : [edit(change.wanted, 'remove', gone)];
  });
}

const listItems = (
  changes: readonly FieldChange[],
  side: 'added' | 'removed',
): ReadonlySet<string> =>
  new Set(
    changes.flatMap((field) =>
      field.kind === 'list' && field.key === 'AllowedIPs' ? field[side] : [],
    ),
  );

/** `updateOnly`: a peer that was removed by other means isn't made again with half of its settings. */
const edit = (
  { publicKey }: PeerConfig,
  kind: 'add' | 'remove',
  prefixes: readonly IpPrefix[],
): PeerChange => ({
  publicKey,
  remove: false,
  updateOnly: true,
  replaceAllowedIps: false,
  allowedIps: prefixes.map((prefix) => ({ edit: kind, prefix })),
});

const removal = ({ publicKey }: PeerConfig): PeerChange => ({
  publicKey,
  remove: true,
  updateOnly: true,
  replaceAllowedIps: false,
  allowedIps: [],
});

const addition = (peer: PeerConfig, endpoint: Endpoint | null): PeerChange => ({
  publicKey: peer.publicKey,
  remove: false,
  updateOnly: false,
  presharedKey: peer.presharedKey,
  ...(endpoint === null ? {} : { endpoint }),
  persistentKeepaliveS: peer.persistentKeepaliveS,
  replaceAllowedIps: true,
  allowedIps: peer.allowedIps.map((prefix) => ({ edit: 'add', prefix })),
});
