// A configuration as the text of a file: wg's and wg-quick's settings in their order, Beam's own
// behind the mark. SPEC.md 7.3 and 7.5.
import { toBase64 } from '../../base/bytes.js';
import { formatPrefix } from '../../base/ip.js';
import { formatInterfaceAddress } from '../tunnelConfig.js';
import type { PeerConfig, TunnelConfigFields } from '../tunnelConfig.js';
import { BEAM_DEFAULTS } from './drafts.js';
import { beamTexts, interfaceTexts, peerTexts } from './settingTexts.js';

/** Holds keys in the clear. Reading it again gives the same configuration. */
export function formatTunnelConfig(config: TunnelConfigFields): string {
  const sections = [interfaceLines(config), ...config.peers.map(peerLines)];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function interfaceLines(config: TunnelConfigFields): string[] {
  const { privateKey, addresses } = config.interface;
  return [
    '[Interface]',
    ...addresses.map((address) => `Address = ${formatInterfaceAddress(address)}`),
    ...settings(interfaceTexts(config.interface)),
    ...(privateKey === null ? [] : [`PrivateKey = ${toBase64(privateKey.expose())}`]),
    ...beamLines(config),
  ];
}

function beamLines(config: TunnelConfigFields): string[] {
  const defaults = beamTexts({
    ...config,
    interface: {
      ...config.interface,
      privateKeyFile: null,
      privateKeyStore: null,
      storePassphrase: null,
    },
    beam: BEAM_DEFAULTS,
  });
  const changed = [...beamTexts(config)].filter(([key, text]) => defaults.get(key) !== text);
  return changed.length === 0 ? [] : ['#: [Beam]', ...settings(changed).map(marked)];
}

function peerLines(peer: PeerConfig): string[] {
  const [name, ...others] = peerTexts(peer);
  const { publicKey, presharedKey, allowedIps } = peer;
  return [
    '[Peer]',
    ...settings([name!]).map(marked),
    `PublicKey = ${toBase64(publicKey)}`,
    ...(presharedKey === null ? [] : [`PresharedKey = ${toBase64(presharedKey.expose())}`]),
    ...(allowedIps.length === 0 ? [] : [`AllowedIPs = ${allowedIps.map(formatPrefix).join(', ')}`]),
    ...settings(others),
  ];
}

const marked = (line: string): string => `#: ${line}`;

/** A line for each line of a value; none for an empty one. */
const settings = (texts: Iterable<readonly [string, string]>): string[] =>
  [...texts].flatMap(([key, text]) =>
    text === '' ? [] : text.split('\n').map((value) => `${key} = ${value}`),
  );
