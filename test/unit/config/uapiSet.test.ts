// Every errno here was compared with wireguard-go 0.0.20220316 on the same lines.
import test from 'ava';
import { toHex } from '../../../src/base/bytes.js';
import { formatEndpoint, formatPrefix } from '../../../src/base/ip.js';
import { parseSet } from '../../../src/config/uapi/setParser.js';
import type { SetOutcome } from '../../../src/config/uapi/setParser.js';
import type { DeviceChange, PeerChange } from '../../../src/peer/change.js';
import type { ExecutionContext } from 'ava';
import { hexKey } from './sample.js';

const zones = new Map([
  ['eth0', 7],
  ['1', 9],
]);
const parse = (...lines: readonly string[]): SetOutcome =>
  parseSet(lines, (zone) => zones.get(zone) ?? null);
const parsePeer = (...lines: readonly string[]): SetOutcome =>
  parse(`public_key=${hexKey('a')}`, ...lines);

function change(t: ExecutionContext, outcome: SetOutcome): DeviceChange {
  if (outcome.kind === 'change') return outcome.change;
  t.fail();
  throw new Error('refused');
}
const onlyPeer = (t: ExecutionContext, ...lines: readonly string[]): PeerChange =>
  change(t, parsePeer(...lines)).peers[0]!;
const edits = (peer: PeerChange): string[] =>
  peer.allowedIps.map(({ edit, prefix }) => `${edit} ${formatPrefix(prefix)}`);

test('an empty set changes nothing', (t) => {
  t.deepEqual(change(t, parse()), { replacePeers: false, peers: [] });
});

test('reads all device keys', (t) => {
  const read = change(
    t,
    parse(
      `private_key=${hexKey('own')}`,
      'listen_port=51820',
      'fwmark=4294967295',
      'replace_peers=true',
    ),
  );
  t.is(toHex(read.privateKey!.expose()), hexKey('own'));
  t.is(read.listenPort, 51_820);
  t.is(read.fwmark, 4_294_967_295);
  t.true(read.replacePeers);
});

test('reads all peer keys', (t) => {
  const peer = onlyPeer(
    t,
    `preshared_key=${hexKey('psk').toUpperCase()}`,
    'endpoint=192.0.2.1:51820',
    'persistent_keepalive_interval=25',
    'replace_allowed_ips=true',
    'allowed_ip=10.1.2.3/8',
    'allowed_ip=-2001:db8::/32',
    'protocol_version=1',
    'update_only=true',
  );
  t.is(toHex(peer.publicKey), hexKey('a'));
  t.is(toHex(peer.presharedKey!.expose()), hexKey('psk'));
  t.is(formatEndpoint(peer.endpoint!), '192.0.2.1:51820');
  t.is(peer.persistentKeepaliveS, 25);
  t.deepEqual(edits(peer), ['add 10.0.0.0/8', 'remove 2001:db8::/32']);
  t.true(peer.replaceAllowedIps && peer.updateOnly && !peer.remove);
});

test('zeros remove the private key and the pre-shared key', (t) => {
  const zeros = '0'.repeat(64);
  t.is(change(t, parse(`private_key=${zeros}`)).privateKey, null);
  t.is(onlyPeer(t, `preshared_key=${zeros}`).presharedKey, null);
});

test("keys that aren't named stay absent", (t) => {
  const peer = onlyPeer(t);
  t.false('presharedKey' in peer || 'endpoint' in peer || 'persistentKeepaliveS' in peer);
});

test('the last of repeated lines counts, and an overwritten key is destroyed', (t) => {
  const peer = onlyPeer(t, `preshared_key=${hexKey('x')}`, `preshared_key=${'0'.repeat(64)}`);
  t.is(peer.presharedKey, null);
  t.is(change(t, parse('fwmark=1', 'fwmark=2')).fwmark, 2);
});

test('replace_allowed_ips also forgets the allowed-IPs of earlier lines', (t) => {
  const peer = onlyPeer(
    t,
    'allowed_ip=10.0.0.0/8',
    'replace_allowed_ips=true',
    'allowed_ip=11.0.0.0/8',
  );
  t.deepEqual(edits(peer), ['add 11.0.0.0/8']);
});

test('the same peer may come several times', (t) => {
  const again = [`public_key=${hexKey('a')}`, 'remove=true', `public_key=${hexKey('b')}`];
  const { peers } = change(t, parsePeer(...again));
  t.deepEqual(
    peers.map((peer) => `${toHex(peer.publicKey) === hexKey('a') ? 'a' : 'b'} ${peer.remove}`),
    ['a false', 'a true', 'b false'],
  );
});

const endpoints: readonly [string, string][] = [
  ['1.2.3.4:5', '1.2.3.4:5'],
  ['1.2.3.4:0', '1.2.3.4:0'],
  ['1.2.3.4:05', '1.2.3.4:5'],
  ['[::1]:65535', '[::1]:65535'],
  ['[2001:DB8:0:0:0:0:0:1]:5', '[2001:db8::1]:5'],
  ['[fe80::1%eth0]:5', '[fe80::1%7]:5'],
  ['[fe80::1%3]:5', '[fe80::1%3]:5'],
  ['[fe80::1%1]:5', '[fe80::1%9]:5'],
  ['[::ffff:1.2.3.4]:5', '1.2.3.4:5'],
  ['[::ffff:102:304]:5', '1.2.3.4:5'],
];
for (const [text, meant] of endpoints) {
  test(`the endpoint ${text} means ${meant}`, (t) => {
    t.is(formatEndpoint(onlyPeer(t, `endpoint=${text}`).endpoint!), meant);
  });
}

const EINVAL = -22;
const EPROTO = -71;
const deviceRefusals: readonly [string, number][] = [
  ['bogus=1', EINVAL],
  ['bogus', EPROTO],
  ['=5', EINVAL],
  ['private_key=zz', EINVAL],
  [`private_key=${'1'.repeat(63)}`, EINVAL],
  [`private_key=${'1'.repeat(65)}`, EINVAL],
  ['private_key=', EINVAL],
  ['listen_port=65536', EINVAL],
  ['listen_port=-1', EINVAL],
  ['listen_port=+5', EINVAL],
  ['listen_port=0x10', EINVAL],
  ['listen_port=1_0', EINVAL],
  ['listen_port= 5', EINVAL],
  ['listen_port=', EINVAL],
  ['fwmark=4294967296', EINVAL],
  ['fwmark=0x10', EINVAL],
  ['fwmark=off', EINVAL],
  ['replace_peers=false', EINVAL],
  ['replace_peers=True', EINVAL],
  ['allowed_ip=10.0.0.0/8', EINVAL],
  ['remove=true', EINVAL],
  ['public_key=11', EINVAL],
  [`public_key=${'1'.repeat(66)}`, EINVAL],
  ['__proto__=1', EINVAL],
  ['constructor=1', EINVAL],
  ['errno=0', EINVAL],
];
const peerRefusals: readonly [string, number][] = [
  ['bogus=1', EINVAL],
  ['bogus', EPROTO],
  ['private_key=zz', EINVAL],
  ['listen_port=5', EINVAL],
  ['replace_peers=true', EINVAL],
  ['protocol_version=2', EINVAL],
  ['protocol_version=01', EINVAL],
  ['persistent_keepalive_interval=65536', EINVAL],
  ['persistent_keepalive_interval=-1', EINVAL],
  ['persistent_keepalive_interval=off', EINVAL],
  ['update_only=false', EINVAL],
  ['remove=false', EINVAL],
  ['replace_allowed_ips=false', EINVAL],
  ['preshared_key=00', EINVAL],
  ['allowed_ip=10.0.0.0/33', EINVAL],
  ['allowed_ip=10.0.0.1', EINVAL],
  ['allowed_ip=+10.0.0.0/24', EINVAL],
  ['allowed_ip=--10.0.0.0/24', EINVAL],
  ['allowed_ip=010.0.0.0/8', EINVAL],
  ['allowed_ip=fe80::%lo/64', EINVAL],
  ['allowed_ip=10.0.0.0/8/8', EINVAL],
  ['allowed_ip=1.1.1.1/32 ', EINVAL],
  ['allowed_ip=', EINVAL],
  [' allowed_ip=1.1.1.1/32', EINVAL],
  ['ALLOWED_IP=1.1.1.1/32', EINVAL],
  ['endpoint=::1:5', EINVAL],
  ['endpoint=[1.2.3.4]:5', EINVAL],
  ['endpoint=1.2.3.4:65536', EINVAL],
  ['endpoint=1.2.3.4:+5', EINVAL],
  ['endpoint=1.2.3.4', EINVAL],
  ['endpoint=example.com:5', EINVAL],
  ['endpoint=[fe80::1%nope]:5', EINVAL],
  ['endpoint=[fe80::1%]:5', EINVAL],
  ['endpoint=[fe80::1%eth0%eth0]:5', EINVAL],
  ['endpoint=1.2.3.4%eth0:5', EINVAL],
  ['endpoint=[::1', EINVAL],
  ['endpoint=', EINVAL],
];
for (const [kind, refusals] of [
  ['device', deviceRefusals],
  ['peer', peerRefusals],
] as const) {
  for (const [line, errno] of refusals) {
    test(`refuses the ${kind} line ${JSON.stringify(line)} with ${errno}`, (t) => {
      const outcome = kind === 'device' ? parse('fwmark=1', line) : parsePeer(line);
      t.like(outcome, { kind: 'refused', errno, line: 2 });
    });
  }
}

test('the first wrong line decides', (t) => {
  t.like(parse('fwmark=1', 'nokey', 'bogus=1'), { errno: EPROTO, line: 2 });
  t.like(parse('fwmark=1', 'bogus=1', 'nokey'), { errno: EINVAL, line: 2 });
});

test("a refusal's reason names the key and never the value", (t) => {
  const secret = `${hexKey('own')}0`;
  for (const line of [`private_key=${secret}`, secret, `${secret}=1`, `=${secret}`]) {
    const outcome = parse(line);
    t.false(JSON.stringify(outcome).includes(secret.slice(0, 16)), line);
  }
  t.like(parse('listen_port=x'), { reason: 'listen_port: value not allowed' });
});
