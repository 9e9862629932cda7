// Address and DNS: wg-quick's lists. SPEC.md 7.2.
import { addressBits, parseAddress } from '../../../base/ip.js';
import type { IpAddress } from '../../../base/ip.js';
import type { DnsConfig, InterfaceAddress } from '../../tunnelConfig.js';
import type { Report } from '../findings.js';
import { shown } from '../findings.js';

export const interfaceAddresses = (
  text: string,
  report: Report,
): readonly InterfaceAddress[] | null =>
  allOrNull(items(text).map((item) => interfaceAddress(item, report)));

function interfaceAddress(item: string, report: Report): InterfaceAddress | null {
  const [addressText = '', lengthText, ...rest] = item.split('/');
  const address = parseAddress(addressText);
  if (address !== null && rest.length === 0) {
    const bits = addressBits(address.family);
    if (lengthText === undefined) return { address, length: bits };
    const length = /^(0|[1-9][0-9]{0,2})$/.test(lengthText) ? Number(lengthText) : Infinity;
    if (length <= bits) return { address, length };
  }
  const length = address === null ? '' : ` and a length from 0 to ${addressBits(address.family)}`;
  return report.problem({
    code: 'E_CONFIG_ADDRESS',
    expected: `an IPv4 or IPv6 address${length}`,
    found: shown(item),
    remedy: 'write addresses such as 10.0.0.1/24 or fd00::1/64, separated by commas',
  });
}

export function dns(text: string, report: Report): DnsConfig | null {
  const servers: (IpAddress | null)[] = [];
  const search: (string | null)[] = [];
  for (const item of items(text)) {
    // wg-quick's way to tell them apart.
    if (/^[0-9.]+$|:/.test(item)) servers.push(dnsServer(item, report));
    else search.push(searchDomain(item, report));
  }
  const [goodServers, goodSearch] = [allOrNull(servers), allOrNull(search)];
  if (goodServers === null || goodSearch === null) return null;
  return { servers: goodServers, search: goodSearch };
}

function dnsServer(item: string, report: Report): IpAddress | null {
  const server = parseAddress(item);
  if (server !== null) return server;
  return report.problem({
    code: 'E_CONFIG_ADDRESS',
    expected: "a DNS server's IPv4 or IPv6 address, without a port or a zone",
    found: shown(item),
    remedy: 'write addresses such as 10.0.0.53, separated by commas',
  });
}

/** `~` in front is systemd-resolved's mark for a routing domain. */
function searchDomain(item: string, report: Report): string | null {
  if (item.length <= 254 && /^(~\.|~?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?)$/.test(item))
    return item;
  return report.problem({
    code: 'E_CONFIG_ADDRESS',
    expected: "a DNS server's address or a search domain",
    found: shown(item),
    remedy: 'write DNS = 10.0.0.53, example.com',
  });
}

const items = (text: string): string[] => text.split(/[ \t\r\v\f,]+/).filter((item) => item !== '');

const allOrNull = <T>(values: readonly (T | null)[]): readonly T[] | null =>
  values.every((value) => value !== null) ? values : null;
