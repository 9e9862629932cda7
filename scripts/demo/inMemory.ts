// The demo for a machine without root or TUN devices: two whole agents (the real device, engine and
// clock) in this process, whose TUN devices and sockets are arrays.
import { randomBytes } from 'node:crypto';
import { Controller } from '../../src/agent/controller.js';
import { toBase64 } from '../../src/base/bytes.js';
import { parsePrefix } from '../../src/base/ip.js';
import type { Endpoint } from '../../src/base/ip.js';
import { Secret } from '../../src/base/secret.js';
import { x25519 } from '../../src/crypto/dh.js';
import { openSodiumEngine } from '../../src/dataPlane/sodiumEngine.js';
import { systemClock } from '../../src/platform/clock.js';
import { systemEntropy } from '../../src/platform/entropy.js';
import type { TunDevice, TunEvents } from '../../src/ports/tun.js';
import type { Path, UdpEvents, UdpSockets } from '../../src/ports/udp.js';
import type { Narrator } from './output.js';

const PORT = 51820;
const MTU = 1420;

/** A wire without loss between sockets that are known by their address. */
class Wire {
  readonly #sockets = new Map<string, (bytes: Uint8Array, from: Endpoint) => void>();
  /** Message types as they went over the wire. */
  readonly types: number[] = [];

  attach(address: string, receive: (bytes: Uint8Array, from: Endpoint) => void): void {
    this.#sockets.set(address, receive);
  }

  send(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    this.types.push(bytes[0]!);
    // As on a real wire, nothing arrives while it is being sent.
    const copy = Uint8Array.from(bytes);
    setImmediate(() => this.#sockets.get(to.address)?.(copy, from));
  }
}

const endpointAt = (address: string): Endpoint => ({ family: 4, address, port: PORT, scopeId: 0 });

function memorySockets(wire: Wire, address: string, events: UdpEvents): UdpSockets {
  const own = endpointAt(address);
  wire.attach(address, (bytes, remote) => {
    const path: Path = { remote, local: null };
    events.datagrams([{ bytes, path, ecn: 0 }]);
  });
  return {
    bind: () => PORT,
    unbind: () => undefined,
    setMark: () => undefined,
    send: (path, bytes) => {
      wire.send(own, path.remote, bytes);
      return { failure: null, localStale: false };
    },
    features: { stickySource: false, ecn: false, mark: false },
    families: [4],
    close: () => undefined,
  };
}

/** What the other end of a TUN device sees: packets come out of `delivered`, `emit` puts one in. */
interface MemoryTun {
  readonly delivered: Uint8Array[];
  emit(packet: Uint8Array): void;
}

class MemoryAgent {
  readonly controller: Controller;
  readonly tun: MemoryTun;
  readonly privateKey = x25519.generate(systemEntropy);
  readonly publicKey = x25519.publicKey(this.privateKey);
  readonly address: string;
  readonly log: string[] = [];

  constructor(wire: Wire, address: string) {
    this.address = address;
    const delivered: Uint8Array[] = [];
    let tunEvents: TunEvents | null = null;
    const device: TunDevice = {
      name: 'memory',
      write: (packet) => {
        delivered.push(Uint8Array.from(packet));
        return true;
      },
      close: () => undefined,
    };
    const clock = systemClock();
    const note = (message: string): void => void this.log.push(message);
    this.controller = new Controller({
      openDataPlane: (listener) =>
        openSodiumEngine({
          openTun: (events) => {
            tunEvents = events;
            return device;
          },
          openUdp: (events) => memorySockets(wire, address, events),
          clock,
          listener,
        }),
      clock,
      entropy: systemEntropy,
      logger: { debug: note, info: note, error: note },
      onTunClosed: () => undefined,
    });
    this.tun = { delivered, emit: (packet) => tunEvents!.packets([packet]) };
    tunEvents!.link({ up: true, mtu: MTU });
  }

  addPeer(peer: MemoryAgent, allowedIp: string, knowsEndpoint: boolean): void {
    this.controller.applyChange({
      privateKey: new Secret(Uint8Array.from(this.privateKey)),
      listenPort: PORT,
      replacePeers: true,
      peers: [
        {
          publicKey: peer.publicKey,
          remove: false,
          updateOnly: false,
          ...(knowsEndpoint ? { endpoint: endpointAt(peer.address) } : {}),
          replaceAllowedIps: true,
          allowedIps: [{ edit: 'add', prefix: parsePrefix(allowedIp)! }],
        },
      ],
    });
  }
}

const IP_HEADER_BYTES = 20;
const COUNT = 1_000;

/** An IPv4 packet that the engine routes: addresses and length are right, the content random. */
function packet(source: readonly number[], destination: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(IP_HEADER_BYTES + (randomBytes(2).readUInt16LE() % 1_200));
  crypto.getRandomValues(bytes.subarray(IP_HEADER_BYTES));
  bytes[0] = 0x45;
  new DataView(bytes.buffer).setUint16(2, bytes.length);
  bytes.set(source, 12);
  bytes.set(destination, 16);
  return bytes;
}

async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (!condition() && performance.now() < endMs) {
    await new Promise((resume) => setTimeout(resume, 2));
  }
  return condition();
}

/** True if every packet came out of the other end as it went in. */
export async function demonstrateInMemory(narrator: Narrator): Promise<boolean> {
  const wire = new Wire();
  const [office, laptop] = [new MemoryAgent(wire, '192.0.2.1'), new MemoryAgent(wire, '192.0.2.2')];
  try {
    narrator.step(
      'keys',
      `office ${toBase64(office.publicKey)}`,
      `laptop ${toBase64(laptop.publicKey)}`,
    );
    office.addPeer(laptop, '10.99.0.2/32', true);
    laptop.addPeer(office, '10.99.0.1/32', false);
    const sent = Array.from({ length: COUNT }, () => packet([10, 99, 0, 1], [10, 99, 0, 2]));
    const startMs = performance.now();
    office.tun.emit(sent[0]!);
    const delivered = laptop.tun.delivered;
    const connected = await until(() => delivered.length === 1, 5_000);
    narrator.step(
      'handshake',
      `${connected ? 'done' : 'FAILED'} after ${(performance.now() - startMs).toFixed(1)} ms; ` +
        `message types on the wire: ${wire.types.slice(0, 3).join(', ')}`,
    );
    for (const one of sent.slice(1)) office.tun.emit(one);
    await until(() => delivered.length === COUNT, 5_000);
    const equal = sent.every(
      (one, i) => Buffer.compare(one, delivered[i] ?? Buffer.alloc(0)) === 0,
    );
    narrator.step(
      'packets',
      `${delivered.length} of ${COUNT} arrived, ${equal ? 'each as it was sent' : 'NOT as they were sent'}`,
    );
    const { peers } = laptop.controller.snapshot();
    narrator.step('counters', `laptop received ${peers[0]?.receivedBytes} bytes of UDP payload`);
    return connected && equal;
  } finally {
    office.controller.close();
    laptop.controller.close();
  }
}
