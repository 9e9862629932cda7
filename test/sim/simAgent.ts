// One machine with Beam on it. It can be suspended, crash, start again and change its addresses.
import type { Endpoint } from '../../src/base/ip.js';
import type { DeviceChange } from '../../src/peer/change.js';
import type { LogEffect } from '../../src/peer/deviceEffects.js';
import type { Clock, Timer } from '../../src/ports/clock.js';
import type { Path, ReceivedDatagram, SendOutcome } from '../../src/ports/udp.js';
import type { VirtualClock } from '../support/virtualTime.js';
import { AgentRun } from './agentRun.js';
import type { Ledger } from './ledger.js';
import type { Host, SimNetwork } from './network.js';
import type { Random } from './random.js';

/** What a socket's buffer keeps while the machine sleeps. */
const SOCKET_BUFFER_DATAGRAMS = 3;
/** What arrives within this time is one batch. */
const BATCH_MS = 0.2;

export interface SimAgentParts {
  readonly name: string;
  readonly random: Random;
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
  readonly network: () => SimNetwork;
  readonly agentOfKey: (publicKey: string) => string | null;
  readonly onPacket: (bytes: Uint8Array, from: string | null) => void;
  readonly log: (line: LogEffect) => void;
}

export class SimAgent implements Host {
  readonly name: string;
  readonly #parts: SimAgentParts;
  endpoint: Endpoint;
  #localAddress = '10.255.0.1';
  #run: AgentRun | null = null;
  #isSuspended = false;
  #inbox: ReceivedDatagram[] = [];
  /** What is to be done after waking up. */
  #waiting: (() => void)[] = [];

  constructor(parts: SimAgentParts, endpoint: Endpoint) {
    this.name = parts.name;
    this.#parts = parts;
    this.endpoint = endpoint;
  }

  get running(): boolean {
    return this.#run !== null;
  }

  get suspended(): boolean {
    return this.#isSuspended;
  }

  /** With the whole configuration. */
  start(change: DeviceChange): void {
    const { name, random, network, ...parts } = this.#parts;
    const run: AgentRun = new AgentRun({
      ...parts,
      agent: name,
      clock: this.#clock(() => this.#run === run),
      entropy: (byteLength) => random.bytes(byteLength),
      send: (path, bytes, trafficClass) => this.#send(path, bytes, trafficClass, network()),
    });
    this.#run = run;
    run.configure(change);
    run.link(true);
  }

  /** Loses all memory, without a farewell. */
  crash(): void {
    if (this.#run === null) return;
    this.#parts.ledger.ended(this.#run);
    this.#run = null;
    this.#isSuspended = false;
    this.#inbox = [];
    this.#waiting = [];
  }

  suspend(): void {
    if (this.#run !== null) this.#isSuspended = true;
  }

  resume(): void {
    if (!this.#isSuspended) return;
    this.#isSuspended = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
    this.#scheduleBatch();
  }

  #whenAwake(work: () => void): void {
    if (this.#isSuspended) this.#waiting.push(work);
    else work();
  }

  /** Now or after waking up; the change is made then. Not at all if it crashes before. */
  configure(change: () => DeviceChange): void {
    const run = this.#run;
    this.#whenAwake(() => {
      if (run === this.#run) run?.configure(change());
    });
  }

  link(up: boolean): void {
    const run = this.#run;
    this.#whenAwake(() => {
      if (run === this.#run) run?.link(up);
    });
  }

  /** The interface that packets leave by gets another address. */
  readdress(): void {
    this.#localAddress = `10.255.${this.#parts.random.integer(0, 255)}.1`;
  }

  /** Users of a sleeping machine sleep, too. True if the packets went into the tunnel. */
  sendPackets(...packets: readonly Uint8Array[]): boolean {
    if (this.#isSuspended || this.#run === null) return false;
    this.#run.packets(packets.map((packet) => packet.slice()));
    return true;
  }

  receive(bytes: Uint8Array, from: Endpoint, ecn: number): void {
    if (this.#run === null) return;
    if (this.#isSuspended && this.#inbox.length >= SOCKET_BUFFER_DATAGRAMS) return;
    const path: Path = { remote: from, local: { address: this.#localAddress, interfaceIndex: 2 } };
    this.#inbox.push({ bytes, path, ecn });
    if (this.#inbox.length === 1) this.#scheduleBatch();
  }

  #scheduleBatch(): void {
    this.#parts.clock.setTimer(BATCH_MS, () => {
      if (this.#isSuspended || this.#inbox.length === 0) return;
      const batch = this.#inbox;
      this.#inbox = [];
      this.#run?.datagrams(batch);
    });
  }

  checkInvariants(): void {
    if (!this.#isSuspended) this.#run?.checkInvariants();
  }

  #send(path: Path, bytes: Uint8Array, trafficClass: number, network: SimNetwork): SendOutcome {
    const localStale = path.local !== null && path.local.address !== this.#localAddress;
    network.send(this, path.remote, bytes, trafficClass);
    return { failure: null, localStale };
  }

  /** Timers of a suspended machine fire when it wakes up, those of a dead one never. */
  #clock(isAlive: () => boolean): Clock {
    const { clock } = this.#parts;
    return {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      setTimer: (delayMs, callback): Timer => {
        let cancelled = false;
        const timer = clock.setTimer(delayMs, () => {
          this.#whenAwake(() => {
            if (!cancelled && isAlive()) callback();
          });
        });
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
    };
  }
}
