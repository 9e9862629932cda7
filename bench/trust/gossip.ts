// How fast and at what cost do statements reach 100 agents? The real machines over a simulated network
// in virtual time; every signature is real and is verified by every agent.
import { instant, wallTime, type Moment } from '../../src/base/time.js';
import { DEFAULT_POLICY } from '../../src/trust/policy.js';
import { WebOfTrust } from '../../src/trust/webOfTrust.js';
import { Propagation, type PropagationEffect } from '../../src/trust/propagation/propagation.js';
import { readQuery, type Query } from '../../src/trust/propagation/messages.js';
import { LOCAL, Replica, shortId } from '../../src/trust/propagation/replica.js';
import type { VerifiedStatement } from '../../src/trust/statement/signedStatement.js';
import type { Json } from '../../src/trust/statement/canonicalJson.js';
import { Random } from '../../test/sim/random.js';
import { START, revocation, signer, vouch, type Signer } from '../../test/support/signers.js';

const AGENTS = 100;
const NEIGHBOURS = 5;
const STATEMENTS_EACH = 5;
const LATENCY_MS = { min: 5, max: 50 };
/** Of TCP, HTTP and the tunnel around each message; an estimate. */
const OVERHEAD_BYTES = 200;

export interface GossipResult {
  readonly diameter: number;
  readonly statements: number;
  /** From nothing: all agents have everything. */
  readonly convergedMs: number;
  readonly bytesPerAgent: number;
  /** One further revocation, from its making until the last agent has it. */
  readonly revocationMs: number;
  readonly revocationBytesPerAgent: number;
  /** A minute in which nothing changes. */
  readonly idleBytesPerAgent: number;
}

interface Agent {
  readonly signer: Signer;
  readonly replica: Replica;
  readonly machine: Propagation;
  readonly neighbours: Set<number>;
}

export function gossip(seed: number): GossipResult {
  const network = new Network(seed);
  const convergedMs = network.runUntil((agent) => agent.replica.size === network.statements);
  const { bytes } = network;
  const made = revocation(network.agents[0]!.signer, network.agents[0]!.signer);
  const began = network.now;
  network.publish(0, made);
  network.runUntil((agent) => agent.replica.has(shortId(made.id)));
  const revocationMs = network.now - began;
  const revocationBytes = network.bytes - bytes;
  const before = network.runFor(120_000);
  const after = network.runFor(60_000);
  return {
    diameter: network.diameter(),
    statements: network.statements,
    convergedMs,
    bytesPerAgent: bytes / AGENTS,
    revocationMs,
    revocationBytesPerAgent: revocationBytes / AGENTS,
    idleBytesPerAgent: (after - before) / AGENTS,
  };
}

interface Scheduled {
  readonly at: number;
  readonly run: () => void;
}

class Network {
  readonly agents: Agent[];
  statements = 0;
  bytes = 0;
  now = 0;
  readonly #random: Random;
  #queue: Scheduled[] = [];

  constructor(seed: number) {
    this.#random = new Random(seed);
    const signers = Array.from({ length: AGENTS }, (_, i) => signer(`agent ${i}`));
    this.agents = signers.map((one) => this.#agent(one));
    this.#connect();
    this.agents.forEach((agent, i) => {
      for (let k = 1; k <= STATEMENTS_EACH; k++) {
        agent.replica.add(vouch(agent.signer, signers[(i + k * 7) % AGENTS]!), LOCAL);
        this.statements++;
      }
    });
  }

  #agent(one: Signer): Agent {
    const replica = new Replica(new WebOfTrust({ self: one.did, policy: DEFAULT_POLICY }));
    const random = this.#random.fork();
    const machine = new Propagation({ replica, jitterMs: () => random.integer(0, 3_000) });
    return { signer: one, replica, machine, neighbours: new Set() };
  }

  /** A ring, so that it is in one piece, and chords. */
  #connect(): void {
    const link = (a: number, b: number): void => {
      if (a === b) return;
      this.agents[a]!.neighbours.add(b);
      this.agents[b]!.neighbours.add(a);
    };
    for (let i = 0; i < AGENTS; i++) {
      link(i, (i + 1) % AGENTS);
      for (let k = 2; k < NEIGHBOURS; k++) link(i, this.#random.integer(0, AGENTS - 1));
    }
    for (const agent of this.agents) {
      for (const other of agent.neighbours) {
        const peer = this.agents[other]!.signer.did;
        agent.machine.handle({ kind: 'peerAdmitted', peer }, this.#moment());
      }
    }
  }

  publish(index: number, statement: VerifiedStatement): void {
    const agent = this.agents[index]!;
    agent.replica.add(statement, LOCAL);
    this.statements++;
    this.#apply(index, agent.machine.handle({ kind: 'statementsMade' }, this.#moment()));
  }

  runUntil(done: (agent: Agent) => boolean): number {
    const began = this.now;
    while (!this.agents.every(done)) {
      if (this.now - began > 3_600_000) throw new Error('no convergence within an hour');
      this.#step();
    }
    return this.now - began;
  }

  /** The bytes sent until then, in all. */
  runFor(ms: number): number {
    const end = this.now + ms;
    while (this.now < end) this.#step();
    return this.bytes;
  }

  diameter(): number {
    return Math.max(...this.agents.map((_, i) => this.#eccentricity(i)));
  }

  #eccentricity(from: number): number {
    const distance = new Map([[from, 0]]);
    for (const [at, steps] of distance) {
      for (const next of this.agents[at]!.neighbours) {
        if (!distance.has(next)) distance.set(next, steps + 1);
      }
    }
    return Math.max(...distance.values());
  }

  /** To the next message or timeout. */
  #step(): void {
    const timeouts = this.agents.map(({ machine }) => machine.nextTimeout() ?? Infinity);
    const message = this.#queue[0]?.at ?? Infinity;
    const next = Math.min(message, ...timeouts);
    this.now = Math.max(this.now, next);
    if (message <= next) {
      this.#queue.shift()!.run();
      return;
    }
    timeouts.forEach((at, i) => {
      if (at <= this.now) this.#apply(i, this.agents[i]!.machine.handleTimeout(this.#moment()));
    });
  }

  #apply(from: number, effects: readonly PropagationEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'misbehaved') throw new Error(`an honest peer: ${effect.what}`);
      if (effect.kind === 'learned') continue;
      const to = this.agents.findIndex(({ signer: { did } }) => did === effect.peer);
      if (effect.kind === 'ask') this.#ask(from, to, effect);
      else this.#send(2, () => this.#nudge(from, to));
    }
  }

  #nudge(from: number, to: number): void {
    const peer = this.agents[from]!.signer.did;
    this.#apply(to, this.agents[to]!.machine.handle({ kind: 'nudged', peer }, this.#moment()));
  }

  #ask(from: number, to: number, asked: { readonly request: number; readonly query: Query }): void {
    const sent = JSON.stringify(asked.query);
    this.#send(sent.length, () => {
      const query = readQuery(JSON.parse(sent) as Json)!;
      const text = JSON.stringify(this.agents[to]!.replica.answer(query));
      this.#send(text.length, () => {
        const { request } = asked;
        const peer = this.agents[to]!.signer.did;
        const event = { kind: 'answered', peer, request, text } as const;
        this.#apply(from, this.agents[from]!.machine.handle(event, this.#moment()));
      });
    });
  }

  #send(bytes: number, run: () => void): void {
    this.bytes += bytes + OVERHEAD_BYTES;
    const at = this.now + this.#random.integer(LATENCY_MS.min, LATENCY_MS.max);
    const place = this.#queue.findIndex((other) => other.at > at);
    this.#queue.splice(place < 0 ? this.#queue.length : place, 0, { at, run });
  }

  #moment(): Moment {
    return { boot: instant(this.now), wall: wallTime(START + this.now) };
  }
}
