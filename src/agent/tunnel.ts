// One running device with its UAPI socket: what the drop-in is, and what `up` builds upon.
// SPEC.md 9.2.
import type { DeviceChange, DeviceSnapshot } from '../peer/change.js';
import { systemClock } from '../platform/clock.js';
import { systemEntropy } from '../platform/entropy.js';
import { interfaceIndex } from '../platform/interfaceIndex.js';
import type { TunSource } from '../platform/tun.js';
import { startUapiServer, type UapiServer } from '../platform/uapiServer.js';
import type { Logger } from '../ports/log.js';
import { Controller } from './controller.js';
import { prepareEngine } from './engine.js';
import type { EngineWish } from './engineWish.js';
import type { PeerLiveness, TunnelControl } from './lifecycle/tunnelControl.js';
import { answerUapi } from './uapi.js';

/** Why a tunnel ended by itself. */
export type TunnelEnd = 'tunClosed' | 'uapiDeleted';

export interface TunnelOptions {
  readonly source: TunSource;
  readonly engine: EngineWish;
  /** WG_UAPI_FD. */
  readonly uapiFd: number | null;
  readonly logger: Logger;
  /** Called once at most; `close` is the caller's to call. */
  readonly onEnd: (end: TunnelEnd) => void;
}

/** Throws OperatorError: E_TUN, E_ENGINE, E_ALREADY_RUNNING, E_SOCKET. Leaves nothing behind then. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { logger, onEnd } = options;
  const clock = systemClock();
  const engine = await prepareEngine({
    wish: options.engine,
    source: options.source,
    clock,
    logger,
  });
  const controller = new Controller({
    openDataPlane: (listener) => engine.open(listener),
    clock,
    entropy: systemEntropy,
    logger,
    onTunClosed: () => onEnd('tunClosed'),
  });
  try {
    const uapi = await startUapiServer({
      interfaceName: engine.interfaceName,
      handle: (request) =>
        answerUapi(request, { target: controller, zoneIndex: interfaceIndex, logger }),
      onDeleted: () => onEnd('uapiDeleted'),
      inheritedFd: options.uapiFd,
    });
    return new Tunnel(engine.interfaceName, controller, uapi, engine.warnings);
  } catch (error) {
    controller.close();
    throw error;
  }
}

export class Tunnel implements TunnelControl {
  readonly interfaceName: string;
  readonly controller: Controller;
  readonly warnings: readonly string[];
  readonly #uapi: UapiServer;
  #closing: Promise<void> | null = null;

  constructor(
    interfaceName: string,
    controller: Controller,
    uapi: UapiServer,
    warnings: readonly string[],
  ) {
    this.interfaceName = interfaceName;
    this.controller = controller;
    this.warnings = warnings;
    this.#uapi = uapi;
  }

  applyChange(change: DeviceChange): void {
    this.controller.applyChange(change);
  }

  snapshot(): DeviceSnapshot {
    return this.controller.snapshot();
  }

  liveness(publicKey: Uint8Array): PeerLiveness | null {
    return this.controller.liveness(publicKey);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#uapi.close();
    this.controller.close();
  }
}
