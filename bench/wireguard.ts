// Two ends that speak WireGuard, each a process that `wg` configures.
import type { Network } from '../test/support/netnsNetwork.js';
import { INNER, OUTER, PORT_OF_B, TUNNEL_MTU, endpoint } from '../test/support/netnsTopology.js';
import type { Ends } from '../test/support/netnsTopology.js';
import { Tunnel, newKeyPair } from '../test/support/netnsTunnel.js';
import type { Implementation, PeerConfig } from '../test/support/netnsTunnel.js';
import type { Running } from './subject.js';

export interface WireGuardProgram {
  readonly implementation: Implementation;
  /** Serves an interface in the foreground; the interface's name is added to it. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export async function startWireGuard(
  net: Network,
  ends: Ends,
  program: WireGuardProgram,
): Promise<Running> {
  const a = await Tunnel.start(net, { ...program, namespace: ends.a });
  const b = await Tunnel.start(net, { ...program, namespace: ends.b });
  await configure({ a, b }, []);
  await a.up([`${INNER.a[4]}/24`], TUNNEL_MTU);
  await b.up([`${INNER.b[4]}/24`], TUNNEL_MTU);
  return { tunnels: { a, b }, residentBytes: () => b.residentBytes() };
}

/** Each end gets the other as its peer, and the bystanders beside it. */
export async function configure(
  { a, b }: { readonly a: Tunnel; readonly b: Tunnel },
  bystanders: readonly PeerConfig[],
): Promise<void> {
  const toB = {
    publicKey: b.keys.publicKey,
    endpoint: endpoint(OUTER.b[4], PORT_OF_B),
    allowedIps: [`${INNER.b[4]}/32`],
  };
  const toA = { publicKey: a.keys.publicKey, allowedIps: [`${INNER.a[4]}/32`] };
  await a.setConfig({ privateKey: a.keys.privateKey, peers: [...bystanders, toB] });
  await b.setConfig({
    privateKey: b.keys.privateKey,
    listenPort: PORT_OF_B,
    peers: [...bystanders, toA],
  });
}

/** Peers that never say a word, with `allowedIpsEach` prefixes each. */
export function silentPeers(count: number, allowedIpsEach: number): PeerConfig[] {
  return Array.from({ length: count }, (_, n) => ({
    publicKey: newKeyPair().publicKey,
    allowedIps: Array.from(
      { length: allowedIpsEach },
      (_, k) => `10.${128 + (n >> 8)}.${n & 255}.${k * 16}/28`,
    ),
  }));
}
