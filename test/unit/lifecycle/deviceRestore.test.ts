// The change that takes another back, held against a real device machine.
import test from 'ava';
import fc from 'fast-check';
import { restoringChange } from '../../../src/agent/lifecycle/deviceRestore.js';
import { formatPrefix, parsePrefix } from '../../../src/base/ip.js';
import { Secret } from '../../../src/base/secret.js';
import type { DeviceChange, DeviceSnapshot, PeerChange } from '../../../src/peer/change.js';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const PREFIXES = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16'];

interface PeerModel {
  psk: number;
  keepaliveS: number;
  port: number | null;
  readonly allowedIps: Set<string>;
}

/** What peer/change.ts says a change does, in the plainest form. */
class DeviceModel {
  privateKey = 1;
  listenPort = 5;
  fwmark = 6;
  readonly peers = new Map<number, PeerModel>();

  apply(change: DeviceChange): void {
    if (change.privateKey !== undefined) this.privateKey = change.privateKey?.expose()[0] ?? 0;
    this.listenPort = change.listenPort ?? this.listenPort;
    this.fwmark = change.fwmark ?? this.fwmark;
    for (const peer of change.peers) this.#applyPeer(peer);
  }

  #applyPeer(change: PeerChange): void {
    const id = change.publicKey[0]!;
    if (change.remove) {
      this.peers.delete(id);
      return;
    }
    let peer = this.peers.get(id);
    if (peer === undefined) {
      if (change.updateOnly) return;
      peer = { psk: 0, keepaliveS: 0, port: null, allowedIps: new Set() };
      this.peers.set(id, peer);
    }
    if (change.presharedKey !== undefined) peer.psk = change.presharedKey?.expose()[0] ?? 0;
    peer.keepaliveS = change.persistentKeepaliveS ?? peer.keepaliveS;
    peer.port = change.endpoint?.port ?? peer.port;
    if (change.replaceAllowedIps) peer.allowedIps.clear();
    for (const { edit, prefix } of change.allowedIps) {
      const text = formatPrefix(prefix);
      if (edit === 'remove') peer.allowedIps.delete(text);
      else {
        for (const other of this.peers.values()) other.allowedIps.delete(text);
        peer.allowedIps.add(text);
      }
    }
  }

  snapshot(): DeviceSnapshot {
    return {
      privateKey: new Secret(key(this.privateKey)),
      publicKey: key(99),
      listenPort: this.listenPort,
      fwmark: this.fwmark,
      peers: [...this.peers].map(([id, peer]) => ({
        publicKey: key(id),
        presharedKey: peer.psk === 0 ? null : new Secret(key(peer.psk)),
        endpoint:
          peer.port === null
            ? null
            : { family: 4, address: '192.0.2.1', port: peer.port, scopeId: 0 },
        lastHandshakeAt: null,
        receivedBytes: 0n,
        sentBytes: 0n,
        persistentKeepaliveS: peer.keepaliveS,
        allowedIps: [...peer.allowedIps].map((text) => parsePrefix(text)!),
        suite: null,
      })),
    };
  }

  /** Without endpoints: one that is learnt can't be unlearnt, and does no harm. */
  picture(): unknown {
    const peers = [...this.peers].map(([id, { psk, keepaliveS, allowedIps }]) => [
      id,
      psk,
      keepaliveS,
      [...allowedIps].sort(),
    ]);
    return [this.privateKey, this.listenPort, this.fwmark, peers.sort()];
  }
}

const anyPeer: fc.Arbitrary<PeerChange> = fc
  .record({
    id: fc.integer({ min: 10, max: 13 }),
    remove: fc.boolean(),
    updateOnly: fc.boolean(),
    psk: fc.option(fc.integer({ min: 0, max: 3 })),
    keepaliveS: fc.option(fc.integer({ min: 0, max: 3 })),
    replaceAllowedIps: fc.boolean(),
    edits: fc.array(
      fc.record({ edit: fc.constantFrom('add', 'remove'), text: fc.constantFrom(...PREFIXES) }),
      { maxLength: 3 },
    ),
  })
  .map(({ id, remove, updateOnly, psk, keepaliveS, replaceAllowedIps, edits }) => ({
    publicKey: key(id),
    remove,
    updateOnly,
    ...(psk === null ? {} : { presharedKey: psk === 0 ? null : new Secret(key(psk)) }),
    ...(keepaliveS === null ? {} : { persistentKeepaliveS: keepaliveS }),
    replaceAllowedIps,
    allowedIps: edits.map(({ edit, text }) => ({ edit, prefix: parsePrefix(text)! })),
  }));

const anyChange: fc.Arbitrary<DeviceChange> = fc
  .record({
    peers: fc.array(anyPeer, { maxLength: 5 }),
    fwmark: fc.option(fc.nat(9)),
    listenPort: fc.option(fc.nat(9)),
    newKey: fc.boolean(),
  })
  .map(({ peers, fwmark, listenPort, newKey }) => ({
    replacePeers: false,
    peers,
    ...(fwmark === null ? {} : { fwmark }),
    ...(listenPort === null ? {} : { listenPort }),
    ...(newKey ? { privateKey: new Secret(key(2)) } : {}),
  }));

test('after any change the restoring change leads back, prefixes that moved too', (t) => {
  fc.assert(
    fc.property(anyChange, anyChange, (first, second) => {
      const device = new DeviceModel();
      device.apply(first);
      const before = device.picture();
      const restoring = restoringChange(device.snapshot(), second);
      device.apply(second);
      device.apply(restoring.change);
      restoring.destroy();
      t.deepEqual(device.picture(), before);
    }),
    { numRuns: 500 },
  );
});

test('it does not outlive its keys, nor depend on those of the snapshot', (t) => {
  const device = new DeviceModel();
  device.apply({
    replacePeers: false,
    peers: [
      {
        publicKey: key(10),
        remove: false,
        updateOnly: false,
        presharedKey: new Secret(key(3)),
        replaceAllowedIps: true,
        allowedIps: [],
      },
    ],
  });
  const snapshot = device.snapshot();
  const change: DeviceChange = {
    privateKey: null,
    replacePeers: false,
    peers: [
      {
        publicKey: key(10),
        remove: true,
        updateOnly: false,
        replaceAllowedIps: false,
        allowedIps: [],
      },
    ],
  };
  const restoring = restoringChange(snapshot, change);
  snapshot.privateKey!.destroy();
  snapshot.peers[0]!.presharedKey!.destroy();
  t.is(restoring.change.privateKey!.expose()[0], 1);
  t.is(restoring.change.peers[0]!.presharedKey!.expose()[0], 3);
  restoring.destroy();
  t.true(restoring.change.privateKey!.destroyed);
  t.true(restoring.change.peers[0]!.presharedKey!.destroyed);
});
