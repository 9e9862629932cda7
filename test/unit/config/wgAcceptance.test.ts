// The real `wg` and `wg-quick` on the same files. `wg setconf` talks to a UAPI server of this test:
// what it sends must mean what Beam read in the file. Needs root, for the socket's folder.
import test from 'ava';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { literalEndpoint } from '../../../src/agent/lifecycle/configuredTunnel.js';
import { toHex } from '../../../src/base/bytes.js';
import { formatEndpoint, formatPrefix } from '../../../src/base/ip.js';
import { parseTunnelConfig } from '../../../src/config/file/parseTunnelConfig.js';
import { stripConfig } from '../../../src/config/file/stripConfig.js';
import type { TunnelConfig } from '../../../src/config/tunnelConfig.js';
import { UapiReader } from '../../support/uapiReader.js';
import type { DeviceChange } from '../../../src/peer/change.js';
import { skip } from '../../support/skip.js';
import { INTERFACE, key, peer } from './sample.js';

const run = promisify(execFile);
const SOCKET_FOLDER = '/var/run/wireguard';
const INTERFACE_NAME = `bcf-${process.pid}`;
const SOCKET = join(SOCKET_FOLDER, `${INTERFACE_NAME}.sock`);
const TIMEOUT_MS = 10_000;

const WG = ['/usr/bin/wg', '/usr/bin/wg-quick'];
const reason = ((): string | null => {
  if (process.getuid?.() !== 0) return 'needs root';
  return WG.find((path) => !existsSync(path)) === undefined ? null : 'wg is not installed';
})();

const folder = mkdtempSync(join(tmpdir(), 'bcf-'));
const file = join(folder, `${INTERFACE_NAME}.conf`);
test.after.always(() => rmSync(folder, { recursive: true }));

type Outcome =
  { readonly kind: 'sent'; readonly change: DeviceChange } | { readonly kind: 'refused' };

/** What `wg setconf` makes of a text. */
async function setconf(text: string): Promise<Outcome> {
  writeFileSync(file, text);
  const changes: DeviceChange[] = [];
  const server = createServer((socket) => {
    const reader = new UapiReader(() => null);
    socket.on('data', (chunk: Buffer) => {
      for (const request of reader.push(chunk)) {
        if (request.kind !== 'set' || request.outcome.kind !== 'change') continue;
        changes.push(request.outcome.change);
        socket.end('errno=0\n\n');
      }
    });
    socket.on('error', () => socket.destroy());
  });
  mkdirSync(SOCKET_FOLDER, { recursive: true });
  await new Promise<void>((resolve) => server.listen(SOCKET, resolve));
  try {
    await run('wg', ['setconf', INTERFACE_NAME, file], {
      timeout: TIMEOUT_MS,
      env: { ...process.env, WG_ENDPOINT_RESOLUTION_RETRIES: '0' },
    });
  } catch {
    return { kind: 'refused' };
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  const [change] = changes;
  return change === undefined ? { kind: 'refused' } : { kind: 'sent', change };
}

/** A device after `change`, as plain text; `setconf` starts from nothing. */
function deviceAfter(change: DeviceChange): object {
  const peers = new Map<string, Record<string, unknown>>();
  const owners = new Map<string, string>();
  for (const one of change.peers) {
    const name = toHex(one.publicKey);
    const before = peers.get(name) ?? { psk: null, keepalive: 0, endpoint: null };
    peers.set(name, {
      psk: one.presharedKey === undefined ? before['psk'] : hexOf(one.presharedKey),
      keepalive: one.persistentKeepaliveS ?? before['keepalive'],
      endpoint: one.endpoint === undefined ? before['endpoint'] : formatEndpoint(one.endpoint),
    });
    for (const [prefix, owner] of owners) {
      if (one.replaceAllowedIps && owner === name) owners.delete(prefix);
    }
    for (const { prefix } of one.allowedIps) owners.set(formatPrefix(prefix), name);
  }
  return {
    privateKey: hexOf(change.privateKey ?? null),
    listenPort: change.listenPort ?? 0,
    fwmark: change.fwmark ?? 0,
    peers: Object.fromEntries(peers),
    owners: Object.fromEntries(owners),
  };
}

const hexOf = (secret: { expose(): Uint8Array } | null): string | null =>
  secret === null ? null : toHex(secret.expose());

function configured({ interface: own, peers }: TunnelConfig): object {
  const entries = peers.map((one): [string, object] => {
    const endpoint = one.endpoint === null ? null : literalEndpoint(one.endpoint, () => null);
    return [
      toHex(one.publicKey),
      {
        psk: hexOf(one.presharedKey),
        keepalive: one.persistentKeepaliveS,
        endpoint: endpoint === null ? null : formatEndpoint(endpoint),
      },
    ];
  });
  const owners = peers.flatMap((one) =>
    one.allowedIps.map((prefix): [string, string] => [formatPrefix(prefix), toHex(one.publicKey)]),
  );
  return {
    privateKey: hexOf(own.privateKey),
    listenPort: own.listenPort ?? 0,
    fwmark: own.fwmark,
    peers: Object.fromEntries(entries),
    owners: Object.fromEntries(owners),
  };
}

const zeros = `${'A'.repeat(43)}=`;
const both: readonly (readonly [string, string])[] = [
  ['a key alone', INTERFACE],
  ['no key', '[Interface]\n'],
  ['a key of zeros', `[Interface]\nPrivateKey=${zeros}\n`],
  ['port and mark', `${INTERFACE}ListenPort = 51820\nFwMark = 0xca6c\n`],
  ['a mark that is off', `${INTERFACE}FwMark = OFF\n`],
  ['a mark with a leading zero', `${INTERFACE}FwMark = 010\n`],
  ['CRLF', (INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/8')).replaceAll('\n', '\r\n')],
  ['other cases', `[INTERFACE]\nPRIVATEKEY=${key('own')}\n[pEEr]\npublickey=${key('a')}\n`],
  ['white space', `\t[ Interface ]\nPrivate Key = ${key('own')}\nListenPort = 5 1\n`],
  ['vertical tabs and form feeds', `\v[Interface]\f\nPrivateKey\f=${key('own')}\n`],
  [
    'comments',
    `#a\n${INTERFACE}#: [Beam]\n#: Engine = auto\n${peer('a', '#: Name = x', 'AllowedIPs=::/0#c')}`,
  ],
  [
    'everything of a peer',
    INTERFACE +
      peer(
        'a',
        `PresharedKey=${key('p')}`,
        'AllowedIPs=10.0.0.1/24,fd00::/64',
        'Endpoint=192.0.2.1:5',
        'PersistentKeepalive=25',
      ),
  ],
  ['a pre-shared key of zeros', INTERFACE + peer('a', `PresharedKey=${zeros}`)],
  [
    'repeated settings',
    INTERFACE +
      peer('a', 'PersistentKeepalive=1', 'PersistentKeepalive=2', `PublicKey=${key('b')}`),
  ],
  [
    'a peer twice',
    INTERFACE +
      peer('a', 'AllowedIPs=10.0.0.0/8', 'PersistentKeepalive=5', 'Endpoint=192.0.2.1:5') +
      peer('b') +
      peer('a', 'AllowedIPs=11.0.0.0/8'),
  ],
  [
    'a peer twice, then without allowed-IPs',
    INTERFACE + peer('a', 'AllowedIPs=10.0.0.0/8') + peer('a'),
  ],
  [
    'an allowed-IP twice',
    INTERFACE + peer('a', 'AllowedIPs=10.0.0.0/8') + peer('b', 'AllowedIPs=10.1.2.3/8'),
  ],
  ['allowed-IPs without lengths', INTERFACE + peer('a', 'AllowedIPs = 10.0.0.1, ::1')],
  ['a length with a leading zero', INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/08')],
  ['a mapped allowed-IP', INTERFACE + peer('a', 'AllowedIPs = ::ffff:1.2.3.4/120')],
  ['keepalive off', INTERFACE + peer('a', 'PersistentKeepalive = Off')],
  ['an IPv6 endpoint', INTERFACE + peer('a', 'Endpoint = [2001:DB8::1]:5')],
  ['an IPv6 endpoint without brackets', INTERFACE + peer('a', 'Endpoint = 2001:db8::1:5')],
  ['an IPv4 endpoint in brackets', INTERFACE + peer('a', 'Endpoint = [192.0.2.1]:5')],
  ['two interface sections', `${INTERFACE}${peer('a')}[Interface]\nListenPort = 7\n`],
];
for (const [what, text] of both) {
  test.serial(`wg setconf and Beam read alike: ${what}`, async (t) => {
    if (reason !== null) {
      skip(t, reason);
      return;
    }
    const parsed = parseTunnelConfig(text, { file, name: INTERFACE_NAME });
    const outcome = await setconf(text);
    if (parsed.kind !== 'config' || outcome.kind !== 'sent') {
      t.fail(`Beam: ${parsed.kind}, wg: ${outcome.kind}`);
      return;
    }
    t.deepEqual(configured(parsed.config), deviceAfter(outcome.change));
  });
}

const neither: readonly string[] = [
  'ListenPort = 5\n',
  '[Foo]\n',
  `${INTERFACE}Foo = 1\n`,
  `${INTERFACE}ListenPort\n`,
  `${INTERFACE}ListenPort =\n`,
  `${INTERFACE}ListenPort = -1\n`,
  `${INTERFACE}ListenPort = 0x10\n`,
  `${INTERFACE}FwMark = 0X10\n`,
  `${INTERFACE}FwMark = 0x100000000\n`,
  `[Interface]\nPrivateKey = ${'A'.repeat(42)}B=\n`,
  `[Interface]\nPrivateKey = ${key('own').slice(1)}\n`,
  `${INTERFACE}[Peer]\nAllowedIPs = ::/0\n`,
  `${INTERFACE}[Peer\n`,
  INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/33'),
  INTERFACE + peer('a', 'AllowedIPs = 10.0.0.0/8,'),
  INTERFACE + peer('a', 'AllowedIPs = 10.1/16'),
  INTERFACE + peer('a', 'AllowedIPs = fe80::1%lo/64'),
  INTERFACE + peer('a', 'PersistentKeepalive = 65536'),
  INTERFACE + peer('a', 'PersistentKeepalive = on'),
  INTERFACE + peer('a', 'Endpoint = 192.0.2.1'),
  INTERFACE + peer('a', 'Endpoint = [::1]'),
  INTERFACE + peer('a', 'Endpoint = :5'),
  `\ufeff${INTERFACE}`,
];
const withoutKeys = (text: string): string =>
  JSON.stringify(text.replaceAll(key('own'), 'OWN').replaceAll(key('a'), 'A'));
for (const text of neither) {
  test.serial(`neither wg setconf nor Beam takes ${withoutKeys(text)}`, async (t) => {
    if (reason !== null) {
      skip(t, reason);
      return;
    }
    t.is((await setconf(text)).kind, 'refused');
    t.is(parseTunnelConfig(text, { file, name: INTERFACE_NAME }).kind, 'refused');
  });
}

const QUICK = `# Name = hub
[Interface] # hub
Address = 10.0.0.1/24
  address = fd00::1/64
PrivateKey = ${key('own')}
DNS = 10.0.0.53
ListenPort = 51820
MTU=1420
Table = off
PreUp = a; b = c
POSTUP = x # y
PreDown = x
PostDown = x
SaveConfig = false

${peer('a', 'AllowedIPs = 10.0.0.2/32', '# MTU = 5', '#: Name = alice')}`;

const meaningful = (text: string): string[] =>
  text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));

test.serial('strips what wg-quick strips', async (t) => {
  if (reason !== null) {
    skip(t, reason);
    return;
  }
  writeFileSync(file, QUICK, { mode: 0o600 });
  const { stdout } = await run('wg-quick', ['strip', file], { timeout: TIMEOUT_MS });
  t.deepEqual(meaningful(stripConfig(QUICK)), meaningful(stdout));
});

test.serial("wg setconf takes what is left of a file with all of Beam's settings", async (t) => {
  if (reason !== null) {
    skip(t, reason);
    return;
  }
  const text = `${QUICK}AllowedIPs =\nName = bob\n[Beam]\nEngine = sodium\n`;
  const parsed = parseTunnelConfig(text, { file, name: INTERFACE_NAME });
  t.is((await setconf(text)).kind, 'refused');
  const outcome = await setconf(stripConfig(text));
  if (parsed.kind !== 'config' || outcome.kind !== 'sent') return t.fail();
  t.deepEqual(configured(parsed.config), deviceAfter(outcome.change));
});
