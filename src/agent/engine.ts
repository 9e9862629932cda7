// Picks the data plane and opens it on a TUN device. ARCHITECTURE.md, "Control plane and data plane".
import { OperatorError } from '../base/errors.js';
import { openSodiumEngine } from '../dataPlane/sodiumEngine.js';
import { loadIoAddon } from '../platform/addon.js';
import { openNativeEngine } from '../platform/nativeEngine.js';
import { openTunDevice, type OpenTun, type TunSource } from '../platform/tun.js';
import { openUdpSockets } from '../platform/udp.js';
import type { Clock } from '../ports/clock.js';
import type { DataPlane, DataPlaneEvent, DataPlaneListener } from '../ports/dataPlane.js';
import type { Logger } from '../ports/log.js';
import type { TunEvents } from '../ports/tun.js';
import type { EngineWish } from './engineWish.js';

export interface EngineOptions {
  readonly wish: EngineWish;
  readonly source: TunSource;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A TUN device that is open, and the engine that will serve it. */
export interface PreparedEngine {
  readonly interfaceName: string;
  /** Called once. The engine closes the device. */
  open(listener: DataPlaneListener): DataPlane;
  readonly warnings: readonly string[];
}

/** Throws OperatorError E_TUN, or E_ENGINE where the chosen engine can't be had. */
export async function prepareEngine(options: EngineOptions): Promise<PreparedEngine> {
  const { choice, queues } = options.wish;
  if (choice === 'sodium') return prepareSodium(options);
  const native = prepareNative(options);
  if (!('unavailable' in native)) return native;
  if (choice === 'native') throw noNativeEngine(native.unavailable);
  const sodium = await prepareSodium(options);
  const lessQueues = queues > 1 ? ', with one queue' : '';
  const warning = `${native.unavailable}: the sodium engine serves instead, more slowly${lessQueues}`;
  return { ...sodium, warnings: [warning, ...sodium.warnings] };
}

/** It has its own TUN device, so it is open before anybody listens; it reports from its own thread. */
function prepareNative({
  wish,
  source,
  logger,
}: EngineOptions): PreparedEngine | { readonly unavailable: string } {
  const early: DataPlaneEvent[] = [];
  let listener: DataPlaneListener = (events) => void early.push(...events);
  const engine = openNativeEngine({
    ...{ source, logger },
    listener: (events) => listener(events),
    use: { queues: wish.queues },
  });
  if ('unavailable' in engine) return engine;
  return {
    interfaceName: engine.interfaceName,
    open: (target) => {
      listener = target;
      // Not from inside this call: the port promises that.
      if (early.length > 0) queueMicrotask(() => target(early));
      return engine;
    },
    warnings: [],
  };
}

const noNativeEngine = (reason: string): OperatorError =>
  new OperatorError({
    code: 'E_ENGINE',
    place: 'engine',
    expected: 'the native engine',
    found: reason,
    remedy: 'build it (npm run setup), or choose auto or sodium',
  });

async function prepareSodium({ source, clock }: EngineOptions): Promise<PreparedEngine> {
  const relay = new EventRelay();
  const tun = await openTunDevice(source, relay, { clock });
  return {
    interfaceName: tun.name,
    open: (listener) =>
      openSodiumEngine({
        openTun: (events) => relay.attach(events, tun),
        openUdp: (events) => openUdpSockets(events),
        clock,
        listener,
      }),
    warnings: addonWarnings(),
  };
}

function addonWarnings(): string[] {
  const load = loadIoAddon();
  if (load.addon !== null) return [];
  return [
    `${load.reason}: no sticky source address, no ECN, no fwmark, slower TUN (npm run setup)`,
  ];
}

/** The device is opened before the engine exists; nothing arrives in between. */
class EventRelay implements TunEvents {
  #target: TunEvents | null = null;

  attach(target: TunEvents, tun: OpenTun): OpenTun {
    this.#target = target;
    return tun;
  }

  packets(batch: readonly Uint8Array[]): void {
    this.#target?.packets(batch);
  }

  link(state: { readonly up: boolean; readonly mtu: number }): void {
    this.#target?.link(state);
  }

  closed(): void {
    this.#target?.closed();
  }
}
