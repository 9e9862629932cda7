// The picture that `beam status` draws, held against pictures drawn by hand. SPEC.md 9.1.
import test from 'ava';
import {
  ago,
  bytesText,
  renderTunnels,
  type RenderOptions,
} from '../../../src/cli/status/render.js';
import type { TunnelReport } from '../../../src/cli/status/gather.js';
import { DROP_REASONS, type DropReason } from '../../../src/ports/dataPlane.js';
import type { PeerStatus, TunnelStatus } from '../../../src/ports/control.js';

const NOW = 1_800_000_000_000;
const KEYS = ['A', 'B', 'C'].map((letter) => `${letter.repeat(43)}=`) as [string, string, string];

const peer = (fields: Partial<PeerStatus>): PeerStatus => ({
  name: null,
  publicKey: KEYS[1],
  hasPresharedKey: false,
  endpoint: null,
  endpointName: null,
  allowedIps: [],
  latestHandshakeAt: null,
  receivedBytes: 0,
  sentBytes: 0,
  persistentKeepaliveS: 0,
  suite: null,
  ...fields,
});

const noDrops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0]));

const status: TunnelStatus = {
  interface: 'beam0',
  pid: 42,
  version: '0.1.0',
  startedAt: NOW - 3_661_000,
  up: true,
  mtu: 1420,
  engine: 'native',
  features: { cipher: 'ipsec-mb', stickySource: true, ecn: false },
  publicKey: KEYS[0],
  listenPort: 51820,
  fwmark: 0xca6c,
  configFile: '/etc/beam/beam0.conf',
  peers: [
    peer({ publicKey: KEYS[2], persistentKeepaliveS: 25 }),
    peer({
      name: 'hub',
      hasPresharedKey: true,
      endpoint: '192.0.2.1:51820',
      endpointName: 'hub.example.org:51820',
      allowedIps: ['10.73.0.0/24', 'fd73::/64'],
      latestHandshakeAt: NOW - 64_000,
      receivedBytes: 1484,
      sentBytes: 92,
      suite: 'chacha20-poly1305',
    }),
  ],
  drops: { ...noDrops, replayed: 3 } as Record<DropReason, number>,
  sendErrors: { ENETUNREACH: 2 },
  handshakeRefusals: { badMac1: 7 },
  residentBytes: 64 * 1024 * 1024,
  warnings: ['no DNS tool'],
};

const beam: TunnelReport = { source: 'beam', ...status };
const options: RenderOptions = { colours: false, stats: false, nowMs: NOW, secrets: null };

test('a tunnel is drawn as wg show draws it, with names, the newest handshake first', (t) => {
  t.is(
    renderTunnels([beam], options),
    `interface: beam0
  public key: ${KEYS[0]}
  private key: (hidden)
  listening port: 51820
  fwmark: 0xca6c
  link: up, MTU 1420
  engine: native (ipsec-mb)
  warning: no DNS tool

peer: hub
  public key: ${KEYS[1]}
  preshared key: (hidden)
  endpoint: 192.0.2.1:51820 (hub.example.org:51820)
  allowed ips: 10.73.0.0/24, fd73::/64
  latest handshake: 1 minute, 4 seconds ago
  transfer: 1.45 KiB received, 92 B sent

peer: ${KEYS[2]}
  allowed ips: (none)
  persistent keepalive: every 25 seconds
`,
  );
});

test('statistics show what is not zero', (t) => {
  const text = renderTunnels([beam], { ...options, stats: true });
  for (const line of [
    '  daemon: pid 42, Beam 0.1.0',
    '  running for: 1 hour, 1 minute, 1 second',
    '  memory: 64.00 MiB',
    '  features: cipher ipsec-mb, stickySource, no ecn',
    '  dropped: replayed 3',
    '  send errors: ENETUNREACH 2',
    '  handshakes refused: badMac1 7',
    '  cipher: chacha20-poly1305',
  ])
    t.true(text.split('\n').includes(line), line);
});

test('keys are shown only to who asked for them', (t) => {
  const secrets = new Map([
    ['private', 'PRIVATE'],
    [KEYS[1], 'PRESHARED'],
  ]);
  const text = renderTunnels([beam], { ...options, secrets });
  t.true(text.includes('private key: PRIVATE\n'));
  t.true(text.includes('preshared key: PRESHARED\n'));
  t.false(renderTunnels([beam], options).includes('PRIVATE'));
});

test('an interface of another program has what the UAPI tells', (t) => {
  const foreign: TunnelReport = {
    source: 'uapi',
    interface: 'wg0',
    publicKey: KEYS[0],
    listenPort: 0,
    fwmark: 0,
    peers: [],
  };
  t.is(
    renderTunnels([foreign], options),
    `interface: wg0\n  public key: ${KEYS[0]}\n  private key: (hidden)\n`,
  );
});

test('a tunnel that cannot be asked is shown with the reason', (t) => {
  const dead: TunnelReport = { source: 'beam', interface: 'wg0', error: 'E_NO_DAEMON' };
  t.is(renderTunnels([dead], options), 'interface: wg0\n  state: cannot be asked (E_NO_DAEMON)\n');
});

test('a handshake of the future is a clock that was set back', (t) => {
  const report: TunnelReport = { ...beam, peers: [peer({ latestHandshakeAt: NOW + 1 })] };
  t.regex(renderTunnels([report], options), /clock was set back/);
});

test('names from elsewhere do not steer the terminal', (t) => {
  const name = 'a\x1b[2Jb\u009bc\nd';
  const report: TunnelReport = {
    ...beam,
    peers: [peer({ name, endpointName: name, endpoint: 'x' })],
  };
  // eslint-disable-next-line no-control-regex -- it is what must not come out
  t.notRegex(renderTunnels([report], options).replaceAll('\n', ''), /[\x00-\x1f\x7f-\x9f]/);
});

test('colours change nothing but colours', (t) => {
  const coloured = renderTunnels([beam], { ...options, colours: true });
  // eslint-disable-next-line no-control-regex -- the colours are control sequences
  t.is(coloured.replaceAll(/\x1b\[[\d;]*m/g, ''), renderTunnels([beam], options));
  t.not(coloured, renderTunnels([beam], options));
});

for (const [spanMs, text] of [
  [0, '0 seconds'],
  [999, '0 seconds'],
  [1_000, '1 second'],
  [60_000, '1 minute'],
  [61_000, '1 minute, 1 second'],
  [86_400_000, '1 day'],
  [31_536_000_000 + 7_200_000, '1 year, 2 hours'],
] as const) {
  test(`${spanMs} ms are ${text}`, (t) => t.is(ago(spanMs), text));
}

for (const [bytes, text] of [
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.00 KiB'],
  [1484, '1.45 KiB'],
  [1024 ** 2, '1.00 MiB'],
  [5.5 * 1024 ** 3, '5.50 GiB'],
  [2 * 1024 ** 5, '2048.00 TiB'],
] as const) {
  test(`${bytes} bytes are ${text}`, (t) => t.is(bytesText(bytes), text));
}
