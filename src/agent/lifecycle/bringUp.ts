// From a configuration to a tunnel that is up, or to nothing at all. SPEC.md 8.1.
import { OperatorError } from '../../base/errors.js';
import type { Endpoint } from '../../base/ip.js';
import type { TunnelConfig } from '../../config/tunnelConfig.js';
import { layoutNetwork, type Layout } from '../../platform/network/layout.js';
import { planTransition } from '../../platform/network/plan.js';
import type { NetworkChanges } from '../../platform/network/tunnelNetwork.js';
import { hookCommands, namedPeers, networkSettings } from './configuredTunnel.js';
import { endpointsOf, setupChange } from './deviceSetup.js';
import { lookUpAll, LOOK_UP_TIMEOUT_MS } from './endpointResolver.js';
import { runAllHooks, runHooks } from './hookRunner.js';
import type { LifecyclePorts, UpRequest } from './lifecyclePorts.js';
import { LockoutGuard } from './lockoutGuard.js';
import { RunningTunnel } from './runningTunnel.js';
import type { TunnelControl } from './tunnelControl.js';

/**
 * Brings the tunnel up or leaves nothing behind and throws OperatorError. On success the
 * configuration and its secrets belong to the tunnel.
 */
export async function bringUp(
  config: TunnelConfig,
  request: UpRequest,
  ports: LifecyclePorts,
): Promise<RunningTunnel> {
  const { interfaceName } = request;
  await ports.network.recover(interfaceName, ports.reporter);
  const changes = await ports.network.begin(interfaceName, ports.reporter);
  const attempt = new UpAttempt(config, request, ports, changes);
  try {
    return await attempt.run();
  } catch (error) {
    await attempt.abandon();
    throw request.abort?.aborted === true ? interrupted(interfaceName, error) : error;
  }
}

function interrupted(interfaceName: string, cause: unknown): OperatorError {
  return new OperatorError(
    {
      code: 'E_INTERRUPTED',
      place: interfaceName,
      expected: 'to bring the tunnel up',
      found: 'an interruption; everything was taken back',
      remedy: `run "beam up ${interfaceName}" again`,
    },
    { cause },
  );
}

class UpAttempt {
  readonly #config: TunnelConfig;
  readonly #request: UpRequest;
  readonly #ports: LifecyclePorts;
  readonly #changes: NetworkChanges;
  #control: TunnelControl | null = null;
  #upHooksRun: 'none' | 'PreUp' | 'PostUp' = 'none';

  constructor(
    config: TunnelConfig,
    request: UpRequest,
    ports: LifecyclePorts,
    changes: NetworkChanges,
  ) {
    this.#config = config;
    this.#request = request;
    this.#ports = ports;
    this.#changes = changes;
  }

  async run(): Promise<RunningTunnel> {
    const config = this.#config;
    const { network, reporter, host } = this.#ports;
    const { interfaceName, abort } = this.#request;
    await this.#runUpHooks('PreUp');
    const known = await this.#lookUpNames();
    abort?.throwIfAborted();
    const endpoints = endpointsOf(config, known, this.#ports);
    const layout = await this.#layOut([...endpoints.values()]);
    const change = { interfaceName, before: null, after: layout };
    const guard = await LockoutGuard.judge(network, change, { ...this.#request, reporter });
    abort?.throwIfAborted();
    const control = await host.open(interfaceName);
    this.#control = control;
    await this.#changes.attach();
    control.applyChange(setupChange(config, { ...this.#request, endpoints, mark: layout.mark }));
    await this.#changes.execute(planTransition(null, layout).widen);
    await guard.confirm();
    abort?.throwIfAborted();
    await this.#runUpHooks('PostUp');
    abort?.throwIfAborted();
    return new RunningTunnel({
      config,
      layout,
      control,
      changes: this.#changes,
      ports: this.#ports,
      known,
    });
  }

  /** Before the first of them it is written down how they are undone. */
  async #runUpHooks(name: 'PreUp' | 'PostUp'): Promise<void> {
    const commands = hookCommands(this.#config, name, this.#request.interfaceName);
    const isFirst = this.#upHooksRun === 'none';
    if (isFirst && (commands.length > 0 || name === 'PostUp'))
      await this.#changes.setPostDown(
        hookCommands(this.#config, 'PostDown', this.#request.interfaceName),
      );
    if (commands.length > 0) this.#upHooksRun = name;
    await runHooks(name, commands, this.#request.interfaceName, this.#ports, this.#request.abort);
  }

  #lookUpNames(): Promise<Map<string, readonly Endpoint[]>> {
    const { lookUp, clock, reporter } = this.#ports;
    const peers = namedPeers(this.#config);
    if (peers.length > 0)
      reporter.progress(`looking up ${peers.map(({ host }) => host).join(', ')}`);
    return lookUpAll(peers, { lookUp, clock, timeoutMs: LOOK_UP_TIMEOUT_MS });
  }

  async #layOut(endpoints: readonly Endpoint[]): Promise<Layout> {
    const { network, reporter } = this.#ports;
    const { interfaceName } = this.#request;
    const settings = networkSettings(this.#config, interfaceName);
    const addresses = endpoints.map(({ address }) => address);
    const facts = await network.facts({
      interfaceName,
      endpoints: addresses,
      mark: settings.fwmark,
    });
    const layout = layoutNetwork(settings, facts, null);
    for (const warning of layout.warnings) reporter.warn(warning);
    return layout;
  }

  /** Never throws: what can't be taken back is warned of and stays in the state file. */
  async abandon(): Promise<void> {
    const { reporter } = this.#ports;
    const control = this.#control;
    if (this.#upHooksRun === 'PostUp') await this.#runDownHooks('PreDown');
    const failures = await this.#changes.removeAll('besideInterface');
    await control?.close();
    failures.push(...(await this.#changes.removeAll('onInterface')));
    for (const failure of failures) reporter.warn(failure.message);
    if (this.#upHooksRun !== 'none') await this.#runDownHooks('PostDown');
    if (failures.length === 0) await this.#changes.finish();
  }

  async #runDownHooks(name: 'PreDown' | 'PostDown'): Promise<void> {
    const commands = hookCommands(this.#config, name, this.#request.interfaceName);
    for (const failure of await runAllHooks(
      name,
      commands,
      this.#request.interfaceName,
      this.#ports,
    ))
      this.#ports.reporter.warn(failure.message);
  }
}
