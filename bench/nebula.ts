// Nebula on both ends: another userspace VPN of today, with a certificate authority made for the run.
import { dirname, join } from 'node:path';
import type { Network } from '../test/support/netnsNetwork.js';
import { runCommand, waitFor } from '../test/support/netnsProcess.js';
import type { Background } from '../test/support/netnsProcess.js';
import { INNER, OUTER, PORT_OF_B, TUNNEL_MTU } from '../test/support/netnsTopology.js';
import type { Ends } from '../test/support/netnsTopology.js';
import type { Running } from './subject.js';

export async function startNebula(net: Network, ends: Ends, path: string): Promise<Running> {
  const folder = net.folder();
  const certificates = join(dirname(path), 'nebula-cert');
  const file = (name: string): string => join(folder, name);
  const ca = ['-out-crt', file('ca.crt'), '-out-key', file('ca.key')];
  await runCommand([certificates, 'ca', '-name', 'bench', ...ca]);
  for (const side of ['a', 'b'] as const) {
    const authority = ['-ca-crt', file('ca.crt'), '-ca-key', file('ca.key')];
    const out = ['-out-crt', file(`${side}.crt`), '-out-key', file(`${side}.key`)];
    const who = ['-name', side, '-ip', `${INNER[side][4]}/24`];
    await runCommand([certificates, 'sign', ...authority, ...who, ...out]);
  }
  const start = async (side: 'a' | 'b'): Promise<Background> => {
    const text = configuration(folder, side, net.newInterfaceName());
    const child = ends[side].spawn([path, '-config', net.file(`${side}.yml`, text)]);
    await waitFor('nebula has its address', async () => {
      if (child.outcome !== null) throw new Error(child.log);
      return (await ends[side].run('ip', 'address')).includes(INNER[side][4]);
    });
    return child;
  };
  const b = await start('b');
  await start('a');
  return { tunnels: null, residentBytes: () => b.residentBytes() };
}

/** JSON, which is YAML too. */
function configuration(folder: string, side: 'a' | 'b', device: string): string {
  const other = side === 'a' ? 'b' : 'a';
  const anyone = { port: 'any', proto: 'any', host: 'any' };
  return JSON.stringify({
    pki: {
      ca: join(folder, 'ca.crt'),
      cert: join(folder, `${side}.crt`),
      key: join(folder, `${side}.key`),
    },
    static_host_map: { [INNER[other][4]]: [`${OUTER[other][4]}:${PORT_OF_B}`] },
    lighthouse: { am_lighthouse: false, hosts: [] },
    listen: { host: '0.0.0.0', port: PORT_OF_B, read_buffer: 4 << 20, write_buffer: 4 << 20 },
    tun: { dev: device, mtu: TUNNEL_MTU, tx_queue: 500 },
    logging: { level: 'error', format: 'text' },
    firewall: { outbound: [anyone], inbound: [anyone] },
  });
}
