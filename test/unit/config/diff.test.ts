import test from 'ava';
import { toBase64 } from '../../../src/base/bytes.js';
import type { Endpoint } from '../../../src/base/ip.js';
import { formatPrefix } from '../../../src/base/ip.js';
import { Secret } from '../../../src/base/secret.js';
import type { ConfigDiff } from '../../../src/config/diff/configDiff.js';
import { deviceTransition } from '../../../src/config/diff/deviceTransition.js';
import type { DeviceTransition } from '../../../src/config/diff/deviceTransition.js';
import { diffConfigs } from '../../../src/config/diff/diffConfigs.js';
import { diffToJson, formatDiff } from '../../../src/config/diff/formatDiff.js';
import type { PeerChange } from '../../../src/peer/change.js';
import type { ExecutionContext } from 'ava';
import { INTERFACE, accept, key, keyBytes, peer } from './sample.js';

const diff = (t: ExecutionContext, running: string, wanted: string): ConfigDiff =>
  diffConfigs(accept(t, running).config, accept(t, wanted).config);
const label = (name: string): string => `${key(name).slice(0, 4)}…${key(name).slice(-5)}`;

const inInterface: readonly [string, string, string[]][] = [
  ['', '', []],
  ['MTU = 1420', 'MTU = 1380', ['MTU: 1420 -> 1380']],
  ['', 'MTU = 1380', ['MTU: (none) -> 1380']],
  ['ListenPort = 1', '', ['ListenPort: 1 -> (none)']],
  ['ListenPort = 0', '', []],
  ['FwMark = 16', 'FwMark = 0x10', []],
  ['FwMark = 16', 'FwMark = off', ['FwMark: 0x10 -> (none)']],
  ['Address = 10.0.0.1/24', 'Address = 10.0.0.1/24, fd00::1/64', ['Address: + fd00::1/64']],
  ['Address = 10.0.0.1/24', 'Address = 10.0.0.1/25', ['Address: - 10.0.0.1/24, + 10.0.0.1/25']],
  ['Address = 10.0.0.1, 10.0.0.2', 'Address = 10.0.0.2\nAddress = 10.0.0.1', []],
  ['DNS = 10.0.0.53', 'DNS = 10.0.0.53, a.example', ['DNS: 10.0.0.53 -> 10.0.0.53, a.example']],
  ['Table = auto', 'Table = off', ['Table: (none) -> off']],
  ['PostUp = a\nPostUp = b', 'PostUp = b\nPostUp = a', ['PostUp: a ; b -> b ; a']],
  ['', 'SaveConfig = true', ['SaveConfig: (none) -> true']],
  [`PrivateKey = ${key('new')}`, '', ['PrivateKey: changed']],
  ['#: [Beam]\n#: Engine = sodium', '', ['Engine: sodium -> auto (after a restart)']],
  ['#: [Beam]\n#: LogLevel = debug', '', ['LogLevel: debug -> info']],
  ['', '#: [Beam]\n#: EndpointResolution = off', ['EndpointResolution: 30 -> off']],
];
for (const [running, wanted, lines] of inInterface) {
  test(`from ${JSON.stringify(running)} to ${JSON.stringify(wanted)}: ${lines.join('; ') || 'nothing'}`, (t) => {
    t.deepEqual(formatDiff(diff(t, `${INTERFACE}${running}\n`, `${INTERFACE}${wanted}\n`)), lines);
  });
}

test('says which peers come, go and change, by name and key', (t) => {
  const running =
    INTERFACE +
    peer('a', '#: Name = alice', 'AllowedIPs = 10.0.0.0/8, 11.0.0.0/8') +
    peer('b') +
    peer('c');
  const wanted =
    INTERFACE +
    peer('c') +
    peer('d', '#: Name = dora') +
    peer('a', '#: Name = alice', 'AllowedIPs = 11.0.0.0/8', `PresharedKey = ${key('psk')}`);
  t.deepEqual(formatDiff(diff(t, running, wanted)), [
    `peer ${label('b')}: removed`,
    `peer dora (${label('d')}): added`,
    `peer alice (${label('a')}): PresharedKey: (none) -> (secret)`,
    `peer alice (${label('a')}): AllowedIPs: - 10.0.0.0/8`,
  ]);
});

test('the order of peers and of allowed-IPs means nothing', (t) => {
  const running = INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/8, 11.0.0.0/8') + peer('b');
  const wanted =
    peer('b') + INTERFACE + peer('a', 'AllowedIPs = 11.0.0.0/8', 'AllowedIPs = 10.0.0.0/8');
  t.deepEqual(diff(t, running, wanted).changes, []);
});

test('counts the items of a long list instead of naming them all', (t) => {
  const many = Array.from({ length: 10 }, (_, i) => `10.${i}.0.0/16`).join(', ');
  const [line] = formatDiff(
    diff(t, INTERFACE + peer('a'), INTERFACE + peer('a', `AllowedIPs = ${many}`)),
  );
  t.true(line!.endsWith('+ 10.7.0.0/16, + 2 more'));
});

test('as JSON it has the documented shape and no secret', (t) => {
  const running = `${INTERFACE}MTU = 1420\n${peer('a', '#: Name = alice')}${peer('b')}`;
  const wanted = `[Interface]\nPrivateKey = ${key('new')}\nMTU = 1380\nAddress = 10.0.0.2/24\n#: [Beam]\n#: Engine = sodium\n${peer('a', '#: Name = alice', `PresharedKey = ${key('psk')}`)}${peer('c')}`;
  const json = diffToJson(diff(t, running, wanted));
  t.deepEqual(json, {
    needsRestart: true,
    changes: [
      {
        kind: 'setting',
        section: 'Interface',
        key: 'PrivateKey',
        from: '(secret)',
        to: '(secret)',
      },
      { kind: 'list', section: 'Interface', key: 'Address', added: ['10.0.0.2/24'], removed: [] },
      { kind: 'setting', section: 'Interface', key: 'MTU', from: '1420', to: '1380' },
      { kind: 'setting', section: 'Beam', key: 'Engine', from: 'auto', to: 'sodium' },
      { kind: 'peerRemoved', publicKey: key('b'), name: null },
      {
        kind: 'peerChanged',
        publicKey: key('a'),
        name: 'alice',
        changes: [
          { kind: 'setting', section: 'Peer', key: 'PresharedKey', from: '', to: '(secret)' },
        ],
      },
      { kind: 'peerAdded', publicKey: key('c'), name: null },
    ],
  });
});

const ENDPOINT: Endpoint = { family: 4, address: '192.0.2.9', port: 5, scopeId: 0 };
const transition = (t: ExecutionContext, running: string, wanted: string): DeviceTransition =>
  deviceTransition(diff(t, running, wanted), {
    endpoints: new Map([[key('a'), ENDPOINT]]),
    keyFromFile: null,
  });
/** Peers by their sample names, everything else as it is. */
function readable(peers: readonly PeerChange[]): string[] {
  return peers.map((change) => {
    const name = ['a', 'b', 'c'].find((one) => key(one) === toBase64(change.publicKey));
    const parts = [
      change.remove ? 'remove' : '',
      change.updateOnly ? '' : 'create',
      change.replaceAllowedIps ? 'replace' : '',
      ...change.allowedIps.map(
        ({ edit, prefix }) => `${edit === 'add' ? '+' : '-'}${formatPrefix(prefix)}`,
      ),
      change.endpoint?.address ?? '',
      change.presharedKey === undefined ? '' : change.presharedKey === null ? 'no psk' : 'psk',
      change.persistentKeepaliveS === undefined ? '' : `every ${change.persistentKeepaliveS}`,
    ];
    return [name, ...parts.filter((part) => part !== '')].join(' ');
  });
}

const transitions: readonly [string, string, string, string[], string[]][] = [
  [
    'a peer that is added comes whole',
    '',
    peer('a', 'AllowedIPs = 10.0.0.0/8', 'Endpoint = x:5'),
    ['a create replace +10.0.0.0/8 192.0.2.9 no psk every 0'],
    [],
  ],
  [
    'a peer that goes, goes last',
    peer('a'),
    peer('b'),
    ['b create replace no psk every 0'],
    ['a remove'],
  ],
  [
    'only the changed fields are given',
    peer('a', 'PersistentKeepalive = 5', 'AllowedIPs = ::/0'),
    peer('a', `PresharedKey = ${key('psk')}`, 'AllowedIPs = ::/0'),
    ['a psk every 0'],
    [],
  ],
  [
    'allowed-IPs come one by one, and go later',
    peer('a', 'AllowedIPs = 10.0.0.0/8, ::/0'),
    peer('a', 'AllowedIPs = 11.0.0.0/8, ::/0'),
    ['a +11.0.0.0/8'],
    ['a -10.0.0.0/8'],
  ],
  [
    'a prefix that moves is only given to the new peer',
    peer('a', 'AllowedIPs = 10.0.0.0/8') + peer('b'),
    peer('a') + peer('b', 'AllowedIPs = 10.0.0.0/8'),
    ['b +10.0.0.0/8'],
    [],
  ],
  [
    'a new endpoint is given as it was resolved',
    peer('a', 'Endpoint = x:5'),
    peer('a', 'Endpoint = y:5'),
    ['a 192.0.2.9'],
    [],
  ],
  ['an endpoint that goes changes nothing', peer('a', 'Endpoint = x:5'), peer('a'), [], []],
  [
    'an endpoint that is not resolved yet changes nothing',
    peer('b', 'Endpoint = x:5'),
    peer('b', 'Endpoint = y:5'),
    [],
    [],
  ],
  ['a name changes nothing', peer('a'), peer('a', '#: Name = x'), [], []],
  [
    'peers that stay are not named',
    peer('a') + peer('b') + peer('c'),
    peer('a') + peer('b'),
    [],
    ['c remove'],
  ],
];
for (const [claim, running, wanted, widen, narrow] of transitions) {
  test(`in the device's change, ${claim}`, (t) => {
    const result = transition(t, INTERFACE + running, INTERFACE + wanted);
    t.deepEqual(readable(result.widen.peers), widen);
    t.deepEqual(readable(result.narrow.peers), narrow);
    t.false(result.widen.replacePeers || result.narrow.replacePeers);
    t.deepEqual(Object.keys(result.widen).sort(), ['peers', 'replacePeers']);
  });
}

test('port, mark and key are given only where they differ', (t) => {
  const wanted = `[Interface]\nPrivateKey = ${key('new')}\nListenPort = 5\nFwMark = 6\n`;
  const { widen } = transition(t, INTERFACE, wanted);
  t.like(widen, { listenPort: 5, fwmark: 6 });
  t.deepEqual(widen.privateKey!.expose(), keyBytes('new'));
  t.like(transition(t, wanted, INTERFACE).widen, { listenPort: 0, fwmark: 0 });
});

test('a private key that is taken out of the file is removed', (t) => {
  t.is(transition(t, INTERFACE, '[Interface]\n').widen.privateKey, null);
});

test('the key of a file is always given: it may have changed', (t) => {
  const text = '[Interface]\n#: [Beam]\n#: PrivateKeyFile = own-key\n';
  const keyFromFile = new Secret(keyBytes('own'));
  const { widen } = deviceTransition(diff(t, text, text), { endpoints: new Map(), keyFromFile });
  t.is(widen.privateKey, keyFromFile);
});
