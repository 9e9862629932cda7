// Real traffic between two kernel WireGuards, rebuilt byte for byte from its published keys:
// SPEC.md 2 and 3 as the field speaks them.
import { toHex } from '../../src/base/bytes.js';
import { instant } from '../../src/base/time.js';
import { chacha20Poly1305 } from '../../src/crypto/aead.js';
import { clampX25519 } from '../../src/crypto/dh.js';
import { CookieChecker, CookieStamper } from '../../src/handshake/cookie.js';
import type { TransportKeys } from '../../src/handshake/wireguard.js';
import {
  consumeInitiation,
  consumeResponse,
  createInitiation,
  createRemoteIdentity,
  createResponse,
  createStaticIdentity,
} from '../../src/handshake/wireguard.js';
import { PADDING_BYTES, TAG_BYTES, TRANSPORT_HEADER } from '../../src/wire/constants.js';
import { ipPacketBytes } from '../../src/wire/ip.js';
import {
  classify,
  encodeTransportHeader,
  senderIndex,
  transportCounter,
  transportReceiver,
} from '../../src/wire/messages.js';
import type { UdpDatagram } from '../support/pcap.js';
import { readCapture, udpOverIpv4 } from '../support/pcap.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

const PCAP = 'wireguard/pcap/wireguard-ping-tcp.pcap';
const PCAPNG = 'wireguard/pcap/wireguard-ping-tcp-dsb.pcapng';
const DECODED = 'wireguard/pcap/wireguard-ping-tcp.decoded.json';
const KEYS = 'wireguard/pcap/published-keys.json';
const NOW = instant(0);
/** One datagram is padded to this and no further. */
const CAPTURED_MTU = 1420;

interface Decoded {
  readonly static: Record<'Spriv_i' | 'Spub_i' | 'Spriv_r' | 'Spub_r', string>;
  readonly handshakes: readonly DecodedHandshake[];
  readonly packets: readonly DecodedPacket[];
}
interface DecodedHandshake {
  readonly initiator_ephemeral_private: string;
  readonly responder_ephemeral_private: string;
  readonly timestamp_tai64n: string;
  readonly initiator_send_key: string;
  readonly initiator_recv_key: string;
  readonly initiation_frame: number;
  readonly response_frame: number;
}
interface DecodedPacket {
  readonly frame: number;
  readonly tos: number;
  readonly udp_payload: string;
  readonly type: number;
  readonly counter?: number;
  readonly plaintext?: string;
}

const datagrams = (file: Buffer | undefined): UdpDatagram[] =>
  readCapture(file!)
    .frames.map(udpOverIpv4)
    .filter((datagram) => datagram !== null);

const decodedCapture = (file: Buffer | undefined): Decoded => parseVector(file) as Decoded;

/** Plays one handshake of the capture with both private keys, and gives both ends' keys. */
function replay(
  decoded: Decoded,
  handshake: DecodedHandshake,
): {
  initiation: Uint8Array;
  response: Uint8Array;
  initiator: TransportKeys;
  timestamp: Uint8Array;
  responder: TransportKeys;
} {
  const initiator = createStaticIdentity(hex(decoded.static.Spriv_i));
  const responder = createStaticIdentity(hex(decoded.static.Spriv_r));
  const towardsResponder = createRemoteIdentity(initiator, responder.publicKey, null);
  const towardsInitiator = createRemoteIdentity(responder, initiator.publicKey, null);
  const capturedIndex = (frame: number): number =>
    senderIndex(hex(decoded.packets.find((packet) => packet.frame === frame)!.udp_payload));

  const first = createInitiation({
    local: initiator,
    remote: towardsResponder,
    localIndex: capturedIndex(handshake.initiation_frame),
    timestamp: hex(handshake.timestamp_tai64n),
    entropy: () => hex(handshake.initiator_ephemeral_private),
  })!;
  new CookieStamper(responder.publicKey).stamp(first.message, NOW);
  const accepted = consumeInitiation({
    local: responder,
    message: first.message,
    lookup: () => towardsInitiator,
  });
  if ('refused' in accepted) throw new Error(accepted.refused);
  const second = createResponse({
    state: accepted.state,
    remote: towardsInitiator,
    localIndex: capturedIndex(handshake.response_frame),
    entropy: () => hex(handshake.responder_ephemeral_private),
  })!;
  new CookieStamper(initiator.publicKey).stamp(second.message, NOW);
  const keys = consumeResponse({
    local: initiator,
    remote: towardsResponder,
    state: first.state,
    message: second.message,
  })!;
  return {
    initiation: first.message,
    response: second.message,
    timestamp: accepted.timestamp,
    initiator: keys,
    responder: second.keys,
  };
}

vectorTest(
  'the readers find the same datagrams in the pcap, the pcapng and the decoded file',
  [PCAP, PCAPNG, DECODED],
  (t, files) => {
    const pcap = datagrams(files[0]);
    const pcapng = datagrams(files[1]);
    const decoded = decodedCapture(files[2]);
    t.deepEqual(pcap, pcapng);
    t.deepEqual(
      pcap.map(({ payload, trafficClass }) => [toHex(payload), trafficClass]),
      decoded.packets.map((packet) => [packet.udp_payload, packet.tos]),
    );
  },
);

vectorTest(
  'both captured handshakes are rebuilt byte for byte, macs included',
  [PCAP, DECODED],
  (t, files) => {
    const captured = datagrams(files[0]);
    const decoded = decodedCapture(files[1]);
    t.is(decoded.handshakes.length, 2);
    for (const handshake of decoded.handshakes) {
      const made = replay(decoded, handshake);
      t.is(toHex(made.initiation), toHex(captured[handshake.initiation_frame - 1]!.payload));
      t.is(toHex(made.response), toHex(captured[handshake.response_frame - 1]!.payload));
      t.is(toHex(made.timestamp), handshake.timestamp_tai64n);
      t.is(toHex(made.initiator.sendKey), handshake.initiator_send_key);
      t.is(toHex(made.initiator.receiveKey), handshake.initiator_recv_key);
      t.deepEqual(made.responder.sendKey, made.initiator.receiveKey);
      t.deepEqual(made.responder.receiveKey, made.initiator.sendKey);
    }
  },
);

vectorTest(
  'the mac1 of every captured handshake message is accepted, and a changed one refused',
  [PCAP, DECODED],
  (t, files) => {
    const captured = datagrams(files[0]);
    const decoded = decodedCapture(files[1]);
    const checkers = {
      initiation: new CookieChecker(hex(decoded.static.Spub_r), () => new Uint8Array(32)),
      response: new CookieChecker(hex(decoded.static.Spub_i), () => new Uint8Array(32)),
    };
    let checked = 0;
    for (const { payload } of captured) {
      const kind = classify(payload);
      if (kind !== 'initiation' && kind !== 'response') continue;
      t.true(checkers[kind].checkMac1(payload));
      t.false(checkers[kind === 'initiation' ? 'response' : 'initiation'].checkMac1(payload));
      const changed = payload.slice();
      changed[20]! ^= 1;
      t.false(checkers[kind].checkMac1(changed));
      checked++;
    }
    t.is(checked, 4);
  },
);

vectorTest(
  'every captured transport datagram opens, and is sealed again byte for byte',
  [PCAP, DECODED],
  (t, files) => {
    const captured = datagrams(files[0]);
    const decoded = decodedCapture(files[1]);
    const keys = new Map<number, Uint8Array>();
    for (const handshake of decoded.handshakes) {
      const { initiator, responder } = replay(decoded, handshake);
      keys.set(initiator.remoteIndex, initiator.sendKey);
      keys.set(responder.remoteIndex, responder.sendKey);
    }
    const transport = decoded.packets.filter((packet) => packet.type === 4);
    t.is(transport.length, 18);
    for (const packet of transport) {
      const { payload } = captured[packet.frame - 1]!;
      t.is(classify(payload), 'transport');
      t.is(transportCounter(payload), BigInt(packet.counter!));
      const header = payload.subarray(0, TRANSPORT_HEADER.bytes);
      const sealed = payload.subarray(TRANSPORT_HEADER.bytes);
      const nonce = new Uint8Array(12);
      nonce.set(header.subarray(8), 4);
      const input = { key: keys.get(transportReceiver(payload))!, nonce, associated: null };
      const plaintext = new Uint8Array(sealed.length - TAG_BYTES);
      t.true(chacha20Poly1305.open(plaintext, sealed, input));
      t.is(toHex(plaintext), packet.plaintext!);
      t.true(plaintext.length % PADDING_BYTES === 0 || plaintext.length === CAPTURED_MTU);
      if (plaintext.length > 0) t.true(plaintext.length - ipPacketBytes(plaintext) < PADDING_BYTES);

      const again = new Uint8Array(payload.length);
      encodeTransportHeader(again, transportReceiver(payload), transportCounter(payload));
      chacha20Poly1305.seal(again.subarray(TRANSPORT_HEADER.bytes), plaintext, input);
      t.is(toHex(again), toHex(payload));
    }
  },
);

vectorTest(
  "the capture's own secrets are the published keys, once clamped",
  [KEYS, PCAPNG],
  (t, files) => {
    const published = parseVector(files[0]) as { keys: Record<string, string> };
    const lines = readCapture(files[1]!).secrets.join('').trim().split('\n');
    const value = (line: string): Uint8Array =>
      new Uint8Array(Buffer.from(line.slice(line.indexOf('=') + 1), 'base64'));
    const key = (name: string): Uint8Array =>
      new Uint8Array(Buffer.from(published.keys[name]!, 'base64'));
    const byName = (name: string): Uint8Array[] =>
      lines.filter((line) => line.startsWith(`${name}=`)).map(value);

    const [local] = byName('LOCAL_STATIC_PRIVATE_KEY');
    t.notDeepEqual(local, key('Spriv_i'));
    t.deepEqual(clampX25519(local!), key('Spriv_i'));
    t.deepEqual(byName('REMOTE_STATIC_PUBLIC_KEY'), [key('Spub_r')]);
    t.deepEqual(
      byName('LOCAL_EPHEMERAL_PRIVATE_KEY').map((secret) => toHex(clampX25519(secret))),
      [toHex(clampX25519(key('Epriv_i0'))), toHex(clampX25519(key('Epriv_i1')))],
    );
    t.deepEqual(createStaticIdentity(key('Spriv_i')).publicKey, key('Spub_i'));
    t.deepEqual(createStaticIdentity(key('Spriv_r')).publicKey, key('Spub_r'));
  },
);
