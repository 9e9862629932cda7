// Writing: format, save and strip.
import test from 'ava';
import { parsePrefix } from '../../../src/base/ip.js';
import { Secret } from '../../../src/base/secret.js';
import { formatTunnelConfig } from '../../../src/config/file/formatTunnelConfig.js';
import { stripConfig } from '../../../src/config/file/stripConfig.js';
import { savedConfig } from '../../../src/config/savedConfig.js';
import type { RunningState } from '../../../src/config/savedConfig.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../../src/peer/change.js';
import { INTERFACE, accept, key, keyBytes, meaning, peer } from './sample.js';

const FULL = `[Interface]
Address = 10.0.0.1/24
Address = fd00::1/64
DNS = 10.0.0.53, example.com
MTU = 1380
Table = off
SaveConfig = true
PreUp = one
PreUp = two
PostUp = three %i
PreDown = four
PostDown = five
ListenPort = 51820
FwMark = 0xca6c
PrivateKey = ${key('own')}
#: [Beam]
#: Engine = sodium
#: EndpointResolution = off
#: LogLevel = debug

[Peer]
#: Name = alice
PublicKey = ${key('a')}
PresharedKey = ${key('psk')}
AllowedIPs = 10.0.0.2/32, fd00::2/128
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25

[Peer]
PublicKey = ${key('b')}
`;

test('writes every setting in the order of wg-quick save', (t) => {
  t.is(formatTunnelConfig(accept(t, FULL).config), FULL);
});

test('writes no setting that has its default', (t) => {
  t.is(
    formatTunnelConfig(
      accept(
        t,
        `[Interface]\nPrivateKey = ${key('own')}\nListenPort = 0\n#: [Beam]\n#: Engine = auto\n`,
      ).config,
    ),
    INTERFACE,
  );
});

test('writes a key file instead of a key', (t) => {
  const text = '[Interface]\n#: [Beam]\n#: PrivateKeyFile = own-key\n';
  t.is(formatTunnelConfig(accept(t, text).config), text);
});

test('writes where the store is, and never the key', (t) => {
  const text =
    '[Interface]\n#: [Beam]\n#: PrivateKeyStore = default\n#: StorePassphrase = /etc/beam/words\n';
  t.is(formatTunnelConfig(accept(t, text).config), text);
});

const running = (name: string, more: Partial<PeerSnapshot> = {}): PeerSnapshot => ({
  publicKey: keyBytes(name),
  presharedKey: null,
  endpoint: null,
  lastHandshakeAt: null,
  receivedBytes: 0n,
  sentBytes: 0n,
  persistentKeepaliveS: 0,
  allowedIps: [],
  suite: null,
  ...more,
});
const state = (
  peers: readonly PeerSnapshot[],
  device: Partial<DeviceSnapshot> = {},
): RunningState => ({
  device: {
    privateKey: new Secret(keyBytes('own')),
    publicKey: null,
    listenPort: 51_820,
    fwmark: 0,
    peers,
    ...device,
  },
  addresses: null,
  mtu: 1420,
});
const ROAMED = { family: 4, address: '198.51.100.7', port: 999, scopeId: 0 } as const;

test('saves the running peers in the order of the file, with names, then new ones', (t) => {
  const text =
    INTERFACE + peer('a', '# Name = alice', '') + peer('b') + peer('c', '#: Name = carol');
  const saved = savedConfig(
    accept(t, text).config,
    state([running('d'), running('c'), running('a')]),
  );
  t.is(
    formatTunnelConfig(saved),
    `[Interface]\nListenPort = 51820\nPrivateKey = ${key('own')}\n\n${peer('a').replace('\n', '\n#: Name = alice\n')}\n${peer('c').replace('\n', '\n#: Name = carol\n')}\n${peer('d')}`,
  );
});

test('saves what runs: addresses, port, mark, key, and the MTU where the file has one', (t) => {
  const text = `${INTERFACE}MTU = 1280\nAddress = 10.0.0.1/24\nPostUp = x\n`;
  const { config } = accept(t, text);
  const own = savedConfig(config, {
    ...state([], { listenPort: 7, fwmark: 9, privateKey: new Secret(keyBytes('new')) }),
    addresses: [],
    mtu: 1400,
  }).interface;
  t.like(own, { listenPort: 7, fwmark: 9, mtu: 1400, addresses: [], postUp: ['x'] });
  t.deepEqual(own.privateKey!.expose(), keyBytes('new'));
  const kept = savedConfig(
    accept(t, `${INTERFACE}Address = 10.0.0.1/24\n`).config,
    state([]),
  ).interface;
  t.is(kept.mtu, null);
  t.is(kept.addresses.length, 1);
});

test("saves a peer's settings as they run", (t) => {
  const text = INTERFACE + peer('a', 'Endpoint = 192.0.2.1:5', 'AllowedIPs = 10.0.0.0/8');
  const [saved] = savedConfig(
    accept(t, text).config,
    state([
      running('a', {
        presharedKey: new Secret(keyBytes('psk')),
        endpoint: ROAMED,
        persistentKeepaliveS: 9,
        allowedIps: [parsePrefix('11.0.0.0/8')!],
      }),
    ]),
  ).peers;
  t.like(saved, { endpoint: { host: '198.51.100.7', port: 999 }, persistentKeepaliveS: 9 });
  t.deepEqual(saved!.allowedIps, [parsePrefix('11.0.0.0/8')]);
  t.deepEqual(saved!.presharedKey!.expose(), keyBytes('psk'));
});

test('keeps the name of an endpoint, and the form of an address that is still in use', (t) => {
  const text =
    INTERFACE +
    peer('a', 'Endpoint = vpn.example.com:5') +
    peer('b', 'Endpoint = [FE80::1%eth0]:5') +
    peer('c', 'Endpoint = 192.0.2.1:5');
  const saved = savedConfig(
    accept(t, text).config,
    state([
      running('a', { endpoint: ROAMED }),
      running('b', { endpoint: { family: 6, address: 'fe80::1', port: 5, scopeId: 3 } }),
      running('c'),
    ]),
  );
  t.deepEqual(
    saved.peers.map(({ endpoint }) => endpoint),
    [
      { host: 'vpn.example.com', port: 5 },
      { host: 'FE80::1%eth0', port: 5 },
      { host: '192.0.2.1', port: 5 },
    ],
  );
});

test('saves the zone of an endpoint that was learned', (t) => {
  const endpoint = { family: 6, address: 'fe80::1', port: 5, scopeId: 3 } as const;
  const [saved] = savedConfig(
    accept(t, INTERFACE).config,
    state([running('a', { endpoint })]),
  ).peers;
  t.deepEqual(saved!.endpoint, { host: 'fe80::1%3', port: 5 });
});

test('writes no private key where the file names a key file', (t) => {
  const text = '[Interface]\n#: [Beam]\n#: PrivateKeyFile = own-key\n';
  t.false(
    formatTunnelConfig(savedConfig(accept(t, text).config, state([]))).includes('PrivateKey ='),
  );
});

test('reads back what it saved', (t) => {
  const saved = savedConfig(
    accept(t, FULL).config,
    state([running('a', { endpoint: ROAMED }), running('z')]),
  );
  t.deepEqual(meaning(accept(t, formatTunnelConfig(saved)).config), meaning(saved));
});

const strips: readonly [string, string, string][] = [
  [
    "wg-quick's settings",
    '[Interface]\nAddress = 10.0.0.1\nMTU=1\nListenPort = 5\nPostUp = x\n',
    '[Interface]\nListenPort = 5\n',
  ],
  [
    "Beam's sections and keys",
    '[Beam]\nEngine = auto\n# c\n[Peer]\nName = a\nPublicKey = x\n',
    '# c\n[Peer]\nPublicKey = x\n',
  ],
  ['empty allowed-IPs', '[Peer]\nAllowedIPs =\nAllowedIPs = ::/0\n', '[Peer]\nAllowedIPs = ::/0\n'],
  [
    'nothing marked or commented',
    '# a\n[Interface] # b\n#: [Beam]\n#: Engine = auto\n',
    '# a\n[Interface] # b\n#: [Beam]\n#: Engine = auto\n',
  ],
  [
    'nothing that wg is to refuse',
    'x\n[Foo]\nMTU = 1\n[Peer]\nMTU = 1\n',
    'x\n[Foo]\nMTU = 1\n[Peer]\nMTU = 1\n',
  ],
];
for (const [what, text, left] of strips) {
  test(`strips ${what}`, (t) => {
    t.is(stripConfig(text), left);
  });
}
