// Both engines told the same, side by side: what each seals, writes, counts and reports is to be equal.
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import type { DataPlane, DataPlaneEvent, PeerId } from '../../src/ports/dataPlane.js';
import { peerId } from '../../src/ports/dataPlane.js';
import type { Path } from '../../src/ports/udp.js';
import { drops } from './contractPeer.js';
import type { EngineHarness, IncomingDatagram, SentDatagram } from './engineHarness.js';
import type { NativeHarness } from './nativeHarness.js';
import type { SodiumHarness } from './sodiumHarness.js';

export const PEERS: readonly PeerId[] = [peerId(0), peerId(1)];

/** What is equal of an event; times and local addresses differ. */
type SeenEvent = readonly [string, ...(number | string)[]];

export class TwinEngines {
  readonly #native: NativeHarness;
  readonly #sodium: SodiumHarness;

  constructor(native: NativeHarness, sodium: SodiumHarness) {
    this.#native = native;
    this.#sodium = sodium;
  }

  /** The same call of each; the harness has its own paths and clock. */
  tell(call: (engine: DataPlane, harness: EngineHarness) => void): void {
    for (const harness of this.#both) call(harness.engine, harness);
  }

  async each(step: (harness: EngineHarness) => Promise<void>): Promise<void> {
    for (const harness of this.#both) await step(harness);
  }

  async deliver(remote: number, datagrams: readonly IncomingDatagram[]): Promise<void> {
    await this.#native.deliverUdpTogether(remote, datagrams);
    await this.#sodium.deliverUdp(remote, ...datagrams);
  }

  failSends(failure: string | null): void {
    for (const { faults } of this.#both) faults!.failSends(failure);
  }

  refuseWrites(refuse: boolean): void {
    for (const { faults } of this.#both) faults!.refuseWrites(refuse);
  }

  /** Holds all that both did since it was asked last against each other; what they sent. */
  async compare(t: ExecutionContext, what: string): Promise<readonly Uint8Array[]> {
    const [native, sodium] = [await seen(this.#native), await seen(this.#sodium)];
    t.deepEqual(native.written.map(digest), sodium.written.map(digest), `${what}: written`);
    t.deepEqual(native.sent.map(sentDigest), sodium.sent.map(sentDigest), `${what}: sent`);
    t.deepEqual(native.events, sodium.events, `${what}: events`);
    t.deepEqual(native.activity, sodium.activity, `${what}: activity`);
    t.deepEqual(native.counters, sodium.counters, `${what}: counters`);
    return native.sent.map(({ bytes }) => bytes);
  }

  get #both(): readonly EngineHarness[] {
    return [this.#native, this.#sodium];
  }
}

/** Length, start and hash: enough to tell what differs. */
const digest = (bytes: Uint8Array): string =>
  `${bytes.length} ${Buffer.from(bytes.subarray(0, 16)).toString('hex')} ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
const sentDigest = ({ bytes, remote, trafficClass }: SentDatagram): string =>
  `to ${remote}, class ${trafficClass}: ${digest(bytes)}`;

async function seen(harness: EngineHarness) {
  const sent = await harness.takeUdp();
  const written = await harness.takeFromTun();
  const events = await harness.takeEvents();
  const remoteOf = ({ remote }: Path): number =>
    [0, 1].findIndex((index) => harness.path(index).remote.port === remote.port);
  return {
    // In order to each; between two sockets there is none.
    sent: [...sent].sort((one, other) => one.remote - other.remote),
    written,
    events: events.flatMap((event) => seenEvent(event, remoteOf)),
    activity: activityOf(events),
    counters: {
      drops: drops(harness.engine),
      sendErrors: harness.engine.stats().sendErrors,
      peers: PEERS.map((peer) => {
        const { receivedBytes, sentBytes, path, session } = harness.engine.traffic(peer);
        const remote = path === null ? null : remoteOf(path);
        return { receivedBytes, sentBytes, remote, suite: session?.suite ?? null };
      }),
    },
  };
}

/**
 * Activity is merged elsewhere; when the link is told and how often keys are asked for depends on
 * the clock.
 */
function seenEvent(event: DataPlaneEvent, remoteOf: (path: Path) => number): SeenEvent[] {
  switch (event.kind) {
    case 'activity':
    case 'keysNeeded':
    case 'linkChanged':
      return [];
    case 'controlReceived':
      return [[event.kind, remoteOf(event.path), Buffer.from(event.bytes).toString('hex')]];
    case 'keysConfirmed':
    case 'keysDropped':
      return [[event.kind, event.peer, event.localIndex]];
    case 'roamed':
      return [[event.kind, event.peer, remoteOf(event.path)]];
    case 'tunClosed':
      return [[event.kind]];
  }
}

/** What each peer did, however many reports it took to say so. */
function activityOf(events: readonly DataPlaneEvent[]): readonly string[] {
  const did = new Set<string>();
  for (const event of events) {
    if (event.kind !== 'activity') continue;
    for (const [name, at] of Object.entries(event)) {
      if (name.endsWith('At') && at !== null) did.add(`${event.peer} ${name}`);
    }
  }
  return [...did].sort();
}
