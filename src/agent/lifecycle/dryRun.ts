// What an up would do, without doing it: `beam up --dry-run`. SPEC.md 8.
import type { TunnelConfig } from '../../config/tunnelConfig.js';
import { describeStep } from '../../platform/network/networkItem.js';
import { planNetwork } from '../../platform/network/plan.js';
import { hookCommands, namedPeers, networkSettings } from './configuredTunnel.js';
import { endpointsOf } from './deviceSetup.js';
import { lookUpAll, LOOK_UP_TIMEOUT_MS } from './endpointResolver.js';
import type { Caller, LifecyclePorts } from './lifecyclePorts.js';

export interface DryRun {
  /** In their order, as a person would type them. */
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  /** Why the up would be refused for the caller's session; null if it wouldn't. */
  readonly lockout: string | null;
}

/** Hooks are only named: what they would change isn't known, and not taken into account. */
export async function dryRun(
  config: TunnelConfig,
  request: Pick<Caller, 'session'> & { readonly interfaceName: string },
  ports: Pick<LifecyclePorts, 'network' | 'lookUp' | 'clock' | 'zoneIndex'>,
): Promise<DryRun> {
  const { interfaceName, session } = request;
  const { network, lookUp, clock } = ports;
  const known = await lookUpAll(namedPeers(config), {
    lookUp,
    clock,
    timeoutMs: LOOK_UP_TIMEOUT_MS,
  });
  const endpoints = [...endpointsOf(config, known, ports).values()].map(({ address }) => address);
  const settings = networkSettings(config, interfaceName);
  const facts = await network.facts({ interfaceName, endpoints, mark: settings.fwmark });
  const { layout, steps } = planNetwork(settings, facts);
  const change = { interfaceName, before: null, after: layout };
  const verdict = session === null ? null : await network.judge(session, change);
  const hooks = (name: 'PreUp' | 'PostUp'): string[] =>
    hookCommands(config, name, interfaceName).map(
      (_, i, all) => `${name} ${i + 1} of ${all.length}`,
    );
  const mark = layout.mark === 0 ? '' : `, mark ${layout.mark}`;
  return {
    lines: [
      ...hooks('PreUp'),
      `ip link add ${interfaceName} (by the agent; peers: ${config.peers.length}${mark})`,
      ...steps.flatMap((step) => describeStep(step, interfaceName)),
      ...hooks('PostUp'),
    ],
    warnings: layout.warnings,
    lockout: verdict?.kind === 'cut' ? verdict.by : null,
  };
}
