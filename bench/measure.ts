// Takes every figure of one subject in one scene. Each measurement first makes sure that what it
// times is right: streams are received whole by iperf3, losses are counted, pings answered.
import { readFileSync } from 'node:fs';
import { iperf, ping, waitForPing } from '../test/support/netnsTraffic.js';
import type { IperfResult } from '../test/support/netnsTraffic.js';
import type { Tunnel } from '../test/support/netnsTunnel.js';
import { percentile } from './figures.js';
import type { Sample } from './figures.js';
import { measureHandshakes } from './handshakes.js';
import { busyCpuSeconds } from './machine.js';
import type { Scene } from './scene.js';
import { shapedUse } from './shaped.js';
import { configure, silentPeers } from './wireguard.js';

export interface Effort {
  readonly streamS: number;
  readonly packetsS: number;
  /** Steps of the search for the highest rate. */
  readonly packetSteps: number;
  readonly pings: number;
  readonly handshakes: number;
}

export const FULL: Effort = {
  streamS: 5,
  packetsS: 2,
  packetSteps: 7,
  pings: 1_000,
  handshakes: 1_000,
};
export const QUICK: Effort = {
  streamS: 1,
  packetsS: 1,
  packetSteps: 3,
  pings: 200,
  handshakes: 200,
};

const MB = 1e6;
const GB = 1e9;

/** `starting` is told which measurement comes next. */
export async function measureAll(
  scene: Scene,
  effort: Effort,
  starting: (what: string) => void,
): Promise<Sample> {
  const { subject } = scene;
  const sample: Sample = { ...when('idleMb', residentMb(scene)) };
  const all = subject === null || subject.figures === 'all';
  if (all) {
    starting('ping');
    const times = await pingTimes(scene, effort.pings);
    sample.pingP50 = percentile(times, 0.5) * 1_000;
    sample.pingP99 = percentile(times, 0.99) * 1_000;
  }
  starting('streams');
  const memory = new MemoryWatch(scene);
  Object.assign(sample, await measureStreams(scene, effort));
  Object.assign(sample, when('loadMb', memory.stop()));
  starting('shaped link');
  Object.assign(sample, when('shaped', await shapedUse(scene, effort.streamS)));
  if (all) {
    starting('packets');
    sample.packets = (await highestPacketRate(scene, effort)) / 1_000;
  }
  const tunnels = subject?.tunnels ?? null;
  if (tunnels === null) return sample;
  starting('1,000 peers');
  Object.assign(sample, await measureManyPeers(scene, tunnels, effort));
  starting('handshakes');
  sample.handshakes = await measureHandshakes(scene, tunnels.b, effort.handshakes);
  return sample;
}

/** A figure, or nothing where it couldn't be taken. */
const when = (name: keyof Sample, value: number | null): Sample =>
  value === null ? {} : { [name]: value };

async function measureStreams(scene: Scene, { streamS }: Effort): Promise<Sample> {
  const to = { namespace: scene.b, address: scene.addressOfB };
  const busyBefore = busyCpuSeconds();
  const one = await iperf(scene.a, to, { seconds: streamS });
  const busyS = busyCpuSeconds() - busyBefore;
  const bytes = (one.bitsPerS / 8) * streamS;
  const four = await iperf(scene.a, to, { seconds: streamS, args: ['-P', '4'] });
  return {
    tcp1: one.bitsPerS / GB,
    cpuPerGb: busyS / (bytes / GB),
    tcp4: four.bitsPerS / GB,
  };
}

const SILENT_PEERS = 999;
const ALLOWED_IPS_EACH = 16;

/** One stream to one peer of a thousand, and what they cost in memory. */
async function measureManyPeers(
  scene: Scene,
  tunnels: { readonly a: Tunnel; readonly b: Tunnel },
  { streamS }: Effort,
): Promise<Sample> {
  await configure(tunnels, silentPeers(SILENT_PEERS, ALLOWED_IPS_EACH));
  await waitForPing(scene.a, scene.addressOfB);
  const memory = when('peersMb', residentMb(scene));
  const to = { namespace: scene.b, address: scene.addressOfB };
  const { bitsPerS } = await iperf(scene.a, to, { seconds: streamS });
  return { tcp1Among: bitsPerS / GB, ...memory };
}

function residentMb({ subject }: Scene): number | null {
  const bytes = subject?.residentBytes() ?? null;
  return bytes === null ? null : bytes / MB;
}

/** The largest resident size that was seen, looked at every 100 ms. */
class MemoryWatch {
  #largestMb: number | null = null;
  readonly #timer: NodeJS.Timeout;

  constructor(scene: Scene) {
    this.#timer = setInterval(() => {
      const now = residentMb(scene);
      if (now !== null) this.#largestMb = Math.max(this.#largestMb ?? 0, now);
    }, 100);
  }

  stop(): number | null {
    clearInterval(this.#timer);
    return this.#largestMb;
  }
}

async function pingTimes(scene: Scene, count: number): Promise<readonly number[]> {
  const result = await ping(scene.a, scene.addressOfB, { count, intervalMs: 2 });
  if (result.received < count * 0.99) {
    throw new Error(`${count - result.received} of ${count} pings lost on an idle tunnel`);
  }
  return result.timesMs;
}

const PAYLOAD_BYTES = 64;
const HIGHEST_RATE = 400_000;
const LOWEST_RATE = 1_000;
const MAX_LOST_PERCENT = 1;

/** Halves the interval between a rate that went through and one that didn't. */
async function highestPacketRate(scene: Scene, effort: Effort): Promise<number> {
  const to = { namespace: scene.b, address: scene.addressOfB };
  const attempt = (perS: number): Promise<IperfResult> => {
    const bitsPerS = Math.round(perS * PAYLOAD_BYTES * 8);
    const args = ['-u', '-l', `${PAYLOAD_BYTES}`, '-b', `${bitsPerS}`, '-w', largestBuffer()];
    return iperf(scene.a, to, { seconds: effort.packetsS, args });
  };
  let [through, refused, best] = [0, HIGHEST_RATE, 0];
  for (let step = 0; step < effort.packetSteps || best === 0; step++) {
    const perS = (through + refused) / 2;
    if (perS < LOWEST_RATE) break;
    const result = await attempt(perS);
    const ok = result.lostPercent < MAX_LOST_PERCENT;
    if (ok) best = Math.max(best, result.packetsPerS);
    // A sender that can't keep the rate says nothing about higher ones.
    if (ok && result.packetsPerS > perS * 0.9) through = perS;
    else refused = perS;
  }
  return best;
}

/** The receiver's own buffer should not be what loses packets. */
const largestBuffer = (): string => readFileSync('/proc/sys/net/core/rmem_max', 'utf8').trim();
