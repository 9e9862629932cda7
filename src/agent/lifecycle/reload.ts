// From one configuration to another while the tunnel runs: all of it or nothing. SPEC.md 8.8.
import type { Endpoint } from '../../base/ip.js';
import type { Secret } from '../../base/secret.js';
import { deviceTransition, type DeviceTransition } from '../../config/diff/deviceTransition.js';
import { diffConfigs } from '../../config/diff/diffConfigs.js';
import type { TunnelConfig } from '../../config/tunnelConfig.js';
import type { DeviceChange } from '../../peer/change.js';
import { layoutNetwork, type Layout } from '../../platform/network/layout.js';
import { planTransition } from '../../platform/network/plan.js';
import type { NetworkChanges } from '../../platform/network/tunnelNetwork.js';
import { hookTable, literalEndpoint, networkSettings, peerKey } from './configuredTunnel.js';
import { restoringChange } from './deviceRestore.js';
import { runAllHooks, runHooks } from './hookRunner.js';
import { hookTransition } from './hookTransition.js';
import type { Caller, LifecyclePorts } from './lifecyclePorts.js';
import { LockoutGuard } from './lockoutGuard.js';
import type { TunnelControl } from './tunnelControl.js';

export interface ReloadRequest extends Caller {
  readonly wanted: TunnelConfig;
  /** The content of the wanted PrivateKeyFile, borrowed; null where there is none. */
  readonly keyFromFile: Secret | null;
}

export interface InForce {
  readonly config: TunnelConfig;
  readonly layout: Layout;
  readonly control: TunnelControl;
  readonly changes: NetworkChanges;
}

/** Returns the layout that is in force then; on a failure the old one is, and OperatorError says why. */
export async function carryOutReload(
  inForce: InForce,
  request: ReloadRequest & { readonly endpoints: ReadonlyMap<string, Endpoint> },
  ports: LifecyclePorts,
): Promise<Layout> {
  const { config, layout: before, control, changes } = inForce;
  const { network, reporter } = ports;
  const { interfaceName } = control;
  const after = await layOutAgain(inForce, request, ports);
  for (const warning of after.warnings) reporter.warn(warning);
  const guard = await LockoutGuard.judge(
    network,
    { interfaceName, before, after },
    { ...request, reporter },
  );
  const transition = deviceTransition(diffConfigs(config, request.wanted), request);
  const { widen, narrow } = withMark(transition, before, after);
  const steps = planTransition(before, after);
  const both = { ...widen, peers: [...widen.peers, ...narrow.peers] };
  const restoring = restoringChange(control.snapshot(), both);
  const undo: (() => Promise<void> | void)[] = [];
  try {
    control.applyChange(widen);
    undo.push(() => control.applyChange(restoring.change));
    await changes.execute(steps.widen);
    undo.push(() => changes.rollBack(steps.widen));
    await changes.execute(steps.narrow);
    undo.push(() => changes.rollBack(steps.narrow));
    await guard.confirm();
    await changeHooks({ from: config, to: request.wanted, interfaceName, changes, ports, undo });
    control.applyChange(narrow);
    return after;
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  } finally {
    restoring.destroy();
  }
}

/** With the endpoints that are in use, and those of the file where there is none yet. */
export async function layOutAgain(
  { layout: before, control }: InForce,
  request: { readonly wanted: TunnelConfig; readonly endpoints: ReadonlyMap<string, Endpoint> },
  { network, zoneIndex }: Pick<LifecyclePorts, 'network' | 'zoneIndex'>,
): Promise<Layout> {
  const { interfaceName } = control;
  const endpoints = request.wanted.peers.flatMap((peer) => {
    const known = request.endpoints.get(peerKey(peer));
    const used = control.liveness(peer.publicKey)?.endpoint;
    const literal = peer.endpoint === null ? null : literalEndpoint(peer.endpoint, zoneIndex);
    return (known ?? used ?? literal)?.address ?? [];
  });
  const facts = await network.facts({ interfaceName, endpoints, mark: before.mark });
  return layoutNetwork(networkSettings(request.wanted, interfaceName), facts, before);
}

/** The layout alone knows the mark: of a full tunnel it may be one that Beam picked. */
function withMark(transition: DeviceTransition, before: Layout, after: Layout): DeviceTransition {
  const { privateKey, listenPort, replacePeers, peers } = transition.widen;
  const widen: DeviceChange = {
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(listenPort === undefined ? {} : { listenPort }),
    ...(before.mark === after.mark ? {} : { fwmark: after.mark }),
    replacePeers,
    peers,
  };
  return { widen, narrow: transition.narrow };
}

interface HookChange {
  readonly from: TunnelConfig;
  readonly to: TunnelConfig;
  readonly interfaceName: string;
  readonly changes: NetworkChanges;
  readonly ports: LifecyclePorts;
  readonly undo: (() => Promise<void> | void)[];
}

async function changeHooks(change: HookChange): Promise<void> {
  const { interfaceName, changes, ports, undo } = change;
  const from = hookTable(change.from, interfaceName);
  const to = hookTable(change.to, interfaceName);
  await changes.setPostDown([
    ...from.PostDown,
    ...to.PostDown.filter((line) => !from.PostDown.includes(line)),
  ]);
  undo.push(async () => {
    for (const { name, command } of hookTransition(to, from))
      for (const failure of await runAllHooks(name, [command], interfaceName, ports))
        ports.reporter.warn(failure.message);
    await changes.setPostDown(from.PostDown);
  });
  for (const { name, command } of hookTransition(from, to)) {
    const isDown = name === 'PreDown' || name === 'PostDown';
    if (!isDown) await runHooks(name, [command], interfaceName, ports);
    else
      for (const failure of await runAllHooks(name, [command], interfaceName, ports))
        ports.reporter.warn(failure.message);
  }
  await changes.setPostDown(to.PostDown);
}
