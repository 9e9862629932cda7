// The change that takes another change back: what the device had where the change touches it.
import { toBase64 } from '../../base/bytes.js';
import { formatPrefix } from '../../base/ip.js';
import { Secret } from '../../base/secret.js';
import type { DeviceChange, DeviceSnapshot, PeerChange, PeerSnapshot } from '../../peer/change.js';

/** A change with keys of its own; `destroy` ends them. */
export interface RestoringChange {
  readonly change: DeviceChange;
  destroy(): void;
}

/**
 * Leads back from `change` to `before`, which is read during the call only. Peers that `change`
 * removes come back without their sessions; all others keep theirs.
 */
export function restoringChange(before: DeviceSnapshot, change: DeviceChange): RestoringChange {
  const secrets: Secret[] = [];
  const copy = (secret: Secret | null): Secret | null => {
    if (secret === null) return null;
    const own = new Secret(secret.expose().slice());
    secrets.push(own);
    return own;
  };
  const peers = touchedPeers(before, change).map((key): PeerChange => {
    const peer = before.peers.find(({ publicKey }) => toBase64(publicKey) === key);
    return peer === undefined ? removal(key) : restoredPeer(peer, copy(peer.presharedKey));
  });
  return {
    change: {
      ...(change.privateKey === undefined ? {} : { privateKey: copy(before.privateKey) }),
      ...(change.listenPort === undefined ? {} : { listenPort: before.listenPort }),
      ...(change.fwmark === undefined ? {} : { fwmark: before.fwmark }),
      replacePeers: false,
      peers,
    },
    destroy: () => {
      for (const secret of secrets) secret.destroy();
    },
  };
}

/** Those it names, and those that lose a prefix to them; new ones first, so that prefixes move back. */
function touchedPeers(before: DeviceSnapshot, change: DeviceChange): string[] {
  const named = new Set(change.peers.map(({ publicKey }) => toBase64(publicKey)));
  const added = new Set(
    change.peers.flatMap(({ allowedIps }) =>
      allowedIps.flatMap(({ edit, prefix }) => (edit === 'add' ? [formatPrefix(prefix)] : [])),
    ),
  );
  const losers = before.peers
    .filter(({ allowedIps }) => allowedIps.some((prefix) => added.has(formatPrefix(prefix))))
    .map(({ publicKey }) => toBase64(publicKey));
  const known = new Set(before.peers.map(({ publicKey }) => toBase64(publicKey)));
  const all = [...new Set([...named, ...losers])];
  return [...all.filter((key) => !known.has(key)), ...all.filter((key) => known.has(key))];
}

const removal = (key: string): PeerChange => ({
  publicKey: new Uint8Array(Buffer.from(key, 'base64')),
  remove: true,
  updateOnly: true,
  replaceAllowedIps: false,
  allowedIps: [],
});

const restoredPeer = (peer: PeerSnapshot, presharedKey: Secret | null): PeerChange => ({
  publicKey: peer.publicKey.slice(),
  remove: false,
  updateOnly: false,
  presharedKey,
  ...(peer.endpoint === null ? {} : { endpoint: peer.endpoint }),
  persistentKeepaliveS: peer.persistentKeepaliveS,
  replaceAllowedIps: true,
  allowedIps: peer.allowedIps.map((prefix) => ({ edit: 'add', prefix })),
});
