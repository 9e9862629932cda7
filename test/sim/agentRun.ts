// An agent from one start to its next crash: the real device and the real sodium engine over ports
// that the simulation holds, with all that the ledger must know noted on the way.
import { toHex } from '../../src/base/bytes.js';
import type { Instant } from '../../src/base/time.js';
import { applyEffects } from '../../src/dataPlane/applyEffects.js';
import { openSodiumEngine } from '../../src/dataPlane/sodiumEngine.js';
import type { DeviceChange } from '../../src/peer/change.js';
import { Device } from '../../src/peer/device.js';
import type { DeviceEffect, DeviceEvent, LogEffect } from '../../src/peer/deviceEffects.js';
import type { Clock, Timer } from '../../src/ports/clock.js';
import type { DataPlane, DataPlaneEvent, PeerId } from '../../src/ports/dataPlane.js';
import type { Entropy } from '../../src/ports/entropy.js';
import type { TunDevice, TunEvents } from '../../src/ports/tun.js';
import type {
  Path,
  ReceivedDatagram,
  SendOutcome,
  UdpEvents,
  UdpSockets,
} from '../../src/ports/udp.js';
import type { Incarnation, Ledger } from './ledger.js';
import { must } from './violation.js';

const MTU = 1420;

export interface AgentRunParts {
  readonly agent: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly ledger: Ledger;
  /** Which agent a public key (hex) belongs to or belonged to. */
  readonly agentOfKey: (publicKey: string) => string | null;
  readonly send: (path: Path, bytes: Uint8Array, trafficClass: number) => SendOutcome;
  /** The TUN device got a packet from this agent's peer. */
  readonly onPacket: (bytes: Uint8Array, from: string | null) => void;
  readonly log: (line: LogEffect) => void;
}

export class AgentRun implements Incarnation {
  readonly agent: string;
  readonly #parts: AgentRunParts;
  readonly #device: Device;
  readonly #engine: DataPlane;
  #tunEvents!: TunEvents;
  #udpEvents!: UdpEvents;
  #bound = false;
  #timer: { readonly at: Instant; readonly timer: Timer } | null = null;
  #slots = new Map<PeerId, string>();
  /** The receiver index of the datagram that the engine is working on. */
  #receiver = 0;

  constructor(parts: AgentRunParts) {
    this.agent = parts.agent;
    this.#parts = parts;
    this.#device = new Device({ entropy: parts.entropy });
    this.#engine = openSodiumEngine({
      openTun: (events) => this.#openTun(events),
      openUdp: (events) => this.#openUdp(events),
      clock: parts.clock,
      listener: (events) => {
        for (const event of events) this.#event(event);
      },
    });
  }

  readonly agentInSlot = (slot: PeerId): string | null => {
    const key = this.#slots.get(slot);
    return key === undefined ? null : this.#parts.agentOfKey(key);
  };

  configure(change: DeviceChange): void {
    this.#handle({ kind: 'configure', change });
    const { peers } = this.#device.snapshot((peer) => this.#engine.traffic(peer));
    this.#slots = new Map(
      peers.map(({ publicKey }) => [this.#device.health(publicKey)!.peer, toHex(publicKey)]),
    );
  }

  link(up: boolean): void {
    this.#tunEvents.link({ up, mtu: MTU });
  }

  packets(batch: readonly Uint8Array[]): void {
    this.#tunEvents.packets(batch);
  }

  datagrams(batch: readonly ReceivedDatagram[]): void {
    this.#udpEvents.datagrams(batch.map((datagram) => this.#noted(datagram)));
  }

  /** Notes the index when the engine turns to the datagram. */
  #noted({ bytes, path, ecn }: ReceivedDatagram): ReceivedDatagram {
    const note = (): Uint8Array => {
      if (bytes.length >= 8) {
        this.#receiver = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
      }
      return bytes;
    };
    return {
      get bytes() {
        return note();
      },
      path,
      ecn,
    };
  }

  checkInvariants(): void {
    this.#parts.ledger.checkHeld(this, this.#parts.clock.now());
    const { indices, rateLimitedSources } = this.#device.stats();
    // Three sessions and a handshake for each peer.
    const limit = 4 * this.#slots.size;
    must(indices <= limit, () => `${this.agent}: ${indices} indices for ${this.#slots.size} peers`);
    must(rateLimitedSources <= 8192, () => `${this.agent}: ${rateLimitedSources} sources`);
  }

  #event(event: DataPlaneEvent): void {
    const { ledger } = this.#parts;
    if (event.kind === 'tunClosed') return;
    if (event.kind === 'keysDropped') {
      ledger.dropped(this, ({ localIndex }) => localIndex === event.localIndex);
    }
    if (event.kind === 'linkChanged') this.#bound = event.up;
    this.#handle(event);
  }

  #handle(event: DeviceEvent): void {
    this.#apply(this.#device.handle(event, this.#now()));
  }

  #apply(effects: readonly DeviceEffect[]): void {
    for (const effect of effects) {
      this.#note(effect);
      applyEffects([effect], this.#engine, this.#parts.log);
    }
    this.#schedule();
  }

  #note(effect: DeviceEffect): void {
    const { ledger } = this.#parts;
    if (effect.kind === 'installKeys') ledger.installed(this, effect.keys);
    if (effect.kind === 'removePeer') ledger.peerRemoved(this, effect.peer);
    if (effect.kind === 'dropKeys') ledger.dropped(this, ({ slot }) => slot === effect.peer);
  }

  #schedule(): void {
    const at = this.#device.nextTimeout();
    if (at === (this.#timer?.at ?? null)) return;
    this.#timer?.timer.cancel();
    this.#timer = null;
    if (at === null) return;
    const timer = this.#parts.clock.setTimer(at - this.#parts.clock.now(), () => {
      this.#timer = null;
      this.#apply(this.#device.handleTimeout(this.#now()));
    });
    this.#timer = { at, timer };
  }

  #now(): { boot: ReturnType<Clock['now']>; wall: ReturnType<Clock['wallNow']> } {
    return { boot: this.#parts.clock.now(), wall: this.#parts.clock.wallNow() };
  }

  #openTun(events: TunEvents): TunDevice {
    this.#tunEvents = events;
    return {
      name: this.agent,
      write: (packet) => {
        const { ledger, clock, onPacket } = this.#parts;
        const session = ledger.accepted(this, this.#receiver, clock.now());
        onPacket(packet, this.agentInSlot(session.slot));
        return true;
      },
      close: () => undefined,
    };
  }

  #openUdp(events: UdpEvents): UdpSockets {
    this.#udpEvents = events;
    return {
      features: { stickySource: true, ecn: true, mark: true },
      families: [4, 6],
      bind: (port) => port,
      unbind: () => undefined,
      setMark: () => undefined,
      send: (path, bytes, trafficClass) => this.#send(path, bytes, trafficClass),
      close: () => undefined,
    };
  }

  #send(path: Path, bytes: Uint8Array, trafficClass: number): SendOutcome {
    if (bytes[0] === 4) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const counter = view.getBigUint64(8, true);
      const { ledger, clock } = this.#parts;
      ledger.sent(this, view.getUint32(4, true), counter, clock.now());
    }
    if (!this.#bound) return { failure: 'ENOSOCK', localStale: false };
    return this.#parts.send(path, bytes, trafficClass);
  }
}
