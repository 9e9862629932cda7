// All that a simulation consists of, and the invariants that are checked whenever something
// happens in it.
import { toBase64, toHex } from '../../src/base/bytes.js';
import type { Endpoint } from '../../src/base/ip.js';
import { formatEndpoint } from '../../src/base/ip.js';
import type { LogEffect } from '../../src/peer/deviceEffects.js';
import { VirtualClock, VirtualTime } from '../support/virtualTime.js';
import { Ledger } from './ledger.js';
import { SimNetwork } from './network.js';
import type { AgentConfig } from './operator.js';
import { Operator, homePrefix } from './operator.js';
import type { Random } from './random.js';
import { SimAgent } from './simAgent.js';
import type { UserPacket } from './userTraffic.js';
import { UserTraffic } from './userTraffic.js';
import { must } from './violation.js';

const BOOT_MS = 100_000;
/** What the wall clocks show when they are right. */
const WALL_OFFSET_MS = 1_790_000_000_000;
const TRACE_LINES = 400;
const PORT = 51_820;

/** Two agents that are each other's peer. */
export interface Pair {
  readonly a: string;
  readonly b: string;
}

export interface Machine {
  readonly name: string;
  readonly agent: SimAgent;
  readonly config: AgentConfig;
  readonly clock: VirtualClock;
  /** Others see it at an address that may change, and don't know it beforehand. */
  readonly behindNat: boolean;
}

export class World {
  readonly time = new VirtualTime(BOOT_MS);
  readonly random: Random;
  readonly ledger = new Ledger();
  readonly operator: Operator;
  readonly traffic: UserTraffic;
  readonly network: SimNetwork;
  readonly machines: readonly Machine[];
  readonly pairs: readonly Pair[];
  readonly trace: string[] = [];
  readonly wallOffsetMs = WALL_OFFSET_MS;
  /** Distinct log lines of all agents. */
  readonly #lines = new Set<string>();

  constructor(random: Random, behindNat: readonly boolean[]) {
    this.random = random;
    this.operator = new Operator(random.fork());
    this.traffic = new UserTraffic(random.fork());
    this.machines = behindNat.map((nat, i) => this.#machine(i + 1, nat));
    const agents = this.machines.map(({ agent }) => agent);
    this.network = new SimNetwork(this.time, random.fork(), agents);
    this.pairs = this.#connect();
  }

  get nowMs(): number {
    return this.time.nowMs;
  }

  machine = (name: string): Machine => this.machines.find((machine) => machine.name === name)!;

  note(text: string): void {
    this.trace.push(`${((this.nowMs - BOOT_MS) / 1000).toFixed(3)} ${text}`);
    if (this.trace.length > TRACE_LINES) this.trace.shift();
  }

  /** Does everything that is due until then. */
  runFor(ms: number): void {
    this.time.advanceTo(this.nowMs + ms);
  }

  #machine(number: number, behindNat: boolean): Machine {
    const name = `agent${number}`;
    const clock = new VirtualClock(this.time, WALL_OFFSET_MS);
    const agent = new SimAgent(
      {
        name,
        random: this.random.fork(),
        clock,
        ledger: this.ledger,
        network: () => this.network,
        agentOfKey: (key) => this.operator.agentOfKey(key),
        onPacket: (bytes, from) => this.#delivered(name, bytes, from),
        log: (line) => this.#log(name, line),
      },
      publicEndpoint(number, PORT),
    );
    return { name, agent, config: this.operator.addAgent(name, number), clock, behindNat };
  }

  /** Every two of which one can be found by the other. */
  #connect(): Pair[] {
    const pairs: Pair[] = [];
    for (const [i, a] of this.machines.entries()) {
      for (const b of this.machines.slice(i + 1)) {
        if (a.behindNat && b.behindNat) continue;
        pairs.push({ a: a.name, b: b.name });
        const presharedKey = this.operator.newPresharedKey();
        this.#addPeer(a, b, presharedKey);
        this.#addPeer(b, a, presharedKey);
      }
    }
    return pairs;
  }

  #addPeer(to: Machine, peer: Machine, presharedKey: Uint8Array | null): void {
    to.config.peers.set(peer.name, {
      publicKey: this.operator.publicKey(peer.name),
      presharedKey,
      endpoint: peer.behindNat ? null : peer.agent.endpoint,
      persistentKeepaliveS: to.behindNat ? 25 : 0,
      allowedIps: new Set([homePrefix(peer.config.number)]),
    });
  }

  start(name: string): void {
    this.note(`${name} starts`);
    this.machine(name).agent.start(this.operator.wholeChange(name));
  }

  /** Sends a user's packet into the tunnel; null if the machine isn't there to send. */
  send(from: string, to: string, source?: string): UserPacket | null {
    const { agent, config } = this.machine(from);
    if (!agent.running || agent.suspended) return null;
    const packet = this.traffic.create({
      from,
      to,
      source: source ?? `10.${config.number}.0.${this.random.integer(1, 254)}`,
      destination: `10.${this.machine(to).config.number}.0.${this.random.integer(1, 254)}`,
      nowMs: this.nowMs,
    });
    agent.sendPackets(packet.bytes);
    return packet;
  }

  #delivered(name: string, bytes: Uint8Array, from: string | null): void {
    const packet = this.traffic.delivered(name, bytes, this.nowMs);
    must(
      packet.from === from,
      () => `${name} took packet ${packet.id} of ${packet.from} as ${from}'s`,
    );
    must(
      this.operator.allows(name, packet.from, packet.source),
      () =>
        `${name} took packet ${packet.id} from ${packet.source}, which ${packet.from} may not use`,
    );
  }

  #log(name: string, { level, message, peer, endpoint }: LogEffect): void {
    const key = peer === null ? '' : ` ${toHex(peer)} ${toBase64(peer)}`;
    const about = peer === null ? '' : ` ${this.operator.agentOfKey(toHex(peer)) ?? 'unknown'}`;
    const where = endpoint === null ? '' : ` ${formatEndpoint(endpoint)}`;
    this.#lines.add(`${level} ${message}${key}${where}`);
    this.note(`${name}: ${message}${about}${where}`);
  }

  /** What must hold at any time, and isn't seen by an event alone. */
  checkInvariants(): void {
    for (const { agent } of this.machines) agent.checkInvariants();
  }

  /** No key, private, pre-shared or of a session, is in any log line. */
  checkLog(): void {
    const text = [...this.#lines].join('\n');
    for (const secret of [...this.operator.secrets, ...this.ledger.keys]) {
      const base64 = Buffer.from(secret, 'hex').toString('base64').slice(0, 43);
      must(!text.includes(secret) && !text.includes(base64), () => 'a secret is in the log');
    }
  }
}

export const publicEndpoint = (number: number, port: number): Endpoint => ({
  family: 4,
  address: `203.0.113.${number}`,
  port,
  scopeId: 0,
});
