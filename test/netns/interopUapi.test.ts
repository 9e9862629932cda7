// The cross-platform UAPI as tools speak it, and as nobody should.
import { setTimeout as delay } from 'node:timers/promises';
import { namespaceTest } from '../support/netns.js';
import type { Network } from '../support/netns.js';
import { INNER, tunnelPair, twoEnds } from '../support/netnsTopology.js';
import { ping, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT, Tunnel, newKeyPair } from '../support/netnsTunnel.js';
import { GET, UapiClient, uapiRequest } from '../support/netnsUapi.js';

const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');
const newPublicKeyHex = (): string => hex(newKeyPair().publicKey);

async function oneTunnel(net: Network): Promise<Tunnel> {
  const namespace = await net.namespace('a');
  const tunnel = await Tunnel.start(net, { implementation: SUBJECT, namespace });
  await tunnel.setPrivateKey(tunnel.keys);
  return tunnel;
}

namespaceTest('get gives every field in the documented form', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, { a: SUBJECT, b: SUBJECT, presharedKey: true });
  await a.set('fwmark', '0x55');
  await a.set('peer', b.keys.publicKey, 'persistent-keepalive', '25');
  await waitForPing(ends.a, INNER.b[4]);
  const { lines, errno } = await uapiRequest(a.socketPath, GET);
  t.is(errno, 0);
  const fields = new Map(lines.map((line) => line.split('=') as [string, string]));
  t.is(fields.get('private_key'), hex(a.keys.privateKey));
  t.true(Number(fields.get('listen_port')) > 0);
  t.is(fields.get('fwmark'), '85');
  t.is(fields.get('public_key'), hex(b.keys.publicKey));
  t.regex(fields.get('preshared_key') ?? '', /^[0-9a-f]{64}$/);
  t.is(fields.get('protocol_version'), '1');
  t.is(fields.get('endpoint'), '192.0.2.2:51820');
  t.is(fields.get('persistent_keepalive_interval'), '25');
  t.true(Number(fields.get('last_handshake_time_sec')) > 1.7e9);
  t.regex(fields.get('last_handshake_time_nsec') ?? '', /^\d{1,9}$/);
  t.true(Number(fields.get('rx_bytes')) > 0 && Number(fields.get('tx_bytes')) > 0);
  const allowedIps = lines.filter((line) => line.startsWith('allowed_ip='));
  t.deepEqual(allowedIps.sort(), ['allowed_ip=10.99.0.2/32', 'allowed_ip=fd99::2/128']);
});

namespaceTest(
  'set edits peers: update_only, remove, replace_allowed_ips, replace_peers',
  async (t, net) => {
    const tunnel = await oneTunnel(net);
    const [first, second, absent] = [newPublicKeyHex(), newPublicKeyHex(), newPublicKeyHex()];
    const set = async (...lines: string[]): Promise<string[]> => {
      const { errno } = await uapiRequest(tunnel.socketPath, `set=1\n${lines.join('\n')}\n\n`);
      t.is(errno, 0, lines.join(' '));
      const { lines: now } = await uapiRequest(tunnel.socketPath, GET);
      return now.filter((line) => /^(public_key|allowed_ip)=/.test(line));
    };
    const peer = (key: string): string => `public_key=${key}`;
    t.deepEqual(await set(peer(first), 'allowed_ip=10.0.0.0/8', 'allowed_ip=10.1.0.0/16'), [
      peer(first),
      'allowed_ip=10.0.0.0/8',
      'allowed_ip=10.1.0.0/16',
    ]);
    t.is((await set(peer(absent), 'update_only=true', 'allowed_ip=10.2.0.0/16')).length, 3);
    t.deepEqual(await set(peer(first), 'replace_allowed_ips=true', 'allowed_ip=fd00::/8'), [
      peer(first),
      'allowed_ip=fd00::/8',
    ]);
    t.is((await set(peer(absent), 'remove=true')).length, 2);
    t.is((await set(peer(second), 'allowed_ip=0.0.0.0/0')).length, 4);
    t.deepEqual(await set(peer(first), 'remove=true'), [peer(second), 'allowed_ip=0.0.0.0/0']);
    t.deepEqual(await set('replace_peers=true', peer(first), 'allowed_ip=10.9.8.7/8'), [
      peer(first),
      'allowed_ip=10.0.0.0/8',
    ]);
    t.deepEqual(await set('replace_peers=true'), []);
  },
);

/** What comes after `set=1`. Some begin well, so that a half-applied change would show. */
const BAD_SETS: readonly (readonly [claim: string, lines: readonly string[]])[] = [
  ['a key that is too short', ['listen_port=1234', `private_key=${'a'.repeat(63)}`]],
  ['a key with a letter past f', [`private_key=${'g'.repeat(64)}`]],
  ['a port past 65535', ['fwmark=7', 'listen_port=65536']],
  ['a negative port', ['listen_port=-1']],
  ['a port that is no number', ['listen_port=http']],
  ['a mark past 32 bits', ['fwmark=4294967296']],
  ['an unknown device key', ['fwmark=7', 'colour=red']],
  ['a line without =', ['fwmark=7', 'listen_port']],
  ['a peer key before any peer', ['allowed_ip=10.0.0.0/8']],
  ['a peer that is no key', ['fwmark=7', 'public_key=abc']],
  ['an unknown peer key', ['PEER', 'allowed_ip=10.0.0.0/8', 'colour=red']],
  ['a prefix that is too long', ['PEER', 'allowed_ip=10.0.0.0/8', 'allowed_ip=10.0.0.0/33']],
  ['an IPv6 prefix that is too long', ['PEER', 'allowed_ip=fd00::/129']],
  ['an address that is none', ['PEER', 'endpoint=1.2.3.4:5', 'allowed_ip=10.0.0/8']],
  ['an endpoint without a port', ['PEER', 'allowed_ip=10.0.0.0/8', 'endpoint=1.2.3.4']],
  ['an endpoint with a host name', ['PEER', 'endpoint=vpn.example:51820']],
  ['an IPv6 endpoint without brackets', ['PEER', 'endpoint=fd00::1:51820']],
  ['a keepalive past 65535', ['PEER', 'persistent_keepalive_interval=65536']],
  ['a preshared key that is too long', ['PEER', `preshared_key=${'a'.repeat(66)}`]],
  ['a protocol version that is not 1', ['PEER', 'protocol_version=2']],
  ['replace_peers that is not true', ['replace_peers=false']],
  ['remove that is not true', ['PEER', 'remove=maybe']],
  ['a good peer before a bad one', ['PEER', 'allowed_ip=10.0.0.0/8', 'public_key=00']],
];

namespaceTest('a bad set gets an errno and changes nothing at all', async (t, net) => {
  const tunnel = await oneTunnel(net);
  await tunnel.set('peer', newKeyPair().publicKey, 'allowed-ips', '192.168.0.0/16');
  const before = await uapiRequest(tunnel.socketPath, GET);
  for (const [claim, lines] of BAD_SETS) {
    const text = lines.map((line) => (line === 'PEER' ? `public_key=${newPublicKeyHex()}` : line));
    const { errno } = await uapiRequest(tunnel.socketPath, `set=1\n${text.join('\n')}\n\n`);
    t.not(errno, 0, claim);
    // wireguard-go applies line by line, so what came before the fault stays.
    if (SUBJECT !== 'beam') continue;
    t.deepEqual(await uapiRequest(tunnel.socketPath, GET), before, claim);
  }
});

namespaceTest('a stranger on the socket is turned away and others are served', async (t, net) => {
  const tunnel = await oneTunnel(net);
  const junk = ['GET / HTTP/1.1\r\n\r\n', 'get=2\n\n', 'set=0\n\n', '\n\n', 'x'.repeat(1e6)];
  // wireguard-go serves nobody else while a client is in the middle of a set.
  const half = SUBJECT === 'beam' ? ['set=1\n'] : [];
  for (const text of [...junk, '\0\0\n\n', ...half]) {
    const client = await UapiClient.connect(tunnel.socketPath);
    client.write(text);
    await delay(20);
    t.is((await uapiRequest(tunnel.socketPath, GET)).errno, 0, JSON.stringify(text.slice(0, 20)));
    client.close();
  }
  t.is(tunnel.process.outcome, null, 'it still runs');
});

namespaceTest('many clients at once each get whole answers', async (t, net) => {
  const tunnel = await oneTunnel(net);
  const slow = await UapiClient.connect(tunnel.socketPath);
  if (SUBJECT === 'beam') slow.write('set=1\nfwm');
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => UapiClient.connect(tunnel.socketPath)),
  );
  const keys = clients.map(() => newPublicKeyHex());
  await Promise.all(
    clients.map(async (client, i) => {
      for (let round = 0; round < 5; round++) {
        const text = `set=1\npublic_key=${keys[i]!}\nallowed_ip=10.${i}.${round}.0/24\n\n`;
        t.is((await client.request(text)).errno, 0);
        const { lines, errno } = await client.request(GET);
        t.is(errno, 0);
        t.true(lines.includes(`public_key=${keys[i]!}`));
        t.true(lines.includes(`allowed_ip=10.${i}.${round}.0/24`));
      }
    }),
  );
  slow.write(SUBJECT === 'beam' ? 'ark=9\n\n' : 'set=1\nfwmark=9\n\n');
  t.is((await slow.answer()).errno, 0, 'one that took its time is answered too');
  const { lines } = await uapiRequest(tunnel.socketPath, GET);
  t.is(lines.filter((line) => line.startsWith('allowed_ip=')).length, 100);
  t.true(lines.includes('fwmark=9'));
  for (const client of [slow, ...clients]) client.close();
});

const MANY = 65_000;

namespaceTest(
  '65,000 allowed-IPs go into one peer by one wg setconf, and route',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, { a: SUBJECT, b: SUBJECT });
    const prefixes = Array.from(
      { length: MANY },
      (_, i) => `10.${100 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) * 4}/30`,
    );
    const status = await b.status();
    const startMs = performance.now();
    await b.setConfig({
      privateKey: b.keys.privateKey,
      listenPort: status.listenPort,
      peers: [{ publicKey: a.keys.publicKey, allowedIps: [...prefixes, `${INNER.a[4]}/32`] }],
    });
    const listed = (await b.wg('show', b.interfaceName, 'allowed-ips'))
      .trim()
      .split(/\s+/)
      .slice(1);
    t.log(`set and shown in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    t.is(listed.length, MANY + 1);
    t.deepEqual(new Set(listed), new Set([...prefixes, `${INNER.a[4]}/32`]));
    const inside = prefixes[MANY >> 1]!.replace(/\d+\/30$/, (last) => `${parseInt(last) + 1}`);
    await ends.a.addAddress('lo', `${inside}/32`);
    await ends.b.run('ip', 'route', 'add', '10.96.0.0/12', 'dev', b.interfaceName);
    await waitForPing(ends.a, INNER.b[4]);
    t.is((await ping(ends.b, inside)).received, 3, inside);
  },
);

namespaceTest(
  'wg: set, setconf, addconf, syncconf and showconf do what they say',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, { a: SUBJECT, b: SUBJECT });
    await waitForPing(ends.a, INNER.b[4]);
    const saved = net.file('saved.conf', await a.wg('showconf', a.interfaceName));
    const other = newKeyPair().publicKey;
    const added = net.file(
      'added.conf',
      `[Peer]\nPublicKey = ${other}\nAllowedIPs = 10.7.0.0/16\n`,
    );
    await a.wg('addconf', a.interfaceName, added);
    t.deepEqual((await a.peer(other)).allowedIps, ['10.7.0.0/16']);
    await a.set('peer', other, 'allowed-ips', '10.8.0.0/16,fd08::/16');
    t.deepEqual((await a.peer(other)).allowedIps, ['10.8.0.0/16', 'fd08::/16']);

    const handshakeS = (await a.peer(b.keys.publicKey)).latestHandshakeS;
    await a.wg('syncconf', a.interfaceName, saved);
    t.deepEqual(
      (await a.status()).peers.map(({ publicKey }) => publicKey),
      [b.keys.publicKey],
    );
    t.is((await a.peer(b.keys.publicKey)).latestHandshakeS, handshakeS, 'the session is kept');
    t.is((await ping(ends.a, INNER.b[4])).received, 3);
    await a.wg('setconf', a.interfaceName, saved);
    t.is(await a.wg('showconf', a.interfaceName), await a.wg('showconf', a.interfaceName));
    await waitForPing(ends.a, INNER.b[4], 15_000);
  },
);
