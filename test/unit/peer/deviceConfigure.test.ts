// What a configuration change does to the device, and what it leaves alone.
import test from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { formatPrefix, parsePrefix } from '../../../src/base/ip.js';
import { Secret } from '../../../src/base/secret.js';
import type { AllowedIpEdit } from '../../../src/peer/change.js';
import type { DeviceEffect } from '../../../src/peer/deviceEffects.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import { MAX_PEERS } from '../../../src/session/limits.js';
import {
  TestDevice,
  connected,
  kinds,
  noTraffic,
  of,
  path,
  peerChange,
  sentTo,
  shakeHands,
} from './deviceHarness.js';

const secret = (byte: number): Secret => new Secret(new Uint8Array(32).fill(byte));
const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const edits = (...texts: string[]): AllowedIpEdit[] =>
  texts.map((text) => ({
    edit: text.startsWith('-') ? 'remove' : 'add',
    prefix: parsePrefix(text.replace(/^[-+]/, ''))!,
  }));

const view = (device: TestDevice): ReturnType<TestDevice['device']['snapshot']> =>
  device.device.snapshot(() => noTraffic);
const peerKeys = (device: TestDevice): number[] =>
  view(device).peers.map(({ publicKey }) => publicKey[0]!);
const allowedIps = (device: TestDevice, index = 0): string[] =>
  view(device).peers[index]!.allowedIps.map(formatPrefix);

test('a new peer is added with all that is said of it', (t) => {
  const device = TestDevice.running('one');
  const effects = device.peer(key(9), {
    presharedKey: secret(4),
    endpoint: path(5).remote,
    persistentKeepaliveS: 25,
    allowedIps: edits('10.0.0.0/8', 'fd00::/8'),
  });
  t.deepEqual(kinds(effects), ['addPeer', 'setPath', 'changeAllowedIps', 'sendKeepalive']);
  t.deepEqual(of(effects, 'setPath')[0]?.path, { remote: path(5).remote, local: null });
  const [peer] = view(device).peers;
  t.is(peer?.persistentKeepaliveS, 25);
  t.deepEqual(peer?.presharedKey?.expose(), key(4));
  t.deepEqual(allowedIps(device), ['10.0.0.0/8', 'fd00::/8']);
});

test('the device keeps copies of secrets', (t) => {
  const device = new TestDevice('one');
  const privateKey = new Secret(device.privateKey.slice());
  const psk = secret(4);
  device.configure({ privateKey, peers: [peerChange(key(9), { presharedKey: psk })] });
  privateKey.destroy();
  psk.destroy();
  t.deepEqual(view(device).publicKey, device.publicKey);
  t.deepEqual(view(device).peers[0]?.presharedKey?.expose(), key(4));
});

test('what is not mentioned stays', (t) => {
  const device = TestDevice.running('one');
  device.peer(key(9), { presharedKey: secret(4), persistentKeepaliveS: 25 });
  device.peer(key(9), { allowedIps: edits('10.0.0.0/8') });
  t.like(view(device).peers[0], { persistentKeepaliveS: 25 });
  t.deepEqual(view(device).peers[0]?.presharedKey?.expose(), key(4));
});

test('null removes a pre-shared key', (t) => {
  const device = TestDevice.running('one');
  device.peer(key(9), { presharedKey: secret(4) });
  device.peer(key(9), { presharedKey: null });
  t.is(view(device).peers[0]?.presharedKey, null);
});

test('update_only makes no peer, and removing an unknown one does nothing', (t) => {
  const device = TestDevice.running('one');
  t.deepEqual(device.peer(key(9), { updateOnly: true, persistentKeepaliveS: 1 }), []);
  t.deepEqual(device.peer(key(9), { remove: true }), []);
  t.deepEqual(peerKeys(device), []);
});

test('a removed peer’s slot, index and prefixes are free', (t) => {
  const { alice, bob } = connected();
  alice.peer(bob.publicKey, { allowedIps: edits('10.0.0.0/8') });
  shakeHands(alice, bob);
  t.deepEqual(kinds(alice.peer(bob.publicKey, { remove: true })), ['removePeer']);
  t.is(alice.device.stats().indices, 0);
  t.is(alice.device.nextTimeout(), null);
  const effects = alice.peer(key(8));
  t.is(of(effects, 'addPeer')[0]?.peer, peerId(0));
});

test('events of a removed peer are ignored', (t) => {
  const { alice, bob } = connected();
  alice.peer(bob.publicKey, { remove: true });
  t.deepEqual(alice.keysNeeded(), []);
  t.deepEqual(alice.handle({ kind: 'keysDropped', peer: peerId(0), localIndex: 7 }), []);
  t.deepEqual(alice.handle({ kind: 'keysConfirmed', peer: peerId(0), localIndex: 7 }), []);
});

test('one’s own public key is never a peer', (t) => {
  const device = TestDevice.running('one');
  t.deepEqual(device.peer(device.publicKey, { allowedIps: edits('10.0.0.0/8') }), []);
  t.deepEqual(peerKeys(device), []);
});

test('a peer goes when the private key becomes its own', (t) => {
  const { alice, bob } = connected();
  const effects = alice.configure({ privateKey: new Secret(bob.privateKey.slice()) });
  t.deepEqual(kinds(effects), ['removePeer', 'setLocalPublicKey']);
  t.deepEqual(peerKeys(alice), []);
});

test('the same change may set a key and a peer with that key: the peer is not added', (t) => {
  const device = new TestDevice('one');
  device.configure({
    privateKey: new Secret(device.privateKey.slice()),
    peers: [peerChange(device.publicKey), peerChange(key(9))],
  });
  t.deepEqual(peerKeys(device), [9]);
});

test('another private key expires the sessions and starts over with the new key', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  alice.take();
  const carol = new TestDevice('carol');
  const effects = alice.configure({ privateKey: new Secret(carol.privateKey.slice()) });
  t.deepEqual(kinds(effects), ['setLocalPublicKey', 'expireKeys']);
  t.deepEqual(of(effects, 'setLocalPublicKey')[0]?.publicKey, carol.publicKey);
  bob.peer(carol.publicKey);
  const initiation = sentTo(alice.keysNeeded());
  t.is(of(bob.control(initiation, path(2)), 'installKeys').length, 1, 'at once, within 5 s');
});

test('a response to the old key’s initiation is refused', (t) => {
  const { alice, bob } = connected();
  const response = sentTo(bob.control(sentTo(alice.keysNeeded()), path(2)));
  const carol = new TestDevice('carol');
  alice.configure({ privateKey: new Secret(carol.privateKey.slice()) });
  t.deepEqual(kinds(alice.control(response, path(1))), []);
  alice.configure({ privateKey: new Secret(alice.privateKey.slice()) });
  t.deepEqual(kinds(alice.control(response, path(1))), []);
});

test('the same private key again changes nothing', (t) => {
  const { alice, bob } = connected();
  shakeHands(alice, bob);
  t.deepEqual(alice.configure({ privateKey: new Secret(alice.privateKey.slice()) }), []);
});

test('without a private key nothing is initiated or answered', (t) => {
  const { alice, bob } = connected();
  const initiation = sentTo(bob.keysNeeded());
  alice.configure({ privateKey: null });
  t.is(view(alice).privateKey, null);
  t.is(view(alice).publicKey, null);
  t.deepEqual(kinds(alice.keysNeeded()), []);
  t.deepEqual(kinds(alice.control(initiation, path(1))), []);
  t.deepEqual(alice.refusals(), { noIdentity: 1 });
});

test('what waited for a private key is asked for when it comes', (t) => {
  const device = new TestDevice('one');
  device.link(true);
  device.peer(TestDevice.running('two').publicKey);
  t.deepEqual(kinds(device.keysNeeded()), []);
  const effects = device.configure({ privateKey: new Secret(device.privateKey.slice()) });
  t.deepEqual(kinds(effects), ['setLocalPublicKey', 'expireKeys', 'sendToPeer']);
});

test('allowed-IPs edits keep their order across adding and removing', (t) => {
  const device = TestDevice.running('one');
  const effects = device.peer(key(9), {
    allowedIps: edits('10.0.0.0/8', '10.1.0.0/16', '-10.0.0.0/8', '10.0.0.0/8', '-10.1.0.0/16'),
  });
  t.deepEqual(allowedIps(device), ['10.0.0.0/8']);
  const steps = of(effects, 'changeAllowedIps').map(({ change }) => [
    change.replace,
    change.add.map(formatPrefix).join(' '),
    change.remove.map(formatPrefix).join(' '),
  ]);
  t.deepEqual(steps, [
    [false, '10.0.0.0/8 10.1.0.0/16', '10.0.0.0/8'],
    [false, '10.0.0.0/8', '10.1.0.0/16'],
  ]);
});

test('replacing allowed-IPs with none removes them all', (t) => {
  const device = TestDevice.running('one');
  device.peer(key(9), { allowedIps: edits('10.0.0.0/8') });
  const effects = device.peer(key(9), { replaceAllowedIps: true });
  t.deepEqual(of(effects, 'changeAllowedIps')[0]?.change, { replace: true, add: [], remove: [] });
  t.deepEqual(allowedIps(device), []);
});

test('an allowed IP moves to the peer that gets it last', (t) => {
  const device = TestDevice.running('one');
  device.peer(key(8), { allowedIps: edits('10.0.0.0/8', 'fd00::/8') });
  device.peer(key(9), { allowedIps: edits('10.0.0.0/8') });
  t.deepEqual(allowedIps(device, 0), ['fd00::/8']);
  t.deepEqual(allowedIps(device, 1), ['10.0.0.0/8']);
});

test('a persistent keepalive sends at once when it starts, and only with the link up', (t) => {
  const device = TestDevice.running('one');
  t.true(kinds(device.peer(key(9), { persistentKeepaliveS: 25 })).includes('sendKeepalive'));
  t.deepEqual(kinds(device.peer(key(9), { persistentKeepaliveS: 20 })), []);
  t.deepEqual(kinds(device.peer(key(9), { persistentKeepaliveS: 0 })), []);
  device.link(false);
  t.deepEqual(kinds(device.peer(key(9), { persistentKeepaliveS: 25 })), []);
});

test('replace_peers removes what is not named and keeps the sessions of what is', (t) => {
  const { alice, bob } = connected();
  alice.peer(key(8));
  shakeHands(alice, bob);
  const effects = alice.configure({ replacePeers: true, peers: [peerChange(bob.publicKey)] });
  t.deepEqual(kinds(effects), ['removePeer', 'changeAllowedIps']);
  t.is(of(effects, 'removePeer')[0]?.peer, peerId(1));
  t.not(alice.device.health(bob.publicKey)?.lastHandshakeAt, null);
});

test('a peer that replace_peers keeps has only the settings that are given now', (t) => {
  const device = TestDevice.running('one');
  device.peer(key(9), {
    presharedKey: secret(4),
    persistentKeepaliveS: 25,
    allowedIps: edits('10.0.0.0/8', '10.1.0.0/16'),
  });
  device.configure({
    replacePeers: true,
    peers: [
      peerChange(key(9), { allowedIps: edits('10.2.0.0/16') }),
      peerChange(key(9), { allowedIps: edits('10.3.0.0/16') }),
    ],
  });
  const [peer] = view(device).peers;
  t.is(peer?.presharedKey, null);
  t.is(peer?.persistentKeepaliveS, 0);
  t.deepEqual(allowedIps(device), ['10.2.0.0/16', '10.3.0.0/16']);
});

test('under replace_peers a peer that is only updated or removed is gone', (t) => {
  const device = TestDevice.running('one');
  for (const byte of [6, 7, 8]) device.peer(key(byte), { persistentKeepaliveS: 25 });
  device.configure({
    replacePeers: true,
    peers: [
      peerChange(key(6), { updateOnly: true }),
      peerChange(key(7), { remove: true }),
      peerChange(key(8), { remove: true }),
      peerChange(key(8)),
    ],
  });
  t.deepEqual(peerKeys(device), [8]);
  t.is(view(device).peers[0]?.persistentKeepaliveS, 0);
});

test('too many peers are refused before anything is changed', (t) => {
  const { alice } = connected();
  const before = view(alice);
  const peers = Array.from({ length: MAX_PEERS }, (_, i) => {
    const publicKey = new Uint8Array(32);
    new DataView(publicKey.buffer).setUint32(0, i + 1);
    return peerChange(publicKey);
  });
  const change = { privateKey: null, peers };
  const error = t.throws(() => alice.configure(change), { instanceOf: OperatorError });
  t.is(error.code, 'E_TOO_MANY_PEERS');
  t.deepEqual(view(alice), before);
  t.notThrows(() => alice.configure({ ...change, peers: peers.slice(1) }));
  t.is(view(alice).peers.length, MAX_PEERS);
  t.notThrows(() => alice.configure({ privateKey: new Secret(key(7)) }));
});

test('a changed peer with packets that wait gets its handshake at once', (t) => {
  const { alice, bob } = connected();
  alice.keysNeeded();
  alice.advance(400_000);
  t.deepEqual(kinds(alice.peer(bob.publicKey, { endpoint: path(3).remote })), ['setPath']);
  alice.keysNeeded();
  alice.advance(6_000);
  alice.take();
  const moved: DeviceEffect[] = alice.peer(bob.publicKey, { endpoint: path(4).remote });
  t.deepEqual(kinds(moved), ['setPath'], 'the retry of 5 s ago still holds');
});

test('destroy leaves no secret behind', (t) => {
  const device = TestDevice.running('one');
  device.peer(key(9), { presharedKey: secret(4) });
  const { privateKey, peers } = view(device);
  device.device.destroy();
  t.true(privateKey?.destroyed);
  t.true(peers[0]?.presharedKey?.destroyed);
});
