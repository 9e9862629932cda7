// Takes every figure of one subject in one scene. Each measurement first makes sure that what it
// times is right: streams are received whole by iperf3, losses are counted, pings answered.
import { readFileSync } from 'node:fs';
import { iperf, ping } from '../test/support/netnsTraffic.js';
import type { IperfResult } from '../test/support/netnsTraffic.js';
import type { Tunnel } from '../test/support/netnsTunnel.js';
import { percentile } from './figures.js';
import type { Sample } from './figures.js';
import { measureHandshakes } from './handshakes.js';
import { busyCpuSeconds } from './machine.js';
import type { Scene } from './scene.js';

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

export async function measureAll(scene: Scene, effort: Effort): Promise<Sample> {
  const to = { namespace: scene.b, address: scene.addressOfB };
  const idleMb = scene.tunnels === null ? undefined : residentMb(scene.tunnels.b);
  const times = await pingTimes(scene, effort.pings);

  const memory = scene.tunnels === null ? null : new MemoryWatch(scene.tunnels.b);
  const busyBefore = busyCpuSeconds();
  const one = await iperf(scene.a, to, { seconds: effort.streamS });
  const busyS = busyCpuSeconds() - busyBefore;
  const bytes = (one.bitsPerS / 8) * effort.streamS;
  const four = await iperf(scene.a, to, { seconds: effort.streamS, args: ['-P', '4'] });
  const loadMb = memory?.stop();

  const packetsPerS = await highestPacketRate(scene, effort);
  return {
    tcp1: one.bitsPerS / GB,
    cpuPerGb: busyS / (bytes / GB),
    tcp4: four.bitsPerS / GB,
    packets: packetsPerS / 1_000,
    pingP50: percentile(times, 0.5) * 1_000,
    pingP99: percentile(times, 0.99) * 1_000,
    ...(idleMb === undefined ? {} : { idleMb }),
    ...(loadMb === undefined ? {} : { loadMb }),
    ...(scene.tunnels === null
      ? {}
      : { handshakes: await measureHandshakes(scene, scene.tunnels.b, effort.handshakes) }),
  };
}

const residentMb = (tunnel: Tunnel): number => tunnel.residentBytes() / MB;

/** The largest resident size that was seen, looked at every 100 ms. */
class MemoryWatch {
  #largestMb = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(tunnel: Tunnel) {
    this.#timer = setInterval(() => {
      this.#largestMb = Math.max(this.#largestMb, residentMb(tunnel));
    }, 100);
  }

  stop(): number {
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
