import test from 'ava';
import { parsePrefix } from '../../../src/base/ip.js';
import { Secret } from '../../../src/base/secret.js';
import { wallTime } from '../../../src/base/time.js';
import { formatGet } from '../../../src/config/uapi/formatGet.js';
import { parseGet } from '../../../src/config/uapi/parseGet.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../../src/peer/change.js';
import { hexKey, keyBytes } from './sample.js';

const quietPeer: PeerSnapshot = {
  publicKey: keyBytes('a'),
  presharedKey: null,
  endpoint: null,
  lastHandshakeAt: null,
  receivedBytes: 0n,
  sentBytes: 0n,
  persistentKeepaliveS: 0,
  allowedIps: [],
  suite: null,
};
const emptyDevice: DeviceSnapshot = {
  privateKey: null,
  publicKey: null,
  listenPort: 0,
  fwmark: 0,
  peers: [],
};
const noZones = (): null => null;

test('an unconfigured device has only an errno', (t) => {
  t.is(formatGet(emptyDevice), 'errno=0\n\n');
});

test("lists everything in wireguard-go's order", (t) => {
  const device: DeviceSnapshot = {
    privateKey: new Secret(keyBytes('own')),
    publicKey: keyBytes('own public'),
    listenPort: 51_820,
    fwmark: 51_820,
    peers: [
      quietPeer,
      {
        publicKey: keyBytes('b'),
        presharedKey: new Secret(keyBytes('psk')),
        endpoint: { family: 6, address: 'fe80::1', port: 5, scopeId: 2 },
        lastHandshakeAt: wallTime(1_700_000_000_123),
        receivedBytes: 2n ** 63n,
        sentBytes: 12n,
        persistentKeepaliveS: 25,
        allowedIps: [parsePrefix('10.0.0.0/8')!, parsePrefix('2001:db8::/32')!],
        suite: 'chacha20-poly1305',
      },
    ],
  };
  const expected = [
    `private_key=${hexKey('own')}`,
    'listen_port=51820',
    'fwmark=51820',
    `public_key=${hexKey('a')}`,
    `preshared_key=${'0'.repeat(64)}`,
    'protocol_version=1',
    'last_handshake_time_sec=0',
    'last_handshake_time_nsec=0',
    'tx_bytes=0',
    'rx_bytes=0',
    'persistent_keepalive_interval=0',
    `public_key=${hexKey('b')}`,
    `preshared_key=${hexKey('psk')}`,
    'protocol_version=1',
    'endpoint=[fe80::1%2]:5',
    'last_handshake_time_sec=1700000000',
    'last_handshake_time_nsec=123000000',
    'tx_bytes=12',
    'rx_bytes=9223372036854775808',
    'persistent_keepalive_interval=25',
    'allowed_ip=10.0.0.0/8',
    'allowed_ip=2001:db8::/32',
    'errno=0',
    '',
    '',
  ];
  t.is(formatGet(device), expected.join('\n'));
});

test('reads back what it writes', (t) => {
  const peer: PeerSnapshot = {
    ...quietPeer,
    endpoint: { family: 4, address: '192.0.2.1', port: 5, scopeId: 0 },
    lastHandshakeAt: wallTime(1_700_000_000_123),
    receivedBytes: 2n ** 63n,
    sentBytes: 7n,
    persistentKeepaliveS: 65_535,
    allowedIps: [parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!],
  };
  const device = { ...emptyDevice, listenPort: 1, fwmark: 4_294_967_295, peers: [peer, quietPeer] };
  t.deepEqual(parseGet(formatGet(device), noZones), { kind: 'device', device });
});

test('reads an answer with keys and keeps them secret', (t) => {
  const device = { ...emptyDevice, privateKey: new Secret(keyBytes('own')) };
  const outcome = parseGet(formatGet(device), noZones);
  if (outcome.kind !== 'device') return t.fail();
  t.deepEqual(outcome.device.privateKey!.expose(), keyBytes('own'));
  t.false(JSON.stringify(outcome.device.privateKey).includes(hexKey('own')));
});

test('skips keys that a later version may add', (t) => {
  const text = `jc=4\npublic_key=${hexKey('a')}\nnew_key=x\nerrno=0\n\n`;
  t.deepEqual(parseGet(text, noZones), {
    kind: 'device',
    device: { ...emptyDevice, peers: [quietPeer] },
  });
});

test('passes on an errno', (t) => {
  t.deepEqual(parseGet('errno=-1\n\n', noZones), { kind: 'errno', errno: -1 });
});

const malformed: readonly [string, number][] = [
  ['', 1],
  ['\n', 1],
  ['listen_port=5\n\n', 2],
  ['listen_port=x\nerrno=0\n\n', 1],
  ['private_key=00\nerrno=0\n\n', 1],
  ['public_key=00\nerrno=0\n\n', 1],
  ['nothing\nerrno=0\n\n', 1],
  [`public_key=${hexKey('a')}\nallowed_ip=x/1\nerrno=0\n\n`, 2],
  [`public_key=${hexKey('a')}\ntx_bytes=-1\nerrno=0\n\n`, 2],
  [`public_key=${hexKey('a')}\npreshared_key=1\nerrno=0\n\n`, 2],
  ['errno=x\n\n', 2],
];
for (const [text, line] of malformed) {
  test(`says that ${JSON.stringify(text.slice(-40))} is no answer, at line ${line}`, (t) => {
    t.deepEqual(parseGet(text, noZones), { kind: 'malformed', line });
  });
}

test('writes 65,000 allowed-IPs in well under a second', (t) => {
  const allowedIps = Array.from({ length: 65_000 }, (_, i) =>
    parsePrefix(`2001:db8:${i.toString(16)}::/48`)!,
  );
  const startMs = performance.now();
  const text = formatGet({ ...emptyDevice, peers: [{ ...quietPeer, allowedIps }] });
  const tookMs = performance.now() - startMs;
  t.is(text.split('\n').length, 8 + 65_000 + 3);
  t.true(tookMs < 1_000, `${tookMs} ms`);
});
