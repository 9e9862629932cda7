import test from 'ava';
import { parseTunnelConfig } from '../../../src/config/file/parseTunnelConfig.js';
import type { OperatorError } from '../../../src/base/errors.js';
import type { ExecutionContext } from 'ava';
import { INTERFACE, key, peer, refusals } from './sample.js';

function errors(t: ExecutionContext, text: string): readonly OperatorError[] {
  const parsed = parseTunnelConfig(text, { file: 'beam0.conf', name: 'beam0' });
  if (parsed.kind === 'refused') return parsed.errors;
  t.fail('accepted');
  return [];
}

const inInterface: readonly [string, string][] = [
  ['PrivateKey =', 'E_CONFIG_EMPTY'],
  ['PrivateKey = x', 'E_CONFIG_WGKEY'],
  [`PrivateKey = ${'A'.repeat(42)}B=`, 'E_CONFIG_WGKEY'],
  [`PrivateKey = ${key('x').slice(0, -1)}`, 'E_CONFIG_WGKEY'],
  ['ListenPort =', 'E_CONFIG_EMPTY'],
  ['ListenPort = 65536', 'E_CONFIG_NUMBER'],
  ['ListenPort = -1', 'E_CONFIG_NUMBER'],
  ['ListenPort = 0x10', 'E_CONFIG_NUMBER'],
  ['ListenPort = domain', 'E_CONFIG_NUMBER'],
  ['FwMark = 0X10', 'E_CONFIG_NUMBER'],
  ['FwMark = 0x', 'E_CONFIG_NUMBER'],
  ['FwMark = 0x100000000', 'E_CONFIG_NUMBER'],
  ['FwMark = ca6c', 'E_CONFIG_NUMBER'],
  ['Address = 10.0.0.1/33', 'E_CONFIG_ADDRESS'],
  ['Address = 10.0.0.1/024', 'E_CONFIG_ADDRESS'],
  ['Address = 10.0.0.1/255.255.255.0', 'E_CONFIG_ADDRESS'],
  ['Address = 10.0.0.256', 'E_CONFIG_ADDRESS'],
  ['Address = fe80::1%eth0/64', 'E_CONFIG_ADDRESS'],
  ['Address = 10.0.0.1/24/8', 'E_CONFIG_ADDRESS'],
  ['DNS = 10.0.0.53:53', 'E_CONFIG_ADDRESS'],
  ['DNS = 10.0.0', 'E_CONFIG_ADDRESS'],
  ['DNS = exa$mple', 'E_CONFIG_ADDRESS'],
  ['DNS = -a..b', 'E_CONFIG_ADDRESS'],
  ['MTU = 67', 'E_CONFIG_NUMBER'],
  ['MTU = 65536', 'E_CONFIG_NUMBER'],
  ['MTU = 1420 bytes', 'E_CONFIG_NUMBER'],
  ['Table = 0', 'E_CONFIG_ROUTE'],
  ['Table = 4294967296', 'E_CONFIG_ROUTE'],
  ['Table = a b', 'E_CONFIG_ROUTE'],
  ['Table = $(reboot)', 'E_CONFIG_ROUTE'],
  ['SaveConfig = yes', 'E_CONFIG_CHOICE'],
  ['SaveConfig =', 'E_CONFIG_EMPTY'],
  ['PublicKey = x', 'E_CONFIG_KEY'],
  ['Foo = 1', 'E_CONFIG_KEY'],
  ['= 1', 'E_CONFIG_KEY'],
  ['__proto__ = 1', 'E_CONFIG_KEY'],
  ['PostUp', 'E_CONFIG_SYNTAX'],
  ['[Interface', 'E_CONFIG_SYNTAX'],
  ['[Interface] x', 'E_CONFIG_SYNTAX'],
  ['MTU = 14\u000020', 'E_CONFIG_SYNTAX'],
  ['[Foo]', 'E_CONFIG_SECTION'],
  ['[]', 'E_CONFIG_SECTION'],
  ['[constructor]', 'E_CONFIG_SECTION'],
];
for (const [line, code] of inInterface) {
  test(`refuses ${JSON.stringify(line)} in [Interface] with ${code}`, (t) => {
    t.deepEqual(refusals(t, `${INTERFACE}${line}\n`), [`${code} 3`]);
  });
}

const inPeer: readonly [string, string][] = [
  ['PresharedKey = x', 'E_CONFIG_WGKEY'],
  ['AllowedIPs = 10.0.0.0/33', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = 10.0.0.0/', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = 10.0.0.0/+8', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = 10.0.0.0/8/8', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = 10.0.0.0/8,', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = ,10.0.0.0/8', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = 10.1/16', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = +-10.0.0.0/8', 'E_CONFIG_ROUTE'],
  ['AllowedIPs = fe80::1%lo/64', 'E_CONFIG_ROUTE'],
  ['Endpoint =', 'E_CONFIG_EMPTY'],
  ['Endpoint = 1.2.3.4', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 1.2.3.4:', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 1.2.3.4:0', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 1.2.3.4:65536', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 1.2.3.4:0x5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 1.2.3.4:http', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 1.2.3.400:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 127.1:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = :5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = [::1]', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = [::1:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = [::1]5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = []:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = 2001:db8::1', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = host%eth0:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = [fe80::1%]:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = http://host:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = bücher.example:5', 'E_CONFIG_ENDPOINT'],
  ['Endpoint = a..b:5', 'E_CONFIG_ENDPOINT'],
  [`Endpoint = ${'a'.repeat(64)}.example:5`, 'E_CONFIG_ENDPOINT'],
  ['PersistentKeepalive =', 'E_CONFIG_EMPTY'],
  ['PersistentKeepalive = 65536', 'E_CONFIG_NUMBER'],
  ['PersistentKeepalive = -1', 'E_CONFIG_NUMBER'],
  ['PersistentKeepalive = on', 'E_CONFIG_NUMBER'],
  ['ListenPort = 5', 'E_CONFIG_KEY'],
  ['Name =', 'E_CONFIG_EMPTY'],
];
for (const [line, code] of inPeer) {
  test(`refuses ${JSON.stringify(line)} in [Peer] with ${code}`, (t) => {
    t.deepEqual(refusals(t, INTERFACE + peer('a', line)), [`${code} 5`]);
  });
}

const asAWhole: readonly [string, string, string[]][] = [
  ['an empty file', '', ['E_CONFIG_MISSING 0']],
  ['a file of comments', '# nothing\n\n', ['E_CONFIG_MISSING 0']],
  ['a file with only a peer', peer('a'), ['E_CONFIG_MISSING 0']],
  [
    'a peer without a public key',
    `${INTERFACE}[Peer]\nAllowedIPs = 10.0.0.0/8\n`,
    ['E_CONFIG_MISSING 3'],
  ],
  [
    'a peer with a wrong public key, once',
    `${INTERFACE}[Peer]\nPublicKey = x\n`,
    ['E_CONFIG_WGKEY 4'],
  ],
  ['a setting before any section', `ListenPort = 5\n${INTERFACE}`, ['E_CONFIG_SECTION 1']],
  [
    'an unknown section, but not its settings',
    `${INTERFACE}[Foo]\nA = 1\nB = 2\n`,
    ['E_CONFIG_SECTION 3'],
  ],
  [
    'a byte-order mark',
    `\ufeff${INTERFACE}`,
    ['E_CONFIG_MISSING 0', 'E_CONFIG_SYNTAX 1', 'E_CONFIG_SECTION 2'],
  ],
];
for (const [what, text, expected] of asAWhole) {
  test(`refuses ${what}`, (t) => {
    t.deepEqual(refusals(t, text), expected);
  });
}

test('reports all errors at once, in the order of the lines', (t) => {
  const text = `[Interface]
PrivatKey = ${key('own')}
Address = 10.0.0.300/24, fd00::1/129
[Peer]
AllowedIPs = 10.0.0.0/33
Endpoint = nowhere
[Peeer]
`;
  t.deepEqual(refusals(t, text), [
    'E_CONFIG_KEY 2',
    'E_CONFIG_ADDRESS 3',
    'E_CONFIG_ADDRESS 3',
    'E_CONFIG_MISSING 4',
    'E_CONFIG_ROUTE 5',
    'E_CONFIG_ENDPOINT 6',
    'E_CONFIG_SECTION 7',
  ]);
});

test('an error says place, expected, found and remedy', (t) => {
  const [error] = errors(t, INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/33'));
  t.deepEqual(error!.details, {
    code: 'E_CONFIG_ROUTE',
    place: 'beam0.conf:5',
    expected: 'an IPv4 or IPv6 address and a length from 0 to 32',
    found: '10.0.0.0/33',
    remedy: 'write prefixes such as 10.0.0.0/8 or fd00::/64, separated by commas',
  });
});

const meant: readonly [string, string][] = [
  ['Adress = 10.0.0.1', 'did you mean Address?'],
  ['PrivatKey = x', 'did you mean PrivateKey?'],
  ['PostUpp = x', 'did you mean PostUp?'],
  ['lisenport = 5', 'did you mean ListenPort?'],
  ['TMU = 5', 'did you mean MTU?'],
  ['AllowedIPs = ::/0', 'move it to [Peer]'],
  ['Engine = auto', 'move it to [Beam]'],
  ['AlowedIPs = ::/0', 'did you mean AllowedIPs, which belongs to [Peer]?'],
  ['Jc = 4', 'remove the line'],
  ['#: ListenPort = 5', 'take the #: away, so that wg and wg-quick read the line too'],
  ['[Peeer]', 'did you mean [Peer]?'],
  ['[peers]', 'did you mean [Peer]?'],
  ['[Amnezia]', 'remove the section'],
];
for (const [line, remedy] of meant) {
  test(`to ${line} the remedy is: ${remedy}`, (t) => {
    t.is(errors(t, `${INTERFACE}${line}\n`)[0]!.details.remedy, remedy);
  });
}

const secret = key('secret');
const slips: readonly [string, string][] = [
  ['in a key of the wrong length', `PrivateKey = ${secret}x`],
  ['without its name', secret],
  ['as the name of a setting', `${secret.slice(0, -1)} = x`],
  ['behind a missing equals sign', `PrivateKey ${secret}`],
  ['in a misspelt setting', `PrivatKey = ${secret}`],
  ['as a section', `[${secret}]`],
  ['as a port', `ListenPort = ${secret}`],
  ['as an address', `Address = ${secret}`],
  ['on the line of another setting', `Address = 10.0.0.1/24 PrivateKey = ${secret}`],
  ['as a DNS server', `DNS = ${secret}`],
  ['as a table', `Table = ${secret}`],
];
for (const [what, line] of slips) {
  test(`never shows a secret ${what}`, (t) => {
    const text = errors(t, `${INTERFACE}${line}\n`)
      .map((error) => error.message)
      .join('\n');
    for (let at = 0; at + 16 <= secret.length; at++) {
      t.false(text.includes(secret.slice(at, at + 16)), text);
    }
  });
}

test('shows nothing that could repaint a terminal', (t) => {
  const [error] = errors(t, INTERFACE + peer('a', 'Endpoint = \u001b[2J\u202e:5'));
  t.is(error!.details.found, '?[2J?:5');
});

test('names the number of errors past 200', (t) => {
  const all = errors(t, `${INTERFACE}${'x\n'.repeat(1000)}`);
  t.is(all.length, 201);
  t.is(all.at(-1)!.code, 'E_CONFIG_MORE');
  t.is(all.at(-1)!.details.found, '800 more');
});

test('refuses a text past 16 MiB without reading it', (t) => {
  t.deepEqual(refusals(t, 'x\n'.repeat(8 * 1024 * 1024 + 1)), ['E_CONFIG_SIZE 0']);
});
