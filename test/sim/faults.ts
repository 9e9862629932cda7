// What goes wrong, and what operators do, at random times.
import { parsePrefix } from '../../src/base/ip.js';
import { Secret } from '../../src/base/secret.js';
import { guestPrefix, partialChange, peerChange } from './operator.js';
import type { Random } from './random.js';
import type { Machine, Pair, World } from './world.js';
import { publicEndpoint } from './world.js';

export type FaultKind = keyof typeof FAULTS;

/** Each makes one fault happen now, and may undo it later. */
const FAULTS = {
  partition,
  rebind,
  readdress,
  suspend,
  stepClock,
  crash,
  linkDown,
  replay,
  flood,
  changePresharedKey,
  changePrivateKey,
  changeAllowedIps,
  removePeer,
  changeKeepalive,
  reload,
};

export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** Work that is under way (an operator who hasn't reached the other end yet), to be hurried up. */
export class Pending {
  readonly #work = new Set<() => void>();

  later(world: World, delayMs: number, work: () => void): void {
    const once = (): void => {
      if (this.#work.delete(once)) work();
    };
    this.#work.add(once);
    world.time.schedule(delayMs, once);
  }

  /** Does all of it now. */
  finish(): void {
    while (this.#work.size > 0) for (const work of [...this.#work]) work();
  }
}

export function strike(kind: FaultKind, world: World, pending: Pending): void {
  world.note(`fault: ${kind}`);
  FAULTS[kind](world, world.random, pending);
}

const anyMachine = ({ machines, random }: World): Machine => random.pick(machines);
const anyPair = ({ pairs, random }: World): Pair => random.pick(pairs);

function partition(world: World, random: Random, pending: Pending): void {
  const { a, b } = anyPair(world);
  world.network.partition(a, b, true);
  pending.later(world, random.between(1_000, 200_000), () => world.network.partition(a, b, false));
}

/** The NAT gives the machine another port. */
function rebind(world: World, random: Random): void {
  const { agent, config, behindNat } = anyMachine(world);
  if (behindNat) agent.endpoint = publicEndpoint(config.number, random.integer(1024, 65_535));
}

function readdress(world: World): void {
  anyMachine(world).agent.readdress();
}

function suspend(world: World, random: Random, pending: Pending): void {
  const { agent } = anyMachine(world);
  agent.suspend();
  const sleepMs = random.chance(0.3)
    ? random.between(120_000, 600_000)
    : random.between(100, 60_000);
  pending.later(world, sleepMs, () => agent.resume());
}

/** Back by up to an hour, or to where it should be. */
function stepClock(world: World, random: Random): void {
  const { clock } = anyMachine(world);
  const right = world.wallOffsetMs;
  clock.wallOffsetMs = random.chance(0.3) ? right : right - random.between(1, 3_600_000);
}

function crash(world: World, random: Random, pending: Pending): void {
  const { agent, name } = anyMachine(world);
  agent.crash();
  pending.later(world, random.between(0, 60_000), () => {
    if (!agent.running) world.start(name);
  });
}

function linkDown(world: World, random: Random, pending: Pending): void {
  const { agent } = anyMachine(world);
  agent.link(false);
  pending.later(world, random.between(0, 30_000), () => agent.link(true));
}

function replay(world: World, random: Random): void {
  for (let i = random.integer(1, 100); i > 0; i--) {
    world.time.schedule(random.between(0, 5_000), () => world.network.replay());
  }
}

/** Enough messages with a valid mac1 to bring a machine under load. */
function flood(world: World, random: Random): void {
  for (let second = 0; second < random.integer(1, 8); second++) {
    world.time.schedule(second * 900, () => world.network.flood(300));
  }
}

function changePresharedKey(world: World, random: Random, pending: Pending): void {
  const { a, b } = anyPair(world);
  const key = world.operator.newPresharedKey();
  const set = (here: string, there: string): void => {
    const peer = world.machine(here).config.peers.get(there);
    if (peer === undefined) return;
    peer.presharedKey = key;
    const presharedKey = key === null ? null : new Secret(key.slice());
    world.machine(here).agent.configure(() => partialChange(peer.publicKey, { presharedKey }));
  };
  set(a, b);
  pending.later(world, random.between(0, 30_000), () => set(b, a));
}

/** The machine first, then each of its peers learns the new public key. */
function changePrivateKey(world: World, random: Random, pending: Pending): void {
  const { name, agent, config } = anyMachine(world);
  world.operator.newPrivateKey(config);
  const privateKey = config.privateKey.slice();
  agent.configure(() => ({
    privateKey: new Secret(privateKey.slice()),
    replacePeers: false,
    peers: [],
  }));
  for (const other of world.machines) {
    pending.later(world, random.between(0, 30_000), () => learnKey(world, other, name));
  }
}

function learnKey(world: World, { agent, config }: Machine, name: string): void {
  const peer = config.peers.get(name);
  if (peer === undefined) return;
  const before = peer.publicKey;
  peer.publicKey = world.operator.publicKey(name);
  agent.configure(() => ({
    replacePeers: false,
    peers: [{ ...peerChange(peer), publicKey: before, remove: true }, peerChange(peer)],
  }));
}

function changeAllowedIps(world: World, random: Random): void {
  const { agent, config } = anyMachine(world);
  const [name, peer] = random.pick([...config.peers]);
  const text = guestPrefix(world.machine(name).config.number);
  const edit = peer.allowedIps.delete(text) ? 'remove' : 'add';
  if (edit === 'add') peer.allowedIps.add(text);
  const allowedIps = [{ edit, prefix: parsePrefix(text)! }] as const;
  agent.configure(() => partialChange(peer.publicKey, { allowedIps }));
}

function removePeer(world: World, random: Random, pending: Pending): void {
  const { agent, config } = anyMachine(world);
  const [name, peer] = random.pick([...config.peers]);
  if (config.peers.size < 2) return;
  config.peers.delete(name);
  agent.configure(() => partialChange(peer.publicKey, { remove: true, updateOnly: false }));
  pending.later(world, random.between(0, 40_000), () => {
    peer.publicKey = world.operator.publicKey(name);
    config.peers.set(name, peer);
    agent.configure(() => ({ replacePeers: false, peers: [peerChange(peer)] }));
  });
}

function changeKeepalive(world: World, random: Random): void {
  const { agent, config, behindNat } = anyMachine(world);
  const [, peer] = random.pick([...config.peers]);
  const persistentKeepaliveS = random.pick(behindNat ? [1, 10, 25] : [0, 1, 25]);
  peer.persistentKeepaliveS = persistentKeepaliveS;
  agent.configure(() => partialChange(peer.publicKey, { persistentKeepaliveS }));
}

/** The whole file again, which changes nothing. */
function reload(world: World): void {
  const { agent, name } = anyMachine(world);
  agent.configure(() => world.operator.wholeChange(name));
}
