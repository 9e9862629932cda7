// `beam <interface>`: what wireguard-go does, and nothing else. SPEC.md 9.2.
import { OperatorError, type OperatorErrorDetails } from '../base/errors.js';
import type { TunSource } from '../platform/tun.js';
import type { ControlAnswer, ControlRequest } from '../ports/control.js';
import type { Service, ServiceContext } from './daemon.js';
import { buildStatus } from './status.js';
import { openTunnel, type Tunnel } from './tunnel.js';

export interface DropInOptions {
  readonly interfaceName: string;
  readonly version: string;
  /** WG_TUN_FD and WG_UAPI_FD. */
  readonly tunFd: number | null;
  readonly uapiFd: number | null;
}

export class DropInService implements Service {
  readonly #options: DropInOptions;
  readonly #context: ServiceContext;
  readonly #startedAt = Date.now();
  #tunnel: Tunnel | null = null;

  constructor(options: DropInOptions, context: ServiceContext) {
    this.#options = options;
    this.#context = context;
  }

  async start(): Promise<void> {
    const { logger, readiness, engine } = this.#context;
    this.#tunnel = await openTunnel({
      source: this.#source(),
      engine: { choice: 'auto', queues: 1, ...engine },
      uapiFd: this.#options.uapiFd,
      logger,
      onEnd: (end) =>
        this.#context.end(end === 'tunClosed' ? 'interface deleted' : 'socket deleted'),
    });
    for (const warning of this.#tunnel.warnings) {
      readiness?.warning(warning);
      logger.info(warning);
    }
  }

  #source(): TunSource {
    const { tunFd, interfaceName } = this.#options;
    return tunFd === null ? { name: interfaceName, mtu: null } : { fd: tunFd };
  }

  summary(): string {
    return `serving ${this.#options.interfaceName}`;
  }

  handleControl(request: ControlRequest): Promise<ControlAnswer> {
    if (request.method !== 'status' || this.#tunnel === null) throw this.#hasNoFile();
    const { interfaceName, controller, warnings } = this.#tunnel;
    const { version } = this.#options;
    const status = buildStatus({
      interfaceName,
      controller,
      warnings,
      version,
      startedAt: this.#startedAt,
      config: null,
    });
    return Promise.resolve({ ok: true, result: { kind: 'status', status } });
  }

  async reload(): Promise<void> {
    // wireguard-go has nothing to read again either.
  }

  checkStop(): Promise<void> {
    // It has set no route that anybody could depend on.
    return Promise.resolve();
  }

  async stop(): Promise<readonly OperatorErrorDetails[]> {
    await this.#tunnel?.close();
    return [];
  }

  #hasNoFile(): OperatorError {
    return new OperatorError({
      code: 'E_NO_CONFIG',
      place: this.#options.interfaceName,
      expected: 'a tunnel that `beam up` or `beam run` started from a file',
      found: 'one that was started as `beam <interface>`',
      remedy: 'use `wg setconf` or `wg syncconf`, as with any drop-in',
    });
  }
}
