// Opens the tunnel's UDP sockets: by the addon, or by node:dgram where there is no addon.
import type { UdpEvents, UdpSockets } from '../ports/udp.js';
import { loadIoAddon, type IoAddon } from './addon.js';
import { AddonUdpSockets } from './udpAddon.js';
import { DgramUdpSockets } from './udpDgram.js';

export interface UdpOptions {
  /** For tests: null for node:dgram. Default: the addon if it is loaded. */
  readonly addon?: IoAddon | null;
}

/** Nothing is open before `bind`. `events` are never called from inside a call. */
export function openUdpSockets(events: UdpEvents, options: UdpOptions = {}): UdpSockets {
  const addon = options.addon === undefined ? loadIoAddon().addon : options.addon;
  return addon === null ? new DgramUdpSockets(events) : new AddonUdpSockets(addon, events);
}
