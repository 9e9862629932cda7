// Beam handshakes of some nodes over a wire that the test holds in its hands: every datagram waits there
// until the test delivers, drops, repeats or changes it. Virtual time, seeded randomness, real crypto.
import type { Endpoint } from '../../src/base/ip.js';
import { formatEndpoint } from '../../src/base/ip.js';
import type { Moment } from '../../src/base/time.js';
import { instant, wallTime } from '../../src/base/time.js';
import type {
  BeamEffect,
  BeamEvent,
  BeamOptions,
  BeamSession,
  Call,
  CallEnd,
  TunnelCredential,
} from '../../src/handshake/beam/beamEvents.js';
import { BeamHandshakes } from '../../src/handshake/beam/beamHandshakes.js';
import { localOffer } from '../../src/handshake/beam/suiteChoice.js';
import type { Path } from '../../src/ports/udp.js';
import type { TestIdentity } from './beamIdentities.js';
import { testIdentity, verifyTestIdentity } from './beamIdentities.js';
import { seededEntropy } from './seededEntropy.js';

export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

export type Request = Extract<BeamEffect, { kind: 'signatureWanted' | 'admissionWanted' }>;

export const NETWORK_ID = new Uint8Array(32).fill(0x4e);
const WALL_OFFSET_MS = 1_700_000_000_000;

export const endpoint = (name: number, port = 51_820): Endpoint => ({
  family: 4,
  address: `192.0.2.${name}`,
  port,
  scopeId: 0,
});

export const pathTo = (remote: Endpoint): Path => ({ remote, local: null });
const same = (a: Endpoint, b: Endpoint): boolean => a.address === b.address && a.port === b.port;

function count(bytesBy: Map<string, number>, remote: Endpoint, bytes: Uint8Array): void {
  const name = formatEndpoint(remote);
  bytesBy.set(name, (bytesBy.get(name) ?? 0) + bytes.length);
}

export class BeamNode {
  readonly identity: TestIdentity;
  readonly at: Endpoint;
  readonly indices = new Set<number>();
  tunnel: TunnelCredential;
  machine: BeamHandshakes;
  /** Signs and admits at once; else requests wait in `requests`. */
  isPrompt = true;
  admits: (did: string) => boolean = () => true;
  /** Who signs; not its own identity where a test plays an impostor. */
  signer: TestIdentity;
  isLoaded = false;
  readonly requests: Request[] = [];
  readonly sessions: BeamSession[] = [];
  readonly ended: CallEnd[] = [];
  readonly refusals: string[] = [];
  /** By address and port. */
  readonly sentTo = new Map<string, number>();
  readonly receivedFrom = new Map<string, number>();

  readonly #network: BeamNetwork;
  readonly #options: BeamOptions;
  #nextIndex: number;

  constructor(network: BeamNetwork, name: number, changes: Partial<BeamOptions>) {
    this.#network = network;
    this.at = endpoint(name);
    const entropy = seededEntropy(`${network.seed}/${name}`);
    this.identity = testIdentity(entropy);
    this.signer = this.identity;
    this.tunnel = this.identity.tunnelCredential();
    this.#nextIndex = name * 0x0100_0000;
    this.#options = {
      entropy,
      networkId: NETWORK_ID,
      did: this.identity.did,
      offer: localOffer(true),
      tunnelCredential: () => this.tunnel,
      verify: verifyTestIdentity,
      inviteKey: () => null,
      allowsClassical: () => false,
      indices: {
        allocate: () => {
          this.indices.add(++this.#nextIndex);
          return this.#nextIndex;
        },
        release: (index) => {
          if (!this.indices.delete(index)) throw new Error(`index ${index} is freed twice`);
        },
      },
      load: { messageReceived: () => this.isLoaded },
      ...changes,
    };
    this.machine = new BeamHandshakes(this.#options);
  }

  /** The DID that its machine answers to: another's, where a test plays an impostor. */
  get machineDid(): string {
    return this.#options.did;
  }

  get sentBytes(): number {
    return [...this.sentTo.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  get receivedBytes(): number {
    return [...this.receivedFrom.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  get did(): string {
    return this.identity.did;
  }

  handle(event: BeamEvent): void {
    this.carryOut(this.machine.handle(event, this.#network.now));
  }

  call(peer: BeamNode, changes: Partial<Call> = {}): void {
    const call: Call = {
      did: peer.did,
      path: pathTo(peer.at),
      protocol: 'hybrid',
      invite: null,
      pathTakesWhole: true,
      ...changes,
    };
    this.handle({ kind: 'call', call });
  }

  receive(bytes: Uint8Array, from: Endpoint): void {
    count(this.receivedFrom, from, bytes);
    this.handle({ kind: 'received', bytes: bytes.slice(), path: pathTo(from) });
  }

  /** The process is killed and started again: all that it knew is gone, but its keys. */
  restart(): void {
    this.machine.destroy();
    this.indices.clear();
    this.requests.length = 0;
    this.machine = new BeamHandshakes(this.#options);
  }

  /** Answers what waits, or one request. */
  answer(request: Request): void {
    if (request.kind === 'admissionWanted') {
      const { handshake, peer } = request;
      this.handle({ kind: 'admissionDecided', handshake, admitted: this.admits(peer.did) });
      return;
    }
    const signature = this.signer.sign(request.message);
    this.handle({ kind: 'signed', handshake: request.handshake, signature });
  }

  carryOut(effects: readonly BeamEffect[]): void {
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: BeamEffect): void {
    switch (effect.kind) {
      case 'sendTo':
        count(this.sentTo, effect.path.remote, effect.bytes);
        this.#network.wire.push({
          from: this.at,
          to: effect.path.remote,
          bytes: effect.bytes,
        });
        return;
      case 'established':
        this.sessions.push(effect.session);
        return;
      case 'callEnded':
        this.ended.push(effect.reason);
        return;
      case 'refused':
        this.refusals.push(effect.reason);
        return;
      case 'signatureWanted':
      case 'admissionWanted':
        if (this.isPrompt) this.answer(effect);
        else this.requests.push(effect);
    }
  }
}

export class BeamNetwork {
  readonly seed: string;
  readonly nodes: BeamNode[] = [];
  /** What has been sent and not delivered yet, the oldest first. */
  readonly wire: Datagram[] = [];
  nowMs = 1_000_000;

  constructor(seed: string) {
    this.seed = seed;
  }

  get now(): Moment {
    return { boot: instant(this.nowMs), wall: wallTime(WALL_OFFSET_MS + this.nowMs) };
  }

  /** At 192.0.2.name. */
  node(name: number, changes: Partial<BeamOptions> = {}): BeamNode {
    const node = new BeamNode(this, name, changes);
    this.nodes.push(node);
    return node;
  }

  /** Takes the oldest datagram off the wire. */
  take(): Datagram {
    const datagram = this.wire.shift();
    if (datagram === undefined) throw new Error('nothing is on the wire');
    return datagram;
  }

  deliver({ from, to, bytes }: Datagram): void {
    this.nodes.find((node) => same(node.at, to))?.receive(bytes, from);
  }

  /** Delivers until nothing is on the wire, or until `limit` datagrams; returns how many. */
  run(limit = 1000): number {
    let delivered = 0;
    while (this.wire.length > 0 && delivered < limit) {
      this.deliver(this.take());
      delivered++;
    }
    return delivered;
  }

  /** Time passes, from one timeout to the next; what is sent meanwhile stays on the wire. */
  advance(byMs: number, between: () => void = () => undefined): void {
    const endMs = this.nowMs + byMs;
    for (;;) {
      const due = this.nodes.map((node) => node.machine.nextTimeout() ?? Infinity);
      const nextMs = Math.min(...due);
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const node of this.nodes) node.carryOut(node.machine.handleTimeout(this.now));
      between();
    }
    this.nowMs = endMs;
  }
}
