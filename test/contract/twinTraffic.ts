// Random traffic for twins, from a seed: packets of the system, honest and hostile datagrams, and what
// the control plane does meanwhile.
import { ipPacket } from '../support/ipPackets.js';
import type { Random } from '../sim/random.js';
import { prefix } from './contractTest.js';
import type { TwinEngines } from './twinEngines.js';
import { PEERS } from './twinEngines.js';
import { TwinSession } from './twinSession.js';

export const OURS = { 4: '10.9.9.9', 6: 'fd00:9::9' } as const;
const THEIRS = [
  { 4: '10.0.0.1', 6: 'fd00:1::1' },
  { 4: '10.0.1.1', 6: 'fd00:2::1' },
] as const;
const NOBODYS = { 4: '10.77.0.1', 6: 'fd00:77::1' } as const;
export const ALLOWED = [
  ['10.0.0.0/24', 'fd00:1::/64'],
  ['10.0.1.0/24', 'fd00:2::/64'],
] as const;
const MTUS = [1280, 1299, 1420, 9000] as const;
const MENDS = new Set([
  'sets the endpoint',
  'sends work',
  'the TUN takes',
  'allowed-IPs come back',
]);
/** Old datagrams kept for replays. */
const KEPT_DATAGRAMS = 200;

export class TwinTraffic {
  readonly #twins: TwinEngines;
  readonly #random: Random;
  readonly #sessions: TwinSession[] = [];
  readonly #kept: Uint8Array[] = [];
  #mtu = 1420;

  constructor(twins: TwinEngines, random: Random) {
    this.#twins = twins;
    this.#random = random;
  }

  sessionOf(remoteIndex: number): TwinSession | undefined {
    return this.#sessions.find((session) => session.remoteIndex === remoteIndex);
  }

  /** One thing happens to both; what it was. */
  async step(): Promise<string> {
    const roll = this.#random.fraction();
    if (roll < 0.35) return this.#packets();
    if (roll < 0.75) return this.#datagrams();
    if (roll < 0.88) return this.#keys();
    return this.#control();
  }

  // From the system.

  async #packets(): Promise<string> {
    const packets = this.#several(() => this.#systemsPacket());
    await this.#twins.each((harness) => harness.deliverToTun(...packets));
    return `${packets.length} packets`;
  }

  #systemsPacket(): Uint8Array {
    const random = this.#random;
    const family = random.pick([4, 6] as const);
    const peer = random.integer(0, 1);
    const to = random.chance(0.05) ? NOBODYS[family] : THEIRS[peer]![family];
    const packet = this.#packet(OURS[family], to);
    return random.chance(0.05) ? this.#bend(packet, 40) : packet;
  }

  #packet(from: string, to: string): Uint8Array {
    const random = this.#random;
    const header = from.includes(':') ? 40 : 20;
    const largest = this.#mtu - header;
    const bytes = random.pick([0, 1, random.integer(0, 300), random.integer(0, largest), largest]);
    return ipPacket({ from, to, payload: random.bytes(bytes), trafficClass: random.u32() & 0xff });
  }

  // From the network.

  async #datagrams(): Promise<string> {
    const datagrams = this.#several(() => ({
      bytes: this.#datagram(),
      ecn: this.#random.integer(0, 3),
    }));
    const remote = this.#random.integer(0, 1);
    await this.#twins.deliver(remote, datagrams);
    this.#kept.push(...datagrams.map(({ bytes }) => bytes));
    this.#kept.splice(0, this.#kept.length - KEPT_DATAGRAMS);
    return `${datagrams.length} datagrams from ${remote}`;
  }

  #datagram(): Uint8Array {
    const random = this.#random;
    const roll = random.fraction();
    const session = this.#someSession();
    if (session === null || roll < 0.06) return this.#noise();
    if (roll < 0.16 && this.#kept.length > 0) return random.pick(this.#kept);
    if (roll < 0.22) return session.seal(new Uint8Array(0));
    const honest = this.#honest(session);
    return roll < 0.4 ? this.#bend(honest, honest.length) : honest;
  }

  /** Authentic; what is in it may yet be wrong. */
  #honest(session: TwinSession): Uint8Array {
    const random = this.#random;
    const family = random.pick([4, 6] as const);
    const from = random.chance(0.05) ? NOBODYS[family] : THEIRS[session.peer]![family];
    let packet = this.#packet(from, OURS[family]);
    if (random.chance(0.05)) packet = this.#bend(packet, 8);
    if (family === 4 && random.chance(0.05)) new DataView(packet.buffer).setUint16(10, 0);
    return random.chance(0.1) ? session.seal(packet, packet.length) : session.seal(packet);
  }

  /** Not a transport message, or hardly: types and sizes that exist, and others. */
  #noise(): Uint8Array {
    const random = this.#random;
    const bytes = random.bytes(random.pick([1, 3, 4, 31, 32, 33, 64, 92, 148, 149, 200]));
    if (random.chance(0.8)) bytes.set([random.integer(0, 5), 0, 0, 0].slice(0, bytes.length));
    return bytes;
  }

  /** Some bits turned among the first bytes, or cut, or longer. */
  #bend(bytes: Uint8Array, within: number): Uint8Array {
    const random = this.#random;
    const bent = bytes.slice();
    const roll = random.fraction();
    if (roll < 0.15) return bent.subarray(0, random.integer(1, bent.length));
    if (roll < 0.25) return Buffer.concat([bent, random.bytes(random.integer(1, 40))]);
    for (let i = random.integer(1, 3); i > 0; i--) {
      const at = random.integer(0, Math.min(within, bent.length) - 1);
      bent[at]! ^= 1 << random.integer(0, 7);
    }
    return bent;
  }

  // From the control plane.

  #keys(): Promise<string> {
    const random = this.#random;
    const twins = this.#twins;
    const peer = random.pick(PEERS);
    const roll = random.fraction();
    if (roll < 0.08) {
      twins.tell((engine) => engine.expireKeys(peer));
      return Promise.resolve(`expires the keys of ${peer}`);
    }
    if (roll < 0.16) {
      twins.tell((engine) => engine.dropKeys(peer));
      return Promise.resolve(`drops the keys of ${peer}`);
    }
    const role = random.pick(['initiator', 'responder'] as const);
    const suite = random.pick(['chacha20-poly1305', 'aes-256-gcm'] as const);
    const limits = random.chance(0.4)
      ? {
          sendAtMostMessages: BigInt(random.integer(1, 60)),
          rejectAfterMessages: BigInt(random.integer(20, 80)),
          dropAfterForgeries: BigInt(random.integer(1, 5)),
        }
      : {};
    this.#sessions.unshift(new TwinSession(twins, random, peer, { role, suite, limits }));
    return Promise.resolve(`${peer} is ${role} of ${suite}`);
  }

  async #control(): Promise<string> {
    const random = this.#random;
    const twins = this.#twins;
    const peer = random.pick(PEERS);
    const remote = random.integer(0, 1);
    const bytes = random.bytes(148);
    const other = prefix(random.pick(ALLOWED[1 - peer]!));
    const own = ALLOWED[peer]!.map(prefix);
    const actions: readonly (readonly [string, () => Promise<void> | void])[] = [
      ['forgets the endpoint', () => twins.tell((engine) => engine.setPath(peer, null))],
      [
        'sets the endpoint',
        () => twins.tell((engine, harness) => engine.setPath(peer, harness.path(remote))),
      ],
      ['clears the source', () => twins.tell((engine) => engine.clearLocalAddress(peer))],
      ['drops what waits', () => twins.tell((engine) => engine.dropStaged(peer))],
      ['keepalive', () => twins.tell((engine) => engine.sendKeepalive(peer))],
      ['control to the peer', () => twins.tell((engine) => engine.sendToPeer(peer, bytes, 0x88))],
      [
        'control to a path',
        () => twins.tell((engine, harness) => engine.sendTo(harness.path(remote), bytes, 0)),
      ],
      ['counts control', () => twins.tell((engine) => engine.countControlReceived(peer, 148))],
      [
        'allowed-IPs move',
        () =>
          twins.tell((engine) =>
            engine.changeAllowedIps(peer, { replace: false, add: [other], remove: [] }),
          ),
      ],
      [
        'allowed-IPs come back',
        () =>
          twins.tell((engine) =>
            engine.changeAllowedIps(peer, { replace: true, add: own, remove: [] }),
          ),
      ],
      ['sends fail', () => twins.failSends('EPERM')],
      ['sends work', () => twins.failSends(null)],
      ['the TUN refuses', () => twins.refuseWrites(true)],
      ['the TUN takes', () => twins.refuseWrites(false)],
      [
        'MTU',
        () => {
          this.#mtu = random.pick(MTUS);
          // Which MTU a packet that waited is padded to is each engine's own.
          for (const one of PEERS) twins.tell((engine) => engine.dropStaged(one));
          return twins.each((harness) => harness.setMtu(this.#mtu));
        },
      ],
      [
        'the peer goes and comes back',
        () =>
          twins.tell((engine, harness) => {
            engine.removePeer(peer);
            engine.addPeer(peer);
            engine.setPath(peer, harness.path(remote));
            engine.changeAllowedIps(peer, { replace: true, add: own, remove: [] });
          }),
      ],
    ];
    // Twice as often mended as broken.
    const mended = actions.filter(([name]) => MENDS.has(name));
    const [what, action] = random.pick([...actions, ...mended]);
    await action();
    return `${what} (${peer})`;
  }

  #someSession(): TwinSession | null {
    // Mostly the newest ones: older ones are gone.
    const newest = this.#sessions.slice(0, 6);
    return newest.length === 0 ? null : this.#random.pick(newest);
  }

  #several<Item>(make: () => Item): Item[] {
    return Array.from({ length: this.#random.integer(1, 20) }, make);
  }
}
