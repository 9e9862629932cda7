// Two native engines without a control plane, each told the same session: how suites that WireGuard
// doesn't negotiate, and the null cipher, are measured.
import { fileURLToPath } from 'node:url';
import type { EndOptions } from '../test/support/nativeEngineEnd.js';
import type { Network } from '../test/support/netnsNetwork.js';
import { waitFor } from '../test/support/netnsProcess.js';
import { INNER, OUTER, PORT_OF_B, TUNNEL_MTU } from '../test/support/netnsTopology.js';
import type { Ends } from '../test/support/netnsTopology.js';
import type { Running } from './subject.js';

const END = fileURLToPath(new URL('../test/support/nativeEngineEnd.js', import.meta.url));
const PORT_OF_A = 51_821;

export async function startSessions(
  net: Network,
  ends: Ends,
  session: Pick<EndOptions, 'suite' | 'use'>,
): Promise<Running> {
  await startEnd(net, ends, 'b', session);
  await startEnd(net, ends, 'a', session);
  return { tunnels: null, residentBytes: () => null };
}

async function startEnd(
  net: Network,
  ends: Ends,
  side: 'a' | 'b',
  session: Pick<EndOptions, 'suite' | 'use'>,
): Promise<void> {
  const other = side === 'a' ? 'b' : 'a';
  const name = net.newInterfaceName();
  const options: EndOptions = {
    ...session,
    name,
    role: side === 'a' ? 'initiator' : 'responder',
    mtu: TUNNEL_MTU,
    port: side === 'a' ? PORT_OF_A : PORT_OF_B,
    remote: { family: 4, address: OUTER[other][4], port: side === 'a' ? PORT_OF_B : PORT_OF_A },
    allowedIps: [`${INNER[other][4]}/32`],
  };
  const child = ends[side].spawn([process.execPath, END, JSON.stringify(options)]);
  await waitFor('the engine is ready', () => {
    if (child.outcome !== null) throw new Error(child.log);
    return child.stdout.includes('"ready"');
  });
  await ends[side].addAddress(name, `${INNER[side][4]}/24`);
  await ends[side].run('ip', 'link', 'set', name, 'up');
}
