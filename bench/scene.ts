// The network of every measurement: two namespaces, one veth of MTU 1500, a tunnel of MTU 1420 whose
// two ends are the same subject.
import { Network } from '../test/support/netnsNetwork.js';
import type { Namespace } from '../test/support/netnsNetwork.js';
import {
  INNER,
  OUTER,
  PORT_OF_B,
  TUNNEL_MTU,
  endpoint,
  twoEnds,
} from '../test/support/netnsTopology.js';
import { waitForPing } from '../test/support/netnsTraffic.js';
import { Tunnel } from '../test/support/netnsTunnel.js';
import type { Subject } from './subject.js';

export interface Scene {
  readonly net: Network;
  readonly a: Namespace;
  readonly b: Namespace;
  /** Absent for the bare wire. */
  readonly tunnels: { readonly a: Tunnel; readonly b: Tunnel } | null;
  /** Where b is reached: through the tunnel, or on the wire. */
  readonly addressOfB: string;
}

/** Runs `measure` in a fresh network with fresh processes; null measures the bare wire. */
export async function withScene<T>(
  subject: Subject | null,
  measure: (scene: Scene) => Promise<T>,
): Promise<T> {
  const net = new Network();
  try {
    const { a, b } = await twoEnds(net);
    if (subject === null) {
      return await measure({ net, a, b, tunnels: null, addressOfB: OUTER.b[4] });
    }
    const tunnels = await startTunnels(net, { a, b }, subject);
    await waitForPing(a, INNER.b[4]);
    return await measure({ net, a, b, tunnels, addressOfB: INNER.b[4] });
  } finally {
    await net.close();
  }
}

async function startTunnels(
  net: Network,
  ends: { readonly a: Namespace; readonly b: Namespace },
  { implementation, command, env }: Subject,
): Promise<{ a: Tunnel; b: Tunnel }> {
  const start = (namespace: Namespace): Promise<Tunnel> =>
    Tunnel.start(net, { implementation, namespace, command, env });
  const [a, b] = [await start(ends.a), await start(ends.b)];
  await a.setConfig({
    privateKey: a.keys.privateKey,
    peers: [
      {
        publicKey: b.keys.publicKey,
        endpoint: endpoint(OUTER.b[4], PORT_OF_B),
        allowedIps: [`${INNER.b[4]}/32`],
      },
    ],
  });
  await b.setConfig({
    privateKey: b.keys.privateKey,
    listenPort: PORT_OF_B,
    peers: [{ publicKey: a.keys.publicKey, allowedIps: [`${INNER.a[4]}/32`] }],
  });
  await a.up([`${INNER.a[4]}/24`], TUNNEL_MTU);
  await b.up([`${INNER.b[4]}/24`], TUNNEL_MTU);
  return { a, b };
}
