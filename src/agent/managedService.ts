// The tunnel of a configuration file: what `beam up` and `beam run` keep running. SPEC.md 8 and 9.
import { assertNever, BugError } from '../base/assert.js';
import { OperatorError, type OperatorErrorDetails } from '../base/errors.js';
import { diffConfigs } from '../config/diff/diffConfigs.js';
import { diffToJson, formatDiff } from '../config/diff/formatDiff.js';
import { formatTunnelConfig } from '../config/file/formatTunnelConfig.js';
import { savedConfig } from '../config/savedConfig.js';
import { destroyTunnelConfig, type TunnelConfig } from '../config/tunnelConfig.js';
import { writeConfigFile } from '../platform/configFilesWrite.js';
import { systemClock } from '../platform/clock.js';
import { lookUpHost } from '../platform/dns/hostLookup.js';
import { interfaceIndex } from '../platform/interfaceIndex.js';
import { findCallerSession } from '../platform/network/callerSession.js';
import { LinuxTunnelNetwork } from '../platform/network/tunnelNetwork.js';
import type { ControlAnswer, ControlCaller, ControlRequest, TunnelDiff } from '../ports/control.js';
import { loadConfig, type ConfigSource } from './configSource.js';
import type { Service, ServiceContext } from './daemon.js';
import { interfaceAddresses } from './interfaceAddresses.js';
import { bringUp } from './lifecycle/bringUp.js';
import { parseStartRetries } from './lifecycle/endpointNames.js';
import type { LifecyclePorts } from './lifecycle/lifecyclePorts.js';
import type { RunningTunnel } from './lifecycle/runningTunnel.js';
import { buildStatus } from './status.js';
import { openTunnel, type Tunnel } from './tunnel.js';

export interface ManagedOptions {
  readonly interfaceName: string;
  readonly configPath: string;
  readonly version: string;
  /** Start although it cuts off the session that the command comes from. */
  readonly force: boolean;
  readonly env: NodeJS.ProcessEnv;
}

const NO_CALLER: ControlCaller = { force: true, session: null };
const MAX_WARNINGS = 64;

export class ManagedService implements Service {
  readonly #options: ManagedOptions;
  readonly #context: ServiceContext;
  readonly #source: ConfigSource;
  readonly #startedAt = Date.now();
  readonly #warnings = new Set<string>();
  #device: Tunnel | null = null;
  #running: RunningTunnel | null = null;
  #interfaceGone = false;

  constructor(options: ManagedOptions, context: ServiceContext) {
    this.#options = options;
    this.#context = context;
    this.#source = {
      path: options.configPath,
      interfaceName: options.interfaceName,
      credentialsFolder: options.env['CREDENTIALS_DIRECTORY'] ?? null,
    };
  }

  async start(): Promise<void> {
    const { config, keyFromFile, warnings } = await loadConfig(this.#source, 'startWithoutKey');
    try {
      for (const warning of warnings) this.#warn(warning);
      this.#context.setLogLevel(config.beam.logLevel);
      const { interfaceName, env, force } = this.#options;
      const session = this.#context.manager.present ? null : findCallerSession(env, process.pid);
      const privateKey = keyFromFile ?? config.interface.privateKey;
      const { abort } = this.#context;
      const request = { interfaceName, privateKey, session, force, abort };
      this.#running = await bringUp(config, request, this.#ports(config));
    } catch (error) {
      destroyTunnelConfig(config);
      throw error;
    } finally {
      keyFromFile?.destroy();
    }
  }

  #ports(config: TunnelConfig): LifecyclePorts {
    const { logger, readiness } = this.#context;
    return {
      host: { open: () => this.#openDevice(config) },
      network: new LinuxTunnelNetwork({ hookOutput: () => readiness?.outputFd ?? 'inherit' }),
      clock: systemClock(),
      lookUp: lookUpHost,
      zoneIndex: interfaceIndex,
      reporter: {
        progress: (line) => {
          readiness?.step(line);
          logger.debug(line);
        },
        warn: (text) => this.#warn(text),
      },
      log: (text) => logger.info(text),
      saveConfig: () => this.#save(),
      startRetries: parseStartRetries(this.#options.env['WG_ENDPOINT_RESOLUTION_RETRIES']),
    };
  }

  async #openDevice(config: TunnelConfig): Promise<Tunnel> {
    this.#device = await openTunnel({
      source: { name: this.#options.interfaceName, mtu: null },
      engine: {
        ...{ choice: config.beam.engine, queues: config.beam.queues },
        ...this.#context.engine,
      },
      uapiFd: null,
      logger: this.#context.logger,
      onEnd: (end) => {
        this.#interfaceGone = end === 'tunClosed';
        this.#context.end(end === 'tunClosed' ? 'interface deleted' : 'socket deleted');
      },
    });
    for (const warning of this.#device.warnings) this.#warn(warning);
    return this.#device;
  }

  #warn(text: string): void {
    this.#context.readiness?.warning(text);
    this.#context.logger.info(text);
    if (this.#warnings.size < MAX_WARNINGS) this.#warnings.add(text);
  }

  summary(): string {
    const peers = this.#running?.config.peers.length ?? 0;
    return `${this.#options.interfaceName} is up, ${peers} peer${peers === 1 ? '' : 's'}`;
  }

  async handleControl(request: ControlRequest): Promise<ControlAnswer> {
    switch (request.method) {
      case 'status':
        return { ok: true, result: { kind: 'status', status: this.#status() } };
      case 'reload': {
        const changes = await this.#reload(request);
        return { ok: true, result: { kind: 'reloaded', changes } };
      }
      case 'diff':
        return { ok: true, result: { kind: 'diff', diff: await this.#diff() } };
      case 'save':
        await this.#save();
        return { ok: true, result: { kind: 'done' } };
      case 'down':
        throw new BugError('the daemon answers down');
      default:
        return assertNever(request);
    }
  }

  #status(): ReturnType<typeof buildStatus> {
    const { running, device } = this.#up();
    return buildStatus({
      interfaceName: this.#options.interfaceName,
      controller: device.controller,
      startedAt: this.#startedAt,
      version: this.#options.version,
      warnings: [...this.#warnings],
      config: running.config,
    });
  }

  async reload(): Promise<void> {
    await this.#reload(NO_CALLER);
  }

  /** What changed, a line each. */
  async #reload(caller: ControlCaller): Promise<readonly string[]> {
    const { running } = this.#up();
    const { config: wanted, keyFromFile, warnings } = await loadConfig(this.#source);
    try {
      const changes = await running.reload({ ...caller, wanted, keyFromFile });
      for (const warning of warnings) this.#warn(warning);
      this.#context.setLogLevel(wanted.beam.logLevel);
      return changes;
    } catch (error) {
      destroyTunnelConfig(wanted);
      throw error;
    } finally {
      keyFromFile?.destroy();
    }
  }

  async #diff(): Promise<TunnelDiff> {
    const { running } = this.#up();
    const { config: wanted, keyFromFile } = await loadConfig(this.#source);
    try {
      const diff = diffConfigs(running.config, wanted);
      const { interfaceName, path: file } = this.#source;
      return { interface: interfaceName, file, ...diffToJson(diff), lines: formatDiff(diff) };
    } finally {
      destroyTunnelConfig(wanted);
      keyFromFile?.destroy();
    }
  }

  async #save(): Promise<void> {
    const { running, device } = this.#up();
    const state = {
      device: device.snapshot(),
      addresses: await interfaceAddresses(this.#options.interfaceName, running.config),
      mtu: device.controller.link.mtu,
    };
    await writeConfigFile(
      this.#source.path,
      formatTunnelConfig(savedConfig(running.config, state)),
    );
  }

  async checkStop(caller: ControlCaller): Promise<void> {
    await this.#running?.checkDown(caller);
  }

  async stop(): Promise<readonly OperatorErrorDetails[]> {
    const interfaceGone = this.#interfaceGone;
    const failures = await this.#running?.down({ ...NO_CALLER, interfaceGone });
    return failures?.map(({ details }) => details) ?? [];
  }

  #up(): { readonly running: RunningTunnel; readonly device: Tunnel } {
    if (this.#running !== null && this.#device !== null)
      return { running: this.#running, device: this.#device };
    throw new OperatorError({
      code: 'E_TUNNEL_DOWN',
      place: this.#options.interfaceName,
      expected: 'a tunnel that is up',
      found: 'one that is starting',
      remedy: 'try again in a moment',
    });
  }
}
