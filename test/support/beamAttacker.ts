// Whoever owns the wire between Beam nodes: knows the network, every DID and all that was ever sent, has
// an identity that nobody admits, and delivers what it likes to whom it likes, from where it likes.
import type { Endpoint } from '../../src/base/ip.js';
import { instant } from '../../src/base/time.js';
import { answerMacContext, macContext } from '../../src/handshake/beam/beamSetup.js';
import { digestOf } from '../../src/handshake/beam/reassembly.js';
import { CookieStamper } from '../../src/handshake/cookie.js';
import { ANSWER, BEAM_TYPE, HELLO } from '../../src/wire/beamLayout.js';
import type { BeamProtocol } from '../../src/wire/beamMessages.js';
import {
  carriesBeamMacs,
  classifyBeam,
  decodeHello,
  encodeAnswer,
  encodeHello,
} from '../../src/wire/beamMessages.js';
import { splitMessage } from '../../src/wire/fragments.js';
import type { Random } from '../sim/random.js';
import type { BeamNetwork, BeamNode, Datagram } from './beamNetwork.js';
import { NETWORK_ID, endpoint } from './beamNetwork.js';

const HISTORY = 400;

export class BeamAttacker {
  readonly #network: BeamNetwork;
  readonly #random: Random;
  readonly #victims: readonly BeamNode[];
  readonly #seen: Datagram[] = [];
  /** Where its own datagrams come from, besides the addresses that it borrows. */
  readonly sources: readonly Endpoint[] = Array.from({ length: 40 }, (_, i) => endpoint(100 + i));

  constructor(network: BeamNetwork, victims: readonly BeamNode[], random: Random) {
    this.#network = network;
    this.#victims = victims;
    this.#random = random;
  }

  /** One thing that an attacker does. */
  act(): void {
    const { wire } = this.#network;
    const next = wire.length === 0 ? null : wire.splice(this.#below(wire.length), 1)[0]!;
    if (next !== null) this.#remember(next);
    const actions: readonly (() => void)[] = [
      () => next && this.#network.deliver(next),
      () => next && this.#network.deliver(next),
      () => next && [next, next].forEach((datagram) => this.#network.deliver(datagram)),
      () => undefined, // Dropped.
      () => this.#replay(),
      () => this.#truncate(),
      () => this.#reflect(),
      () => this.#flip(),
      () => this.#mix(),
      () => this.#changeHello(),
      () => this.#flood(),
      () => this.#floodFragments(),
    ];
    this.#random.pick(actions)();
  }

  #remember(datagram: Datagram): void {
    if (this.#seen.length >= HISTORY) this.#seen.splice(this.#below(HISTORY), 1);
    this.#seen.push(datagram);
  }

  #old(): Datagram | null {
    return this.#seen.length === 0 ? null : this.#random.pick(this.#seen);
  }

  #victim(): BeamNode {
    return this.#random.pick(this.#victims);
  }

  #source(): Endpoint {
    return this.#below(2) === 0 ? this.#random.pick(this.sources) : this.#victim().at;
  }

  #send(bytes: Uint8Array, to: Endpoint = this.#victim().at): void {
    this.#network.deliver({ from: this.#source(), to, bytes });
  }

  #replay(): void {
    const old = this.#old();
    if (old !== null) this.#send(old.bytes, this.#below(2) === 0 ? old.to : undefined);
  }

  #truncate(): void {
    const old = this.#old();
    if (old === null) return;
    const bytes = old.bytes.slice(0, this.#below(old.bytes.length));
    if (this.#below(2) === 0 && bytes.length > 40) this.#stamp(bytes, old.to);
    this.#send(bytes, old.to);
  }

  /** Back to where it came from. */
  #reflect(): void {
    const old = this.#old();
    if (old !== null) this.#network.deliver({ from: old.to, to: old.from, bytes: old.bytes });
  }

  /** A changed byte, under new macs more often than not. */
  #flip(): void {
    const old = this.#old();
    if (old === null) return;
    const bytes = old.bytes.slice();
    bytes[4 + this.#below(bytes.length - 4)]! ^= 1 << this.#below(8);
    if (this.#below(4) > 0) this.#stamp(bytes, old.to);
    this.#send(bytes, old.to);
  }

  /** Parts of two messages of one kind. */
  #mix(): void {
    const [first, second] = [this.#old(), this.#old()];
    if (first?.bytes.length !== second?.bytes.length || first === null || second === null) return;
    const bytes = first.bytes.slice();
    if (bytes[0] !== second.bytes[0]) return;
    const at = this.#random.pick([8, 12, 28, 44, 60, 600, 1100]);
    if (at < bytes.length) bytes.set(second.bytes.subarray(at), at);
    this.#stamp(bytes, first.to);
    this.#send(bytes, first.to);
  }

  /** Other offers, another protocol, hfs taken out, with the same ephemeral key. */
  #changeHello(): void {
    const old = this.#seen.findLast(({ bytes }) => classifyBeam(bytes) === 'hello');
    const hello = old && decodeHello(old.bytes);
    if (!old || !hello) return;
    const protocol: BeamProtocol = this.#random.pick(['hybrid', 'classical']);
    const form = protocol === 'hybrid' ? HELLO.hybrid : HELLO.classical;
    const noise = new Uint8Array(form.noise.end - form.noise.start);
    noise.set(hello.noise.subarray(0, protocol === hello.protocol ? noise.length : 32));
    const suites = this.#random.pick([1, 2, 3]);
    const fast = suites & this.#below(4);
    const sender = this.#below(2) === 0 ? hello.sender : this.#below(2 ** 32);
    const bytes = encodeHello({ ...hello, sender, protocol, suites, fast, noise });
    this.#stamp(bytes, old.to);
    // From the caller, as if it were its hello.
    this.#network.deliver({ from: old.from, to: old.to, bytes });
  }

  #flood(): void {
    for (let i = 0; i < 3; i++) {
      const to = this.#victim().at;
      const hello = this.#noiseHello();
      this.#stamp(hello, to);
      this.#send(hello, to);
    }
  }

  #floodFragments(): void {
    const message = this.#below(2) === 0 ? this.#noiseHello() : this.#noiseAnswer();
    const to = this.#victim().at;
    for (const fragment of splitMessage(message, digestOf(message))) {
      this.#stamp(fragment, to);
      if (this.#below(3) > 0) this.#send(fragment, to);
    }
  }

  #noiseHello(): Uint8Array {
    const { noise } = HELLO.hybrid;
    return encodeHello({
      sender: this.#below(2 ** 32),
      versions: 1,
      protocol: 'hybrid',
      suites: 3,
      fast: 1,
      invite: new Uint8Array(16),
      noise: this.#random.bytes(noise.end - noise.start),
    });
  }

  #noiseAnswer(): Uint8Array {
    const { noise } = ANSWER.hybrid;
    const indices = this.#victims.flatMap((node) => [...node.indices]);
    const receiver = indices.length === 0 ? 1 : this.#random.pick(indices);
    const bytes = this.#random.bytes(noise.end - noise.start);
    return encodeAnswer('hybrid', { sender: 7, receiver, noise: bytes });
  }

  #below(bound: number): number {
    return this.#random.integer(0, bound - 1);
  }

  /** Good macs for the receiver, but for a cookie: as somebody makes them who knows all contexts. */
  #stamp(bytes: Uint8Array, to: Endpoint): void {
    if (!carriesBeamMacs(bytes)) return;
    const isOfAnswer = bytes[0] === BEAM_TYPE.answer || bytes[28] === BEAM_TYPE.answer;
    const last = this.#seen.findLast(
      ({ from, bytes: seen }) => from === to && classifyBeam(seen) === 'hello',
    );
    const hello = last && decodeHello(last.bytes);
    const callee = { networkId: NETWORK_ID, did: this.#didAt(isOfAnswer ? (last?.to ?? to) : to) };
    const context =
      isOfAnswer && hello ? answerMacContext(callee, hello.noise) : macContext(callee);
    new CookieStamper(context).stamp(bytes, instant(this.#network.nowMs));
  }

  /** Also of who is played there. */
  #didAt(at: Endpoint): string {
    const node = this.#network.nodes.find((candidate) => candidate.at === at);
    return (node ?? this.#victim()).machineDid;
  }
}
