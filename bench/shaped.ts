// How much of a link of 1 Gbit/s does one stream use? The link is the scene's veth with a token
// bucket on both ends; goodput is turned back into bytes on the wire, so that the tunnel's longer
// headers don't count against it and what is left is what the tunnel wastes.
import { TUNNEL_MTU, WIRE_DEVICE } from '../test/support/netnsTopology.js';
import { iperf } from '../test/support/netnsTraffic.js';
import type { Scene } from './scene.js';

const RATE_BITS_PER_S = 1e9;
/** tc-tbf(8); the burst holds four of the largest super-packets. */
const SHAPER = ['tbf', 'rate', '1gbit', 'burst', '256kb', 'latency', '20ms'] as const;

const WIRE_MTU = 1500;
const ETHERNET_BYTES = 14;
/** IPv4 and TCP with the time stamp option, as Linux sends them. */
const TCP_HEADERS_BYTES = 20 + 20 + 12;
/** IPv4, UDP, type 4's header and tag; a full packet isn't padded past the MTU (SPEC.md 4.4). */
const TUNNEL_HEADERS_BYTES = 20 + 8 + 16 + 16;

/** Per cent of the link's rate; null for a subject whose frames aren't known. */
export async function shapedUse(scene: Scene, seconds: number): Promise<number | null> {
  const { subject, a, b } = scene;
  if (subject !== null && !subject.wireGuardFrames) return null;
  const mtu = subject === null ? WIRE_MTU : TUNNEL_MTU;
  const frameBytes = ETHERNET_BYTES + (subject === null ? mtu : mtu + TUNNEL_HEADERS_BYTES);
  for (const end of [a, b]) {
    await end.run('tc', 'qdisc', 'replace', 'dev', WIRE_DEVICE, 'root', ...SHAPER);
  }
  const to = { namespace: b, address: scene.addressOfB };
  // The first second, in which TCP finds the rate, is left out.
  const { bitsPerS } = await iperf(a, to, { seconds, args: ['-O', '1'] });
  for (const end of [a, b]) {
    await end.run('tc', 'qdisc', 'delete', 'dev', WIRE_DEVICE, 'root');
  }
  const wireBitsPerS = bitsPerS * (frameBytes / (mtu - TCP_HEADERS_BYTES));
  return (100 * wireBitsPerS) / RATE_BITS_PER_S;
}
