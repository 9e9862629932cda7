// A TUN device by the addon: batched reads on the main loop, link state by netlink.
import type { Clock, Timer } from '../ports/clock.js';
import type { LinkState, TunEvents } from '../ports/tun.js';
import { errnoName, IO_CONSTANTS, type IoAddon, type TunHandle } from './addon.js';
import type { OpenTun, TunFeatures, TunSource } from './tun.js';
import { isInterfaceName, mtuError, tunError } from './tunErrors.js';

/** Room for four of the largest packets: with those a batch is at most four, else up to 64. */
const BUFFER_BYTES = 4 * 65_536;
const POLL_MS = 1000;

/** Throws OperatorError E_TUN or E_TUN_MTU. */
export function openTunByAddon(
  addon: IoAddon,
  source: TunSource,
  events: TunEvents,
  clock: Clock,
): OpenTun {
  const place = 'fd' in source ? `descriptor ${source.fd}` : source.name;
  if ('name' in source && !isInterfaceName(source.name)) throw tunError(place, 'not a valid name');
  const tun = new AddonTun(addon, source, events, clock);
  try {
    if ('mtu' in source && source.mtu !== null) tun.setMtu(source.mtu);
  } catch (error) {
    tun.close();
    throw error;
  }
  return tun;
}

class AddonTun implements OpenTun {
  readonly name: string;
  readonly #addon: IoAddon;
  readonly #events: TunEvents;
  readonly #clock: Clock;
  readonly #handle: TunHandle;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #spans = new Uint32Array(2 * IO_CONSTANTS.tunBatchPackets);
  #closed = false;
  #told: LinkState | null = null;
  #poll: Timer | null = null;

  constructor(addon: IoAddon, source: TunSource, events: TunEvents, clock: Clock) {
    this.#addon = addon;
    this.#events = events;
    this.#clock = clock;
    const place = 'fd' in source ? `descriptor ${source.fd}` : source.name;
    const handle = addon.tunOpen(
      'fd' in source ? source.fd : source.name,
      this.#buffer,
      this.#spans,
      (count) => this.#read(count),
      (up, mtu, watched) => this.#link({ up, mtu }, watched),
      () => this.#gone(),
    );
    if (typeof handle === 'number') throw tunError(place, errnoName(handle));
    this.#handle = handle;
    const name = addon.tunName(handle);
    if (typeof name === 'number') {
      addon.tunClose(handle);
      throw tunError(place, errnoName(name));
    }
    this.name = name;
    setImmediate(() => this.#pollLink());
  }

  get features(): TunFeatures {
    const watched = !this.#closed && this.#addon.tunWatched(this.#handle);
    return { adapter: 'addon', link: watched ? 'netlink' : 'polled' };
  }

  #read(count: number): void {
    const batch: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const offset = this.#spans[2 * i]!;
      batch.push(this.#buffer.subarray(offset, offset + this.#spans[2 * i + 1]!));
    }
    this.#events.packets(batch);
  }

  #link(state: LinkState, watched: boolean): void {
    if (!watched) this.#poll ??= this.#clock.setTimer(POLL_MS, () => this.#pollLink());
    if (state.up === this.#told?.up && state.mtu === this.#told.mtu) return;
    this.#told = state;
    this.#events.link(state);
  }

  #pollLink(): void {
    this.#poll = null;
    if (this.#closed) return;
    const state = this.#addon.tunLink(this.#handle);
    if (state < 0) {
      // Gone, or a moment between two namespaces: the descriptor says which, and calls #gone.
      this.#poll = this.#clock.setTimer(POLL_MS, () => this.#pollLink());
      return;
    }
    const up = state % 2 === 1;
    this.#link({ up, mtu: (state - Number(up)) / 2 }, this.#addon.tunWatched(this.#handle));
  }

  #gone(): void {
    if (this.#closed) return;
    this.close();
    this.#events.closed();
  }

  write(packet: Uint8Array): boolean {
    return !this.#closed && this.#addon.tunWrite(this.#handle, packet) === 0;
  }

  setMtu(mtu: number): void {
    const outcome = this.#closed ? -1 : this.#addon.tunSetMtu(this.#handle, mtu);
    if (outcome < 0) throw mtuError(this.name, mtu, errnoName(outcome));
  }

  close(): void {
    this.#closed = true;
    this.#poll?.cancel();
    this.#poll = null;
    this.#addon.tunClose(this.#handle);
  }
}
