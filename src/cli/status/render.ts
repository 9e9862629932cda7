// The picture of tunnels, as `wg show` draws it, with names. SPEC.md 9.1.
import type { PeerStatus, TunnelStatus } from '../../ports/control.js';
import type { TunnelReport } from './gather.js';

export interface RenderOptions {
  readonly colours: boolean;
  readonly stats: boolean;
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** WG_HIDE_KEYS=never: private and pre-shared keys by their label; null hides them. */
  readonly secrets: ReadonlyMap<string, string> | null;
}

type Style = 'bold' | 'green' | 'yellow' | 'red' | 'dim';
const CODES: Readonly<Record<Style, string>> = {
  bold: '1',
  green: '32;1',
  yellow: '33;1',
  red: '31;1',
  dim: '2',
};

const HIDDEN = '(hidden)';
const SECOND_MS = 1000;
/** REJECT_AFTER_TIME: older handshakes carry nothing any more. */
const FRESH_MS = 180 * SECOND_MS;

export function renderTunnels(reports: readonly TunnelReport[], options: RenderOptions): string {
  return reports.map((report) => new Picture(options).tunnel(report)).join('\n');
}

class Picture {
  readonly #options: RenderOptions;
  readonly #lines: string[] = [];

  constructor(options: RenderOptions) {
    this.#options = options;
  }

  tunnel(report: TunnelReport): string {
    this.#title('interface', report.interface, 'green');
    if ('error' in report) {
      this.#field('state', this.#paint('red', `cannot be asked (${report.error})`));
      return this.#text();
    }
    if (report.publicKey !== null) {
      this.#field('public key', report.publicKey);
      this.#field('private key', this.#secret('private'));
    }
    if (report.listenPort !== 0) this.#field('listening port', String(report.listenPort));
    if (report.fwmark !== 0) this.#field('fwmark', `0x${report.fwmark.toString(16)}`);
    if (report.source === 'beam') this.#beam(report);
    const peers = [...report.peers].sort(
      (a, b) => (b.latestHandshakeAt ?? 0) - (a.latestHandshakeAt ?? 0),
    );
    for (const peer of peers) this.#peer(peer);
    return this.#text();
  }

  #beam(status: TunnelStatus): void {
    const state = status.up ? `up, MTU ${status.mtu}` : this.#paint('red', 'down');
    this.#field('link', state);
    this.#field('engine', engineText(status));
    for (const warning of status.warnings) {
      this.#field('warning', this.#paint('yellow', printable(warning)));
    }
    if (this.#options.stats) this.#stats(status);
  }

  #stats(status: TunnelStatus): void {
    this.#field('daemon', `pid ${status.pid}, Beam ${status.version}`);
    this.#field('running for', ago(this.#options.nowMs - status.startedAt));
    this.#field('memory', bytesText(status.residentBytes));
    this.#field('features', Object.entries(status.features).map(pairText).join(', '));
    this.#field('dropped', countsText(status.drops));
    this.#field('send errors', countsText(status.sendErrors));
    this.#field('handshakes refused', countsText(status.handshakeRefusals));
  }

  #peer(peer: PeerStatus): void {
    const { nowMs } = this.#options;
    this.#lines.push('');
    this.#title('peer', peer.name ?? peer.publicKey, 'yellow');
    if (peer.name !== null) this.#field('public key', peer.publicKey);
    if (peer.hasPresharedKey) this.#field('preshared key', this.#secret(peer.publicKey));
    if (peer.endpoint !== null) this.#field('endpoint', endpointText(peer));
    this.#field('allowed ips', peer.allowedIps.join(', ') || '(none)');
    if (peer.latestHandshakeAt !== null) {
      const age = nowMs - peer.latestHandshakeAt;
      const text = age < 0 ? 'in the future: the clock was set back' : `${ago(age)} ago`;
      this.#field('latest handshake', age > FRESH_MS ? this.#paint('dim', text) : text);
    }
    if (peer.receivedBytes > 0 || peer.sentBytes > 0) {
      const { receivedBytes, sentBytes } = peer;
      this.#field('transfer', `${bytesText(receivedBytes)} received, ${bytesText(sentBytes)} sent`);
    }
    if (peer.persistentKeepaliveS !== 0) {
      this.#field('persistent keepalive', `every ${ago(peer.persistentKeepaliveS * SECOND_MS)}`);
    }
    if (this.#options.stats && peer.suite !== null) this.#field('cipher', peer.suite);
  }

  #secret(label: string): string {
    return this.#options.secrets === null ? HIDDEN : (this.#options.secrets.get(label) ?? HIDDEN);
  }

  #title(word: string, name: string, style: Style): void {
    this.#lines.push(`${this.#paint(style, word)}: ${this.#paint(style, printable(name))}`);
  }

  #field(name: string, value: string): void {
    this.#lines.push(`  ${this.#paint('bold', name)}: ${value}`);
  }

  #paint(style: Style, text: string): string {
    return this.#options.colours ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
  }

  #text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

/** Text from elsewhere must not steer the terminal. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e\u00a0-\uffff]/gu, '?');

const endpointText = ({ endpoint, endpointName }: PeerStatus): string =>
  endpointName === null ? (endpoint ?? '') : `${endpoint ?? ''} (${printable(endpointName)})`;

function engineText({ engine, features }: TunnelStatus): string {
  const cipher = features['cipher'];
  return typeof cipher === 'string' ? `${engine} (${cipher})` : engine;
}

const pairText = ([name, value]: readonly [string, string | number | boolean]): string =>
  typeof value === 'boolean' ? `${value ? '' : 'no '}${name}` : `${name} ${value}`;

function countsText(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** As `wg` has it: `92 B`, `1.45 KiB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(2)} ${UNITS[unit]!}`;
}

const SPANS = [
  ['year', 31_536_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** `1 minute, 4 seconds`. */
export function ago(spanMs: number): string {
  let rest = Math.floor(spanMs / SECOND_MS);
  const parts: string[] = [];
  for (const [name, seconds] of SPANS) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count} ${name}${count === 1 ? '' : 's'}`);
  }
  return parts.join(', ') || '0 seconds';
}
