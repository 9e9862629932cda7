// Addresses of a host name, as the system's resolver gives them. SPEC.md 8.9.
import { lookup } from 'node:dns/promises';
import { parseAddress, type IpAddress } from '../../base/ip.js';

/** A and AAAA, in the resolver's order of preference (RFC 6724); rejects if there is no answer. */
export async function lookUpHost(host: string): Promise<IpAddress[]> {
  const answers = await lookup(host, { all: true, order: 'verbatim' });
  return answers.flatMap(({ address }) => parseAddress(address.split('%')[0]!) ?? []);
}
