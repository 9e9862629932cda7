import test from 'ava';
import { toBase64 } from '../../../src/base/bytes.js';
import { formatAddress, formatPrefix } from '../../../src/base/ip.js';
import {
  formatEndpointConfig,
  formatInterfaceAddress,
  substituteInterfaceName,
} from '../../../src/config/tunnelConfig.js';
import type { InterfaceConfig, PeerConfig } from '../../../src/config/tunnelConfig.js';
import type { ExecutionContext } from 'ava';
import { INTERFACE, accept, key, keyBytes, peer } from './sample.js';

const ownOf = (t: ExecutionContext, ...lines: readonly string[]): InterfaceConfig =>
  accept(t, `${INTERFACE}${lines.join('\n')}`).config.interface;
const peerOf = (t: ExecutionContext, ...lines: readonly string[]): PeerConfig =>
  accept(t, INTERFACE + peer('a', ...lines)).config.peers[0]!;
const noticesOf = (t: ExecutionContext, text: string): string[] =>
  accept(t, text).notices.map(({ code, place }) => `${code} ${place.split(':')[1] ?? 0}`);

test('a file with only a private key has the defaults', (t) => {
  const { config, notices } = accept(t, INTERFACE);
  t.deepEqual(notices, []);
  t.is(config.name, 'beam0');
  t.is(config.file, 'beam0.conf');
  t.deepEqual(config.interface.privateKey!.expose(), keyBytes('own'));
  t.like(config.interface, {
    privateKeyFile: null,
    privateKeyStore: null,
    storePassphrase: null,
    listenPort: null,
    fwmark: 0,
    addresses: [],
    dns: { servers: [], search: [] },
    mtu: null,
    table: { kind: 'auto' },
    preUp: [],
    postUp: [],
    preDown: [],
    postDown: [],
    saveConfig: false,
  });
  t.deepEqual(config.beam, {
    engine: 'auto',
    queues: 1,
    endpointResolutionS: 30,
    logLevel: 'info',
  });
  t.deepEqual(config.peers, []);
});

test('reads a whole file of wg-quick', (t) => {
  const text = `# a hub
[Interface]
PrivateKey = ${key('own')}   # never shown
ListenPort = 51820
FwMark = 0xca6c
Address = 10.0.0.1/24, fd00::1/64
Address = 10.0.1.1
DNS = 10.0.0.53, fd00::53 example.com
MTU = 1420
Table = 1234
PreUp = sysctl -w net.ipv4.ip_forward=1
PostUp = iptables -A FORWARD -i %i -j ACCEPT
PostUp = echo two
PostDown = iptables -D FORWARD -i %i -j ACCEPT
PreDown = true
SaveConfig = true

[Peer]
PublicKey = ${key('a')}
PresharedKey = ${key('psk')}
AllowedIPs = 10.0.0.2/32, fd00::2/128
AllowedIPs = 192.168.0.0/16
Endpoint = vpn.example.com:51820
PersistentKeepalive = 25
`;
  const { config, notices } = accept(t, text);
  const own = config.interface;
  t.deepEqual(notices, []);
  t.like(own, { listenPort: 51_820, fwmark: 0xca6c, mtu: 1420, saveConfig: true });
  t.deepEqual(own.table, { kind: 'table', id: '1234' });
  t.deepEqual(own.addresses.map(formatInterfaceAddress), [
    '10.0.0.1/24',
    'fd00::1/64',
    '10.0.1.1/32',
  ]);
  t.deepEqual(own.dns.servers.map(formatAddress), ['10.0.0.53', 'fd00::53']);
  t.deepEqual(own.dns.search, ['example.com']);
  t.deepEqual(own.postUp, ['iptables -A FORWARD -i %i -j ACCEPT', 'echo two']);
  t.is(substituteInterfaceName(own.postUp[0]!, 'beam0'), 'iptables -A FORWARD -i beam0 -j ACCEPT');
  t.is(own.lines.get('Address'), 6);
  t.is(own.lines.get('MTU'), 9);
  const [only] = config.peers;
  t.deepEqual(only!.publicKey, keyBytes('a'));
  t.deepEqual(only!.presharedKey!.expose(), keyBytes('psk'));
  t.deepEqual(only!.allowedIps.map(formatPrefix), ['10.0.0.2/32', 'fd00::2/128', '192.168.0.0/16']);
  t.deepEqual(only!.endpoint, { host: 'vpn.example.com', port: 51_820 });
  t.is(only!.persistentKeepaliveS, 25);
  t.is(only!.line, 18);
  t.is(only!.lines.get('Endpoint'), 23);
});

const layouts: readonly [string, string][] = [
  ['CRLF line ends', `${INTERFACE}${peer('a')}`.replaceAll('\n', '\r\n')],
  ['no line end at the end', `${INTERFACE}${peer('a').trimEnd()}`],
  ['names in other cases', `[INTERFACE]\nprivatekey=${key('own')}\n[pEER]\nPUBLICKEY=${key('a')}`],
  ['tabs', `\t[Interface]\t\n\tPrivateKey\t=\t${key('own')}\n${peer('a')}`],
  [
    'white space in names',
    `[ Interface ]\nPrivate Key = ${key('own')}\n[Peer ]\nPublic Key=${key('a')}`,
  ],
  [
    'comments behind everything',
    `[Interface]#c\nPrivateKey = ${key('own')}#c\n[Peer] # [x]\nPublicKey=${key('a')} # c`,
  ],
  ['the peer first', `${peer('a')}${INTERFACE}`],
  ['two interface sections', `[Interface]\n${peer('a')}${INTERFACE}`],
];
for (const [what, text] of layouts) {
  test(`reads a file with ${what}`, (t) => {
    const { config } = accept(t, text);
    t.deepEqual(config.interface.privateKey!.expose(), keyBytes('own'));
    t.deepEqual(
      config.peers.map(({ publicKey }) => publicKey),
      [keyBytes('a')],
    );
  });
}

const interfaceValues: readonly [string, Partial<InterfaceConfig>][] = [
  ['ListenPort = 0', { listenPort: null }],
  ['ListenPort = 65535', { listenPort: 65_535 }],
  ['ListenPort = 51 820', { listenPort: 51_820 }],
  ['FwMark = off', { fwmark: 0 }],
  ['FwMark = OFF', { fwmark: 0 }],
  ['FwMark = 010', { fwmark: 10 }],
  ['FwMark = 0xFFffFFff', { fwmark: 0xffff_ffff }],
  ['MTU = 68', { mtu: 68 }],
  ['MTU = 65535', { mtu: 65_535 }],
  ['MTU =', { mtu: null }],
  ['Address =', { addresses: [] }],
  ['DNS =', { dns: { servers: [], search: [] } }],
  [
    'DNS = example.com, ~corp.example, ~.',
    { dns: { servers: [], search: ['example.com', '~corp.example', '~.'] } },
  ],
  ['Table = auto', { table: { kind: 'auto' } }],
  ['Table =', { table: { kind: 'auto' } }],
  ['Table = off', { table: { kind: 'off' } }],
  ['Table = OFF', { table: { kind: 'off' } }],
  ['Table = 4294967295', { table: { kind: 'table', id: '4294967295' } }],
  ['Table = 0x10', { table: { kind: 'table', id: '16' } }],
  ['Table = main', { table: { kind: 'table', id: 'main' } }],
  ['SaveConfig = TRUE', { saveConfig: true }],
  ['SaveConfig = false', { saveConfig: false }],
  ['PostUp =', { postUp: [] }],
  ['PostUp = a = b', { postUp: ['a = b'] }],
  ['PostUp = a # b', { postUp: ['a'] }],
];
for (const [line, meant] of interfaceValues) {
  test(`in [Interface], ${line} means ${JSON.stringify(meant)}`, (t) => {
    t.like(ownOf(t, line), meant);
  });
}

const endpointValues: readonly [string, string][] = [
  ['192.0.2.1:51820', '192.0.2.1:51820'],
  ['[2001:db8::1]:51820', '[2001:db8::1]:51820'],
  ['2001:db8::1:51820', '[2001:db8::1]:51820'],
  ['[fe80::1%eth0]:1', '[fe80::1%eth0]:1'],
  ['[192.0.2.1]:65535', '192.0.2.1:65535'],
  ['vpn.example.com.:51820', 'vpn.example.com.:51820'],
  ['my_host-1: 5', 'my_host-1:5'],
  ['xn--bcher-kva.example:5', 'xn--bcher-kva.example:5'],
];
for (const [text, meant] of endpointValues) {
  test(`the endpoint ${text} means ${meant}`, (t) => {
    t.is(formatEndpointConfig(peerOf(t, `Endpoint = ${text}`).endpoint!), meant);
  });
}

const allowedIpLines: readonly [readonly string[], readonly string[]][] = [
  [['AllowedIPs ='], []],
  [['AllowedIPs = 10.0.0.1'], ['10.0.0.1/32']],
  [['AllowedIPs = ::1'], ['::1/128']],
  [['AllowedIPs = 10. 0.0.0 / 8 ,11.0.0.0/08'], ['10.0.0.0/8', '11.0.0.0/8']],
  [['AllowedIPs = 0.0.0.0/0, ::/0'], ['0.0.0.0/0', '::/0']],
  [['AllowedIPs = 10.0.0.0/8, 10.0.0.0/8'], ['10.0.0.0/8']],
  [['AllowedIPs = +10.0.0.0/8'], ['10.0.0.0/8']],
  [['AllowedIPs = 10.0.0.0/8, 11.0.0.0/8', 'AllowedIPs = -10.0.0.0/8'], ['11.0.0.0/8']],
  [['AllowedIPs = -10.0.0.0/8, 10.0.0.0/8'], ['10.0.0.0/8']],
  [['AllowedIPs = ::ffff:1.2.3.0/120'], ['::ffff:102:300/120']],
];
for (const [lines, meant] of allowedIpLines) {
  test(`${lines.join(' and ')} give ${meant.join(' ') || 'nothing'}`, (t) => {
    t.deepEqual(peerOf(t, ...lines).allowedIps.map(formatPrefix), meant);
  });
}

for (const [line, seconds] of [
  ['PersistentKeepalive = off', 0],
  ['PersistentKeepalive = Off', 0],
  ['PersistentKeepalive = 025', 25],
  ['PersistentKeepalive = 65535', 65_535],
] as const) {
  test(`${line} means ${seconds} s`, (t) => {
    t.is(peerOf(t, line).persistentKeepaliveS, seconds);
  });
}

test('a key of zeros is no key', (t) => {
  const zeros = `${'A'.repeat(43)}=`;
  t.is(peerOf(t, `PresharedKey = ${zeros}`).presharedKey, null);
  t.is(accept(t, `[Interface]\nPrivateKey = ${zeros}\n`).config.interface.privateKey, null);
});

test('of a setting that is repeated the last one counts, with a notice', (t) => {
  const text = `${INTERFACE}ListenPort = 1\nListenPort = 2\nPrivateKey = ${key('other')}\n`;
  const { config } = accept(t, text);
  t.is(config.interface.listenPort, 2);
  t.deepEqual(config.interface.privateKey!.expose(), keyBytes('other'));
  t.deepEqual(noticesOf(t, text), ['W_CONFIG_REPEATED 4', 'W_CONFIG_REPEATED 5']);
});

test('two sections with one public key are one peer, as wg merges them', (t) => {
  const text =
    INTERFACE +
    peer(
      'a',
      'AllowedIPs = 10.0.0.0/8',
      'PersistentKeepalive = 5',
      `PresharedKey = ${key('psk')}`,
    ) +
    peer('b') +
    peer('a', 'AllowedIPs = 11.0.0.0/8', 'Endpoint = 192.0.2.1:5');
  const { config } = accept(t, text);
  t.deepEqual(
    config.peers.map(({ publicKey }) => toBase64(publicKey)),
    [key('b'), key('a')],
  );
  const [, merged] = config.peers;
  t.deepEqual(merged!.allowedIps.map(formatPrefix), ['11.0.0.0/8']);
  t.like(merged, { persistentKeepaliveS: 5, endpoint: { host: '192.0.2.1', port: 5 } });
  t.deepEqual(merged!.presharedKey!.expose(), keyBytes('psk'));
  t.deepEqual(noticesOf(t, text), ['W_CONFIG_PEER_TWICE 10']);
});

test('the last section with a public key takes its allowed-IPs away if it has none', (t) => {
  const text = INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/8') + peer('a');
  t.deepEqual(accept(t, text).config.peers[0]!.allowedIps, []);
});

test('an allowed-IP of two peers belongs to the later one, with a notice', (t) => {
  const text =
    INTERFACE +
    peer('a', 'AllowedIPs = 10.0.0.0/8, 12.0.0.0/8') +
    peer('b', 'AllowedIPs = 11.0.0.0/8, 10.0.0.0/8');
  const { peers } = accept(t, text).config;
  t.deepEqual(peers[0]!.allowedIps.map(formatPrefix), ['12.0.0.0/8']);
  t.deepEqual(peers[1]!.allowedIps.map(formatPrefix), ['11.0.0.0/8', '10.0.0.0/8']);
  t.deepEqual(noticesOf(t, text), ['W_CONFIG_MOVED 8']);
});

test('one range inside of another is nothing to notice', (t) => {
  const text =
    INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/8') + peer('b', 'AllowedIPs = 10.1.0.0/16');
  t.deepEqual(noticesOf(t, text), []);
});

const noticed: readonly [string, string, string][] = [
  [
    'bits past the length',
    INTERFACE + peer('a', 'AllowedIPs = 10.0.0.1/24'),
    'W_CONFIG_HOST_BITS 5',
  ],
  [
    'an MTU that ends IPv6',
    `${INTERFACE}Address = fd00::1/64\nMTU = 1279\n`,
    'W_CONFIG_IPV6_MTU 4',
  ],
  ['no private key', '[Interface]\n', 'W_CONFIG_NO_KEY 0'],
  [
    'settings of Beam without the mark',
    `${INTERFACE}[Beam]\nEngine = auto\n`,
    'W_CONFIG_BEAM_ONLY 3',
  ],
  ['a name without the mark', INTERFACE + peer('a', 'Name = a'), 'W_CONFIG_BEAM_ONLY 5'],
  [
    'one name for two peers',
    INTERFACE + peer('a', '#: Name = x') + peer('b', '# Name = x'),
    'W_CONFIG_NAME_TWICE 6',
  ],
];
for (const [what, text, notice] of noticed) {
  test(`notices ${what}`, (t) => {
    t.deepEqual(noticesOf(t, text), [notice]);
  });
}

const unnoticed: readonly [string, string][] = [
  ['a key that a hook sets', '[Interface]\nPostUp = wg set %i private-key /etc/wireguard/%i.key\n'],
  ['a key in a file', '[Interface]\n#: [Beam]\n#: PrivateKeyFile = own-key\n'],
  ['a key in the store', '[Interface]\n#: [Beam]\n#: PrivateKeyStore = default\n'],
  ['an MTU of 1280 with IPv6', `${INTERFACE}Address = fd00::1/64\nMTU = 1280\n`],
  ['a small MTU without IPv6', `${INTERFACE}Address = 10.0.0.1/24\nMTU = 576\n`],
];
for (const [what, text] of unnoticed) {
  test(`is content with ${what}`, (t) => {
    t.deepEqual(noticesOf(t, text), []);
  });
}

test('keeps no secret where it can be printed', (t) => {
  const { config } = accept(t, INTERFACE + peer('a', `PresharedKey = ${key('psk')}`));
  const text = JSON.stringify(config);
  t.false(text.includes(key('own')) || text.includes(key('psk')));
});

test('reads a peer with 65,000 allowed-IPs', (t) => {
  const prefixes = Array.from({ length: 65_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  t.is(peerOf(t, `AllowedIPs = ${prefixes.join(', ')}`).allowedIps.length, 65_000);
});
