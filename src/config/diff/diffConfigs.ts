// Compares the configuration that is in force with the one that is wanted. SPEC.md 7.5.
import { equalConstantTime, toHex } from '../../base/bytes.js';
import { formatPrefix } from '../../base/ip.js';
import type { Secret } from '../../base/secret.js';
import { beamTexts, interfaceTexts, peerTexts } from '../file/settingTexts.js';
import { formatInterfaceAddress } from '../tunnelConfig.js';
import type { PeerConfig, TunnelConfig } from '../tunnelConfig.js';
import type { ConfigChange, ConfigDiff, FieldChange, SettingChange } from './configDiff.js';

export function diffConfigs(running: TunnelConfig, wanted: TunnelConfig): ConfigDiff {
  return {
    running,
    wanted,
    changes: [
      ...diffInterfaces(running, wanted),
      ...diffTexts('Beam', beamTexts(running), beamTexts(wanted)),
      ...diffPeers(running.peers, wanted.peers),
    ],
  };
}

function diffInterfaces(running: TunnelConfig, wanted: TunnelConfig): FieldChange[] {
  const [before, after] = [running.interface, wanted.interface];
  return [
    ...diffSecrets('Interface', 'PrivateKey', before.privateKey, after.privateKey),
    ...diffLists('Interface', 'Address', {
      running: before.addresses.map(formatInterfaceAddress),
      wanted: after.addresses.map(formatInterfaceAddress),
    }),
    ...diffTexts('Interface', interfaceTexts(before), interfaceTexts(after)),
  ];
}

function diffPeers(running: readonly PeerConfig[], wanted: readonly PeerConfig[]): ConfigChange[] {
  const before = new Map(running.map((peer) => [toHex(peer.publicKey), peer]));
  const after = new Set(wanted.map((peer) => toHex(peer.publicKey)));
  const removed = running.filter((peer) => !after.has(toHex(peer.publicKey)));
  return [
    ...removed.map((peer): ConfigChange => ({ kind: 'peerRemoved', peer })),
    ...wanted.flatMap((peer) => diffPeer(before.get(toHex(peer.publicKey)) ?? null, peer)),
  ];
}

function diffPeer(running: PeerConfig | null, wanted: PeerConfig): ConfigChange[] {
  if (running === null) return [{ kind: 'peerAdded', peer: wanted }];
  const changes = [
    ...diffSecrets('Peer', 'PresharedKey', running.presharedKey, wanted.presharedKey),
    ...diffTexts('Peer', peerTexts(running), peerTexts(wanted)),
    ...diffLists('Peer', 'AllowedIPs', {
      running: running.allowedIps.map(formatPrefix),
      wanted: wanted.allowedIps.map(formatPrefix),
    }),
  ];
  return changes.length === 0 ? [] : [{ kind: 'peerChanged', running, wanted, changes }];
}

type Section = FieldChange['section'];

/** Both maps have the same keys. */
function diffTexts(
  section: Section,
  running: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): SettingChange[] {
  return [...wanted].flatMap(([key, to]) => {
    const from = running.get(key) ?? '';
    return from === to ? [] : [{ kind: 'setting', section, key, from, to }];
  });
}

interface Lists {
  readonly running: readonly string[];
  readonly wanted: readonly string[];
}

function diffLists(section: Section, key: string, { running, wanted }: Lists): FieldChange[] {
  const [before, after] = [new Set(running), new Set(wanted)];
  const added = [...after].filter((item) => !before.has(item));
  const removed = [...before].filter((item) => !after.has(item));
  if (added.length + removed.length === 0) return [];
  return [{ kind: 'list', section, key, added, removed }];
}

function diffSecrets(
  section: Section,
  key: string,
  running: Secret | null,
  wanted: Secret | null,
): SettingChange[] {
  const same =
    running === null || wanted === null
      ? running === wanted
      : equalConstantTime(running.expose(), wanted.expose());
  const shown = (secret: Secret | null): string => (secret === null ? '' : '(secret)');
  return same ? [] : [{ kind: 'setting', section, key, from: shown(running), to: shown(wanted) }];
}
