// The network between the agents: delay, loss, duplicates, reordering, corruption, partitions, and
// somebody who records datagrams and sends them again.
import type { Endpoint } from '../../src/base/ip.js';
import { formatEndpoint } from '../../src/base/ip.js';
import type { VirtualTime } from '../support/virtualTime.js';
import type { Random } from './random.js';

export interface Conditions {
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly corruptionRate: number;
  /** Datagrams that a router marks CE. */
  readonly congestionRate: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

export const CALM: Conditions = {
  lossRate: 0,
  duplicateRate: 0,
  corruptionRate: 0,
  congestionRate: 0,
  minDelayMs: 5,
  maxDelayMs: 5,
};

export interface Host {
  readonly name: string;
  /** How others reach it now. */
  readonly endpoint: Endpoint;
  receive(bytes: Uint8Array, from: Endpoint, ecn: number): void;
}

interface Flight {
  readonly bytes: Uint8Array;
  readonly from: Endpoint;
  readonly sender: string;
  readonly to: Endpoint;
  readonly ecn: number;
}

/** What the recorder keeps: the last datagrams, so that old and new ones are repeated. */
const RECORDED_DATAGRAMS = 400;

export class SimNetwork {
  conditions: Conditions = CALM;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #hosts: readonly Host[];
  readonly #partitions = new Set<string>();
  readonly #recorded: Flight[] = [];
  #hijacks = true;

  constructor(time: VirtualTime, random: Random, hosts: readonly Host[]) {
    this.#time = time;
    this.#random = random;
    this.#hosts = hosts;
  }

  partition(a: string, b: string, isolated: boolean): void {
    const pair = [a, b].sort().join('|');
    if (isolated) this.#partitions.add(pair);
    else this.#partitions.delete(pair);
  }

  /**
   * No partition, and nobody in the middle any more who holds datagrams back and sends them from
   * elsewhere: that one can always move an endpoint.
   */
  heal(conditions: Conditions): void {
    this.#partitions.clear();
    this.#hijacks = false;
    this.conditions = conditions;
  }

  send(sender: Host, to: Endpoint, bytes: Uint8Array, trafficClass: number): void {
    const flight = {
      bytes: bytes.slice(),
      from: sender.endpoint,
      sender: sender.name,
      to,
      ecn: trafficClass & 3,
    };
    this.#record(flight);
    this.#launch(flight);
    if (this.#random.chance(this.conditions.duplicateRate)) this.#launch(flight);
  }

  /** Sends something recorded again: as it was, from elsewhere, or damaged. */
  replay(): void {
    if (this.#recorded.length === 0) return;
    const flight = this.#random.pick(this.#recorded);
    if (this.#random.chance(0.3)) {
      this.#arrive({ ...flight, bytes: this.#damaged(flight.bytes) });
    } else if (this.#hijacks && this.#random.chance(0.5)) {
      this.#arrive({ ...flight, from: this.#strangeEndpoint() });
    } else {
      this.#arrive(flight);
    }
  }

  /** An initiation that was recorded, again and again from many sources. */
  flood(count: number): void {
    const initiations = this.#recorded.filter(({ bytes }) => bytes[0] === 1);
    if (initiations.length === 0 || !this.#hijacks) return;
    const flight = this.#random.pick(initiations);
    for (let i = 0; i < count; i++) this.#arrive({ ...flight, from: this.#strangeEndpoint() });
  }

  #record(flight: Flight): void {
    if (this.#recorded.length < RECORDED_DATAGRAMS) this.#recorded.push(flight);
    else this.#recorded[this.#random.integer(0, RECORDED_DATAGRAMS - 1)] = flight;
  }

  #launch(flight: Flight): void {
    const { lossRate, corruptionRate, congestionRate, minDelayMs, maxDelayMs } = this.conditions;
    if (this.#random.chance(lossRate)) return;
    let { bytes, ecn } = flight;
    if (this.#random.chance(corruptionRate)) bytes = this.#damaged(bytes);
    if (ecn !== 0 && this.#random.chance(congestionRate)) ecn = 3;
    const delayMs = this.#random.between(minDelayMs, maxDelayMs);
    this.#time.schedule(delayMs, () => this.#arrive({ ...flight, bytes, ecn }));
  }

  /** Where the address leads at the time of arrival; nowhere, if it was rebound. */
  #arrive({ bytes, from, sender, to, ecn }: Flight): void {
    const text = formatEndpoint(to);
    const host = this.#hosts.find(({ endpoint }) => formatEndpoint(endpoint) === text);
    if (host === undefined) return;
    if (this.#partitions.has([sender, host.name].sort().join('|'))) return;
    host.receive(bytes.slice(), from, ecn);
  }

  #damaged(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    if (this.#random.chance(0.2)) return copy.subarray(0, this.#random.integer(0, copy.length));
    copy[this.#random.integer(0, copy.length - 1)]! ^= 1 << this.#random.integer(0, 7);
    return copy;
  }

  #strangeEndpoint(): Endpoint {
    const address = `198.18.${this.#random.integer(0, 255)}.${this.#random.integer(1, 254)}`;
    return { family: 4, address, port: this.#random.integer(1024, 65_535), scopeId: 0 };
  }
}
