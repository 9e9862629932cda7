// A tunnel that is up: its reload and its end. SPEC.md 8.1 and 8.8.
import { OperatorError } from '../../base/errors.js';
import type { Endpoint } from '../../base/ip.js';
import { diffConfigs } from '../../config/diff/diffConfigs.js';
import { formatDiff } from '../../config/diff/formatDiff.js';
import { destroyTunnelConfig, type TunnelConfig } from '../../config/tunnelConfig.js';
import type { HookName } from '../../platform/network/hooks.js';
import type { Layout } from '../../platform/network/layout.js';
import { itemKey } from '../../platform/network/networkItem.js';
import { planTransition } from '../../platform/network/plan.js';
import type { NetworkChanges } from '../../platform/network/tunnelNetwork.js';
import { hookCommands, namedPeers } from './configuredTunnel.js';
import { endpointsOf } from './deviceSetup.js';
import type { EndpointNamesSettings } from './endpointNames.js';
import { EndpointResolver, lookUpAll, LOOK_UP_TIMEOUT_MS } from './endpointResolver.js';
import { runAllHooks } from './hookRunner.js';
import type { Caller, LifecyclePorts } from './lifecyclePorts.js';
import { LockoutGuard } from './lockoutGuard.js';
import { carryOutReload, layOutAgain, type InForce, type ReloadRequest } from './reload.js';
import type { TunnelControl } from './tunnelControl.js';

export interface RunningTunnelParts extends InForce {
  readonly ports: LifecyclePorts;
  /** Addresses of the names, as far as they were found. */
  readonly known: ReadonlyMap<string, readonly Endpoint[]>;
}

export interface DownRequest extends Caller {
  /** The interface was deleted by somebody: no PreDown, nothing to save. */
  readonly interfaceGone: boolean;
}

export class RunningTunnel {
  readonly #control: TunnelControl;
  readonly #changes: NetworkChanges;
  readonly #ports: LifecyclePorts;
  readonly #resolver: EndpointResolver;
  #config: TunnelConfig;
  #layout: Layout;
  /** What is being done; the next waits for it. */
  #busy: Promise<unknown> = Promise.resolve();
  #down = false;

  constructor({ config, layout, control, changes, ports, known }: RunningTunnelParts) {
    this.#config = config;
    this.#layout = layout;
    this.#control = control;
    this.#changes = changes;
    this.#ports = ports;
    this.#resolver = new EndpointResolver({
      settings: resolverSettings(config, known, ports),
      control,
      clock: ports.clock,
      lookUp: ports.lookUp,
      log: ports.log,
      onEndpointSet: () => void this.#exclusively(() => this.#adjustMtu()),
    });
  }

  get interfaceName(): string {
    return this.#control.interfaceName;
  }

  get control(): TunnelControl {
    return this.#control;
  }

  /** In force; lent until the next reload or the end. */
  get config(): TunnelConfig {
    return this.#config;
  }

  get warnings(): readonly string[] {
    return this.#layout.warnings;
  }

  /**
   * All or nothing; throws OperatorError and goes on as before. On success the wanted configuration
   * belongs to the tunnel and the old one's secrets are destroyed. Returns what changed, a line each.
   */
  reload(request: ReloadRequest): Promise<string[]> {
    return this.#exclusively(() => this.#reload(request));
  }

  async #reload(request: ReloadRequest): Promise<string[]> {
    if (this.#down) throw notUp(this.interfaceName);
    const { wanted } = request;
    const { lookUp, clock } = this.#ports;
    const old = namedPeers(this.#config);
    const isNew = (peer: (typeof old)[number]): boolean =>
      !old.some(({ id, host, port }) => id === peer.id && host === peer.host && port === peer.port);
    const newNames = namedPeers(wanted).filter(isNew);
    const known = await lookUpAll(newNames, { lookUp, clock, timeoutMs: LOOK_UP_TIMEOUT_MS });
    const endpoints = endpointsOf(wanted, known, this.#ports);
    this.#layout = await carryOutReload(this.#inForce(), { ...request, endpoints }, this.#ports);
    const replaced = this.#config;
    const changes = formatDiff(diffConfigs(replaced, wanted));
    this.#config = wanted;
    this.#resolver.configure(resolverSettings(wanted, known, this.#ports));
    destroyTunnelConfig(replaced);
    return changes;
  }

  /** Throws E_LOCKOUT if `down` would. */
  checkDown(caller: Caller): Promise<void> {
    return this.#exclusively(() => this.#guardDown(caller));
  }

  /**
   * Takes the tunnel down, whatever fails; returns the failures. Throws only E_LOCKOUT, and before
   * anything has happened. A second call does nothing.
   */
  down(request: DownRequest): Promise<OperatorError[]> {
    return this.#exclusively(() => this.#takeDown(request));
  }

  async #takeDown(request: DownRequest): Promise<OperatorError[]> {
    if (this.#down) return [];
    if (!request.interfaceGone) await this.#guardDown(request);
    this.#down = true;
    this.#resolver.stop();
    const failures: OperatorError[] = [];
    if (!request.interfaceGone) {
      failures.push(...(await this.#runHooks('PreDown')));
      if (this.#config.interface.saveConfig)
        await this.#ports
          .saveConfig()
          .catch((error: unknown) => failures.push(asOperatorError(error, this.interfaceName)));
    }
    const stuck = await this.#changes.removeAll('besideInterface');
    await this.#control.close();
    // An interface that outlives its device (a persistent TUN) is left as it was found.
    stuck.push(...(await this.#changes.removeAll('onInterface')));
    failures.push(...stuck, ...(await this.#runHooks('PostDown')));
    await this.#changes.setPostDown(null);
    if (stuck.length === 0) await this.#changes.finish();
    destroyTunnelConfig(this.#config);
    return failures;
  }

  async #guardDown(request: Caller): Promise<void> {
    const { network, reporter } = this.#ports;
    const change = { interfaceName: this.interfaceName, before: this.#layout, after: null };
    await LockoutGuard.judge(network, change, { ...request, reporter });
  }

  #runHooks(name: HookName): Promise<OperatorError[]> {
    const commands = hookCommands(this.#config, name, this.interfaceName);
    return runAllHooks(name, commands, this.interfaceName, this.#ports);
  }

  /** The path to another endpoint may have another MTU. Never rejects. */
  async #adjustMtu(): Promise<void> {
    if (this.#down || this.#config.interface.mtu !== null) return;
    const { reporter } = this.#ports;
    try {
      const nothingNew = { wanted: this.#config, endpoints: new Map<string, Endpoint>() };
      const after = await layOutAgain(this.#inForce(), nothingNew, this.#ports);
      const { widen } = planTransition(this.#layout, after);
      await this.#changes.execute(widen.filter(({ item }) => item.kind === 'mtu'));
      this.#layout = { ...this.#layout, items: withMtuOf(this.#layout, after) };
    } catch (error) {
      reporter.warn(error instanceof Error ? error.message : String(error));
    }
  }

  #inForce(): InForce {
    return {
      config: this.#config,
      layout: this.#layout,
      control: this.#control,
      changes: this.#changes,
    };
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }
}

function resolverSettings(
  config: TunnelConfig,
  known: ReadonlyMap<string, readonly Endpoint[]>,
  { startRetries }: Pick<LifecyclePorts, 'startRetries'>,
): EndpointNamesSettings {
  const intervalMs = config.beam.endpointResolutionS * 1000;
  return { peers: namedPeers(config), known, intervalMs, startRetries };
}

const withMtuOf = (layout: Layout, other: Layout): Layout['items'] =>
  layout.items.map((item) =>
    item.kind === 'mtu' ? (other.items.find((o) => itemKey(o) === itemKey(item)) ?? item) : item,
  );

function asOperatorError(error: unknown, interfaceName: string): OperatorError {
  if (error instanceof OperatorError) return error;
  return new OperatorError(
    {
      code: 'E_SAVE',
      place: interfaceName,
      expected: 'to save the configuration',
      found: error instanceof Error ? error.message : String(error),
      remedy: 'save it by hand before the next up, or set SaveConfig = false',
    },
    { cause: error },
  );
}

function notUp(interfaceName: string): OperatorError {
  return new OperatorError({
    code: 'E_TUNNEL_DOWN',
    place: interfaceName,
    expected: 'a tunnel that is up',
    found: 'that it is being taken down',
    remedy: `bring it up again with "beam up ${interfaceName}"`,
  });
}
