// A device with its own clock, and a way to carry messages between two of them.
import { Secret } from '../../../src/base/secret.js';
import type { Instant, Moment } from '../../../src/base/time.js';
import { instant, wallTime } from '../../../src/base/time.js';
import { createStaticIdentity } from '../../../src/handshake/wireguard.js';
import type { DeviceChange, PeerChange } from '../../../src/peer/change.js';
import { Device } from '../../../src/peer/device.js';
import type { DeviceEffect, DeviceEvent } from '../../../src/peer/deviceEffects.js';
import type { PeerId, PeerTraffic, SessionKeys } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import type { Path } from '../../../src/ports/udp.js';
import { seededEntropy } from '../../support/seededEntropy.js';

export const BOOT = 50_000;
export const WALL = 1_790_000_000_000;

export const path = (port: number, address = '192.0.2.1'): Path => ({
  remote: { family: 4, address, port, scopeId: 0 },
  local: { address: '198.51.100.7', interfaceIndex: 2 },
});

export const noTraffic: PeerTraffic = {
  receivedBytes: 0n,
  sentBytes: 0n,
  path: null,
  session: null,
};

type Of<Kind extends DeviceEffect['kind']> = Extract<DeviceEffect, { kind: Kind }>;

export class TestDevice {
  readonly device: Device;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Everything since the last `take`. */
  effects: DeviceEffect[] = [];
  bootMs = BOOT;
  wallMs = WALL;

  constructor(name: string) {
    const entropy = seededEntropy(name);
    this.privateKey = entropy(32);
    this.publicKey = createStaticIdentity(this.privateKey).publicKey;
    this.device = new Device({ entropy });
  }

  /** With a key and the link up. */
  static running(name: string): TestDevice {
    const device = new TestDevice(name);
    device.configure({ privateKey: new Secret(device.privateKey.slice()) });
    device.link(true);
    device.take();
    return device;
  }

  get now(): Moment {
    return { boot: instant(this.bootMs), wall: wallTime(this.wallMs) };
  }

  get boot(): Instant {
    return this.now.boot;
  }

  handle(event: DeviceEvent): DeviceEffect[] {
    const effects = this.device.handle(event, this.now);
    this.effects = this.effects.concat(effects);
    return effects;
  }

  configure(change: Partial<DeviceChange>): DeviceEffect[] {
    return this.handle({
      kind: 'configure',
      change: { replacePeers: false, peers: [], ...change },
    });
  }

  peer(publicKey: Uint8Array, change: Partial<PeerChange> = {}): DeviceEffect[] {
    return this.configure({ peers: [peerChange(publicKey, change)] });
  }

  link(up: boolean): DeviceEffect[] {
    return this.handle({ kind: 'linkChanged', up, mtu: 1420 });
  }

  control(bytes: Uint8Array, from: Path): DeviceEffect[] {
    return this.handle({ kind: 'controlReceived', bytes, path: from });
  }

  keysNeeded(peer: PeerId = peerId(0)): DeviceEffect[] {
    return this.handle({ kind: 'keysNeeded', peer });
  }

  /** Lets time pass, with every timer at its deadline. */
  advance(ms: number): DeviceEffect[] {
    const end = this.bootMs + ms;
    const effects: DeviceEffect[] = [];
    for (let next = this.device.nextTimeout(); next !== null && next <= end;) {
      this.#moveTo(Math.max(next, this.bootMs));
      effects.push(...this.device.handleTimeout(this.now));
      next = this.device.nextTimeout();
    }
    this.#moveTo(end);
    this.effects = this.effects.concat(effects);
    return effects;
  }

  #moveTo(bootMs: number): void {
    this.wallMs += bootMs - this.bootMs;
    this.bootMs = bootMs;
  }

  take(): DeviceEffect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }

  /** Refusals that were counted, without those that are zero. */
  refusals(): Record<string, number> {
    const counts = Object.entries(this.device.stats().refusals);
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }
}

export function peerChange(publicKey: Uint8Array, change: Partial<PeerChange> = {}): PeerChange {
  return {
    publicKey,
    remove: false,
    updateOnly: false,
    replaceAllowedIps: false,
    allowedIps: [],
    ...change,
  };
}

export function of<Kind extends DeviceEffect['kind']>(
  effects: readonly DeviceEffect[],
  kind: Kind,
): Of<Kind>[] {
  return effects.filter((effect): effect is Of<Kind> => effect.kind === kind);
}

/** The kinds in order, without log lines. */
export const kinds = (effects: readonly DeviceEffect[]): string[] =>
  effects.filter(({ kind }) => kind !== 'log').map(({ kind }) => kind);

/** The only datagram to a peer among the effects. */
export function sentTo(effects: readonly DeviceEffect[]): Uint8Array {
  const sent = of(effects, 'sendToPeer');
  if (sent.length !== 1) throw new Error(`${sent.length} datagrams instead of one`);
  return sent[0]!.bytes;
}

export function installed(effects: readonly DeviceEffect[]): SessionKeys {
  const keys = of(effects, 'installKeys');
  if (keys.length !== 1) throw new Error(`${keys.length} sessions instead of one`);
  return keys[0]!.keys;
}

/** Two devices that are each other's peer in slot 0, with no session yet. */
export function connected(): { alice: TestDevice; bob: TestDevice } {
  const alice = TestDevice.running('alice');
  const bob = TestDevice.running('bob');
  alice.peer(bob.publicKey, { endpoint: path(1).remote });
  bob.peer(alice.publicKey, { endpoint: path(2).remote });
  alice.take();
  bob.take();
  return { alice, bob };
}

export interface Handshake {
  readonly initiation: Uint8Array;
  readonly response: Uint8Array;
  readonly initiatorKeys: SessionKeys;
  readonly responderKeys: SessionKeys;
}

/** A whole handshake, started by `initiator`. */
export function shakeHands(initiator: TestDevice, responder: TestDevice): Handshake {
  const initiation = sentTo(initiator.keysNeeded());
  const responded = responder.control(initiation, path(2));
  const response = sentTo(responded);
  const completed = initiator.control(response, path(1));
  return {
    initiation,
    response,
    initiatorKeys: installed(completed),
    responderKeys: installed(responded),
  };
}
