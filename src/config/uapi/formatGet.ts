// The answer to the UAPI's `get`. SPEC.md 6.2.
import { toHex } from '../../base/bytes.js';
import { formatEndpoint, formatPrefix } from '../../base/ip.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../peer/change.js';
import { ERRNO, formatErrno } from './answer.js';

const NO_KEY = '0'.repeat(64);
const NS_PER_MS = 1_000_000;

/** The whole answer, errno and empty line included. Holds keys in the clear. */
export function formatGet(device: DeviceSnapshot): string {
  const lines: string[] = [];
  if (device.privateKey !== null) lines.push(`private_key=${toHex(device.privateKey.expose())}\n`);
  if (device.listenPort !== 0) lines.push(`listen_port=${device.listenPort}\n`);
  if (device.fwmark !== 0) lines.push(`fwmark=${device.fwmark}\n`);
  for (const peer of device.peers) pushPeer(lines, peer);
  lines.push(formatErrno(ERRNO.OK));
  return lines.join('');
}

function pushPeer(lines: string[], peer: PeerSnapshot): void {
  const presharedKey = peer.presharedKey === null ? NO_KEY : toHex(peer.presharedKey.expose());
  const handshakeMs = Math.floor(peer.lastHandshakeAt ?? 0);
  lines.push(
    `public_key=${toHex(peer.publicKey)}\n`,
    `preshared_key=${presharedKey}\n`,
    'protocol_version=1\n',
  );
  if (peer.endpoint !== null) lines.push(`endpoint=${formatEndpoint(peer.endpoint)}\n`);
  lines.push(
    `last_handshake_time_sec=${Math.floor(handshakeMs / 1000)}\n`,
    `last_handshake_time_nsec=${(handshakeMs % 1000) * NS_PER_MS}\n`,
    `tx_bytes=${peer.sentBytes}\n`,
    `rx_bytes=${peer.receivedBytes}\n`,
    `persistent_keepalive_interval=${peer.persistentKeepaliveS}\n`,
  );
  for (const prefix of peer.allowedIps) lines.push(`allowed_ip=${formatPrefix(prefix)}\n`);
}
