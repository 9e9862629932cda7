// Two Beam ends whose wire belongs to an attacker (SPEC.md 11.15): whatever it does, no session is
// accepted that the other end isn't in, memory and amplification are bounded, and when it is gone all
// works again. BEAM_SEED repeats one run; BEAM_LONG=1 makes more of them.
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { equalConstantTime, toHex } from '../../../../src/base/bytes.js';
import { formatEndpoint } from '../../../../src/base/ip.js';
import type { BeamSession } from '../../../../src/handshake/beam/beamEvents.js';
import { RESPONSE_LIMITS } from '../../../../src/handshake/beam/beamParameters.js';
import { FRAGMENT_LIMITS } from '../../../../src/handshake/beam/reassembly.js';
import { Random } from '../../../sim/random.js';
import { BeamAttacker } from '../../../support/beamAttacker.js';
import type { BeamNode } from '../../../support/beamNetwork.js';
import { BeamNetwork } from '../../../support/beamNetwork.js';

const STEPS = 250;
const RUNS = process.env['BEAM_LONG'] === '1' ? 400 : 12;
const firstSeed = Number(process.env['BEAM_SEED'] ?? Date.now() % 2 ** 31);
const seeds =
  process.env['BEAM_SEED'] === undefined
    ? Array.from({ length: RUNS }, (_, i) => firstSeed + i)
    : [firstSeed];

class Run {
  readonly network: BeamNetwork;
  readonly a: BeamNode;
  readonly b: BeamNode;
  readonly insider: BeamNode;
  readonly impostors: readonly BeamNode[];
  readonly attacker: BeamAttacker;
  readonly random: Random;

  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new Random(seed);
    this.network = new BeamNetwork(`attack ${seed}`);
    this.a = this.network.node(1);
    this.b = this.network.node(2);
    for (const node of this.honest)
      node.admits = (did) => this.honest.some((one) => one.did === did);
    // Has an identity of its own, and plays each of the two towards the other.
    this.insider = this.network.node(3);
    this.impostors = this.honest.map((victim, i) => {
      const changes = { did: victim.did, tunnelCredential: () => this.insider.tunnel };
      const impostor = this.network.node(4 + i, changes);
      impostor.signer = this.insider.identity;
      return impostor;
    });
    const everybody = [this.a, this.b, this.a, this.b, this.insider, ...this.impostors];
    this.attacker = new BeamAttacker(this.network, everybody, this.random);
  }

  get honest(): readonly [BeamNode, BeamNode] {
    return [this.a, this.b];
  }

  step(): void {
    const { random, network } = this;
    const [from, to] = random.chance(0.5) ? [this.a, this.b] : [this.b, this.a];
    const what = random.fraction();
    if (what < 0.05) from.call(to, { pathTakesWhole: random.chance(0.5) });
    else if (what < 0.07) this.insider.call(to);
    else if (what < 0.09) from.isLoaded = !from.isLoaded;
    else if (what < 0.1) from.restart();
    else if (what < 0.11) from.tunnel = from.identity.tunnelCredential({ epoch: 2n });
    else if (what < 0.25) network.advance(random.integer(0, 1500));
    else if (what < 0.28) this.divert();
    else this.attacker.act();
  }

  /** The oldest datagram goes to who plays its receiver. */
  divert(): void {
    const [next] = this.network.wire.splice(0, 1);
    if (next === undefined) return;
    const impostor = this.impostors[this.honest.findIndex((node) => node.at === next.to)];
    this.network.deliver(impostor === undefined ? next : { ...next, to: impostor.at });
  }
}

const mirrored = (one: BeamSession, other: BeamSession): boolean =>
  one.role !== other.role &&
  equalConstantTime(one.sendKey, other.receiveKey) &&
  equalConstantTime(one.receiveKey, other.sendKey) &&
  one.suite === other.suite &&
  one.localIndex === other.remoteIndex &&
  one.remoteIndex === other.localIndex;

const isTwin = (one: BeamSession, other: BeamSession): boolean =>
  one.role !== other.role && equalConstantTime(one.handshakeHash, other.handshakeHash);

/** Null, or what is wrong with what an end has accepted. */
function wrong(run: Run, node: BeamNode, peer: BeamNode): string | null {
  const names = node.sessions.map(({ role, handshakeHash }) => role + toHex(handshakeHash));
  if (new Set(names).size !== names.length) return 'a handshake made two sessions';
  for (const session of node.sessions) {
    if (session.peer.did !== peer.did) return `a session with ${session.peer.did}`;
    if (session.protocol !== 'hybrid') return `a session by ${session.protocol}`;
    if (session.suite !== 'aes-256-gcm') return `a session with ${session.suite}`;
    const twin = peer.sessions.find((other) => isTwin(session, other));
    if (twin === undefined && session.role === 'initiator') return 'an initiator on its own';
    if (twin !== undefined && !mirrored(session, twin)) return 'keys that don’t agree';
    const others = [...run.impostors, run.insider].flatMap((other) => other.sessions);
    if (others.some((other) => equalConstantTime(other.handshakeHash, session.handshakeHash))) {
      return 'a session that the attacker is in';
    }
  }
  return null;
}

function checkBounds(t: ExecutionContext, run: Run): void {
  for (const node of run.honest) {
    const { incoming, fragments } = node.machine.stats();
    const sources = run.attacker.sources.length + run.network.nodes.length;
    t.true(incoming <= Math.min(RESPONSE_LIMITS.handshakes, RESPONSE_LIMITS.perSource * sources));
    t.true(fragments <= FRAGMENT_LIMITS.waiting);
    for (const source of run.attacker.sources) {
      const name = formatEndpoint(source);
      const [sent, received] = [node.sentTo.get(name) ?? 0, node.receivedFrom.get(name) ?? 0];
      t.true(sent <= received, `seed ${run.seed}: ${sent} bytes for ${received}`);
    }
  }
}

/** The attacker is gone: both ends find each other, and nothing of it is left. */
function recover(t: ExecutionContext, run: Run): void {
  const { network, a, b } = run;
  a.isLoaded = b.isLoaded = false;
  for (const node of [run.insider, ...run.impostors]) node.restart();
  network.wire.length = 0;
  network.advance(130_000, () => network.run());
  const before = [a.sessions.length, b.sessions.length];
  a.call(b);
  network.run();
  t.deepEqual(
    [a.sessions.length, b.sessions.length],
    before.map((n) => n + 1),
  );
  network.advance(35_000, () => network.run());
  for (const node of run.honest) {
    const owned = new Set(node.sessions.map(({ localIndex }) => localIndex));
    t.true(
      [...node.indices].every((index) => owned.has(index)),
      `seed ${run.seed}: an index is lost`,
    );
    const { calls, incoming, fragments } = node.machine.stats();
    t.deepEqual([calls, incoming, fragments], [0, 0, 0], `seed ${run.seed}`);
  }
}

test('an attacker who owns the wire gets nothing accepted', (t) => {
  t.log(`seeds from ${firstSeed}`);
  let accepted = 0;
  const refusals = new Map<string, number>();
  for (const seed of seeds) {
    const run = new Run(seed);
    for (let i = 0; i < STEPS; i++) {
      run.step();
      for (const [node, peer] of [run.honest, [run.b, run.a] as const]) {
        const found = wrong(run, node, peer);
        if (found !== null) {
          t.fail(`BEAM_SEED=${seed}, step ${i}: ${found}`);
          return;
        }
      }
    }
    checkBounds(t, run);
    recover(t, run);
    accepted += run.a.sessions.length;
    for (const reason of run.honest.flatMap((node) => node.refusals)) {
      refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
    }
  }
  t.log(`${accepted} true sessions; refused: ${JSON.stringify(Object.fromEntries(refusals))}`);
  t.true(accepted > seeds.length, 'true handshakes come about in between');
});

test('a flood of hellos from everywhere fills its table and no more, and is answered by cookies then', (t) => {
  const network = new BeamNetwork('flood');
  const [victim, caller] = [network.node(2), network.node(1)];
  const half = RESPONSE_LIMITS.handshakes / 2;
  const { perSource } = RESPONSE_LIMITS;
  // One caller, whose hellos come from ever new addresses.
  for (let i = 0; i < half + 40; i++) {
    caller.call(victim);
    const { bytes } = network.wire.pop()!;
    caller.restart();
    const address = `10.1.${i >> 8}.${i & 255}`;
    network.deliver({ from: { ...caller.at, address }, to: victim.at, bytes });
    network.wire.length = 0;
  }
  t.is(victim.machine.stats().incoming, half);
  t.is(victim.refusals.filter((reason) => reason === 'cookieRequired').length, 40);

  network.advance(31_000);
  t.is(victim.machine.stats().incoming, 0);
  for (let i = 0; i < perSource + 5; i++) {
    caller.call(victim);
    network.run(1);
    caller.restart();
    network.wire.length = 0;
  }
  t.is(victim.machine.stats().incoming, perSource, 'the oldest of one source gives way');
});
