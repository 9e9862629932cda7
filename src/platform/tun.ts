// Opens a TUN device: by the addon, or by a relay process where there is no addon.
import type { Clock } from '../ports/clock.js';
import type { TunDevice, TunEvents } from '../ports/tun.js';
import { loadIoAddon, type IoAddon } from './addon.js';
import { systemClock } from './clock.js';
import { openTunByAddon } from './tunAddon.js';
import { openTunByRelay } from './tunRelay.js';

/**
 * `name`: create the interface, or attach to a persistent one that nobody uses. `fd`: take over an
 * open descriptor of /dev/net/tun with IFF_TUN | IFF_NO_PI set and IFF_VNET_HDR not (WG_TUN_FD).
 */
export type TunSource =
  | {
      readonly name: string;
      /** Bytes; null leaves what the interface has (1500 for a new one). */
      readonly mtu: number | null;
    }
  | { readonly fd: number };

export interface TunOptions {
  /** For tests: null for the relay. Default: the addon if it is loaded. */
  readonly addon?: IoAddon | null;
  readonly clock?: Clock;
}

export interface OpenTun extends TunDevice {
  /** Throws OperatorError E_TUN_MTU. */
  setMtu(mtu: number): void;
  readonly features: TunFeatures;
}

export interface TunFeatures {
  readonly adapter: 'addon' | 'relay';
  /**
   * How changes of the link are learned now: told by the kernel at once, or asked for every second.
   * The relay doesn't learn the MTU while the interface is in another network namespace.
   */
  readonly link: 'netlink' | 'polled';
}

/** Throws OperatorError E_TUN. `events` are not called before the promise is settled. */
export async function openTunDevice(
  source: TunSource,
  events: TunEvents,
  options: TunOptions = {},
): Promise<OpenTun> {
  const addon = options.addon === undefined ? loadIoAddon().addon : options.addon;
  const clock = options.clock ?? systemClock({ addon });
  return addon === null
    ? openTunByRelay(source, events)
    : openTunByAddon(addon, source, events, clock);
}
