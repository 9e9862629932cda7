// A peer's Endpoint: a name or an address, and a port. SPEC.md 7.2.
import { parseAddress } from '../../../base/ip.js';
import type { EndpointConfig } from '../../tunnelConfig.js';
import type { Report } from '../findings.js';
import { shown } from '../findings.js';

/** `text` holds no white space. */
export function endpoint(text: string, report: Report): EndpointConfig | null {
  // The last colon, as `wg` has it: `2001:db8::1:51820` is an address and a port.
  const match = /^(?:\[([^\]]+)\]|(.+)):([^:]*)$/.exec(text);
  const [, bracketed, bare, portText = ''] = match ?? [];
  const host = bracketed ?? bare ?? '';
  const port = /^[0-9]{1,8}$/.test(portText) ? Number(portText) : 0;
  if (isHost(host) && port >= 1 && port <= 65_535) return { host, port };
  return report.problem({
    code: 'E_CONFIG_ENDPOINT',
    expected:
      'host:port, the host a name, an IPv4 address or [an IPv6 address], the port 1 to 65535',
    found: shown(text),
    remedy: 'write an endpoint such as vpn.example.com:51820 or [2001:db8::1]:51820',
  });
}

function isHost(host: string): boolean {
  const [address = '', zone, ...rest] = host.split('%');
  const parsed = parseAddress(address);
  if (zone !== undefined) return parsed?.family === 6 && rest.length === 0 && isZone(zone);
  if (parsed !== null) return true;
  // What consists of digits and dots is meant for an address; a name never looks like that.
  return !/^[0-9.]+$/.test(host) && host.length <= 253 && HOST_NAME.test(host);
}

/** A name of an interface, or its index. */
const isZone = (zone: string): boolean => /^[^/:%[\]]{1,15}$/.test(zone);

const HOST_NAME = /^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/;
