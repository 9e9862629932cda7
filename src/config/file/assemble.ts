// From what the lines of a file say to one checked configuration. SPEC.md 7.1 and 7.4.
import { toHex } from '../../base/bytes.js';
import { formatPrefix } from '../../base/ip.js';
import { markChecked } from '../tunnelConfig.js';
import type { InterfaceConfig, PeerConfig, TunnelConfig } from '../tunnelConfig.js';
import type { BeamDraft, InterfaceDraft, PeerDraft } from './drafts.js';
import { shown } from './findings.js';
import type { Findings, Problem } from './findings.js';

export interface FileDraft {
  readonly interface: InterfaceDraft;
  readonly beam: BeamDraft;
  /** In the order of the sections; a public key may come twice. */
  readonly peers: PeerDraft[];
  hasInterface: boolean;
  /** The first line that only Beam understands. */
  beamOnlyLine: number | null;
}

type KeyedPeer = PeerDraft & { publicKey: Uint8Array };

/** Null if anything in the file is wrong; `findings` then says what. */
export function assemble(
  file: FileDraft,
  source: { readonly file: string; readonly name: string | null },
  findings: Findings,
): TunnelConfig | null {
  checkWhole(file, findings);
  const peers = mergePeers(peersWithKey(file.peers, findings), findings);
  giveEachPrefixOneOwner(peers, findings);
  noticeNames(peers, findings);
  if (findings.failed) return null;
  const { engine, queues, endpointResolutionS, logLevel } = file.beam;
  return markChecked({
    file: source.file,
    name: source.name,
    interface: finishInterface(file),
    beam: { engine, queues, endpointResolutionS, logLevel },
    peers: peers.map(finishPeer),
  });
}

export function destroyDrafts(file: FileDraft): void {
  file.interface.privateKey?.destroy();
  for (const peer of file.peers) peer.presharedKey?.destroy();
}

function checkWhole(file: FileDraft, findings: Findings): void {
  const { interface: own, beam } = file;
  if (!file.hasInterface) findings.at(0).problem(NO_INTERFACE);
  checkKeySource(file, findings);
  const hooks = [...own.preUp, ...own.postUp];
  if (
    file.hasInterface &&
    !own.lines.has('PrivateKey') &&
    beam.privateKeyFile === null &&
    beam.privateKeyStore === null &&
    !hooks.some((command) => command.includes('private-key'))
  ) {
    findings.at(0).notice('W_CONFIG_NO_KEY', 'no PrivateKey: no handshake is possible without one');
  }
  if (file.beamOnlyLine !== null) {
    const text = 'wg and wg-quick refuse this line: write "#: " before Beam\'s own settings';
    findings.at(file.beamOnlyLine).notice('W_CONFIG_BEAM_ONLY', text);
  }
  const ipv6 = own.addresses.some(({ address }) => address.family === 6);
  if (ipv6 && own.mtu !== null && own.mtu < IPV6_MIN_MTU) {
    const text = `an MTU under ${IPV6_MIN_MTU} switches IPv6 off: its addresses are left out`;
    findings.at(own.lines.get('MTU') ?? 0).notice('W_CONFIG_IPV6_MTU', text);
  }
}

/** The error stands where the later of the two does that [Beam] has, as they are Beam's alone. */
function checkKeySource({ interface: own, beam }: FileDraft, findings: Findings): void {
  const inBeam = [beam.lines.get('PrivateKeyFile'), beam.lines.get('PrivateKeyStore')];
  const lines = inBeam.filter((line) => line !== undefined);
  if (lines.length + (own.lines.has('PrivateKey') ? 1 : 0) < 2) return;
  findings.at(Math.max(...lines)).problem(TWO_PRIVATE_KEYS);
}

/** RFC 8200 section 5. */
const IPV6_MIN_MTU = 1280;

const NO_INTERFACE: Problem = {
  code: 'E_CONFIG_MISSING',
  expected: 'an [Interface] section',
  found: 'none',
  remedy: 'begin the file with [Interface] and a PrivateKey',
};

const TWO_PRIVATE_KEYS: Problem = {
  code: 'E_CONFIG_CONFLICT',
  expected: 'one of PrivateKey, PrivateKeyFile and PrivateKeyStore',
  found: 'two or more of them',
  remedy: 'leave one of them in the file',
};

function peersWithKey(peers: readonly PeerDraft[], findings: Findings): KeyedPeer[] {
  for (const peer of peers) {
    if (peer.lines.has('PublicKey')) continue;
    findings.at(peer.line).problem({
      code: 'E_CONFIG_MISSING',
      expected: 'a PublicKey in this [Peer] section',
      found: 'none',
      remedy: "add the peer's public key, or remove the section",
    });
  }
  return peers.filter((peer): peer is KeyedPeer => peer.publicKey !== null);
}

/** Two sections with one key are one peer, where the second section stands (SPEC.md 7.1). */
function mergePeers(sections: readonly KeyedPeer[], findings: Findings): KeyedPeer[] {
  const peers = new Map<string, KeyedPeer>();
  for (const section of sections) {
    const key = toHex(section.publicKey);
    const earlier = peers.get(key);
    if (earlier !== undefined) {
      const text = `the peer of line ${earlier.line} again: both sections are read as one`;
      findings.at(section.line).notice('W_CONFIG_PEER_TWICE', text);
      inherit(section, earlier);
      peers.delete(key);
    }
    peers.set(key, section);
  }
  return [...peers.values()];
}

/** What the later section doesn't say is taken from the earlier one; the allowed-IPs never are. */
function inherit(later: KeyedPeer, earlier: KeyedPeer): void {
  later.name ??= earlier.name;
  later.commentName ??= earlier.commentName;
  if (!later.lines.has('PresharedKey')) later.presharedKey = earlier.presharedKey;
  else earlier.presharedKey?.destroy();
  earlier.presharedKey = null;
  later.endpoint ??= earlier.endpoint;
  if (!later.lines.has('PersistentKeepalive')) {
    later.persistentKeepaliveS = earlier.persistentKeepaliveS;
  }
  for (const [name, line] of earlier.lines) {
    if (name !== 'AllowedIPs' && !later.lines.has(name)) later.lines.set(name, line);
  }
}

function giveEachPrefixOneOwner(peers: readonly KeyedPeer[], findings: Findings): void {
  const owners = new Map<string, KeyedPeer>();
  for (const peer of peers) {
    for (const [key, prefix] of peer.allowedIps) {
      const earlier = owners.get(key);
      if (earlier !== undefined) {
        const text = `${formatPrefix(prefix)} belongs to the peer of line ${earlier.line} too: this one gets it`;
        findings.at(peer.lines.get('AllowedIPs') ?? peer.line).notice('W_CONFIG_MOVED', text);
        earlier.allowedIps.delete(key);
      }
      owners.set(key, peer);
    }
  }
}

function noticeNames(peers: readonly KeyedPeer[], findings: Findings): void {
  const lines = new Map<string, number>();
  for (const peer of peers) {
    const name = nameOf(peer);
    if (name === null) continue;
    const earlier = lines.get(name);
    if (earlier !== undefined) {
      const text = `the peer of line ${earlier} is called ${shown(name)} too`;
      findings.at(peer.line).notice('W_CONFIG_NAME_TWICE', text);
    } else lines.set(name, peer.line);
  }
}

const nameOf = (peer: PeerDraft): string | null => peer.name ?? peer.commentName;

function finishInterface({ interface: own, beam }: FileDraft): InterfaceConfig {
  const lines = new Map([...own.lines, ...beam.lines]);
  const { privateKeyFile, privateKeyStore, storePassphrase } = beam;
  return { ...own, privateKeyFile, privateKeyStore, storePassphrase, lines };
}

function finishPeer(peer: KeyedPeer): PeerConfig {
  const { publicKey, presharedKey, endpoint, persistentKeepaliveS, line, lines } = peer;
  return {
    name: nameOf(peer),
    publicKey,
    presharedKey,
    endpoint,
    allowedIps: [...peer.allowedIps.values()],
    persistentKeepaliveS,
    line,
    lines,
  };
}
