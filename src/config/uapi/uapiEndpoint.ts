// Endpoints as the UAPI writes them: numeric, IPv6 in brackets. SPEC.md 6.2 and 6.3.
import { formatAddress, parseAddress } from '../../base/ip.js';
import type { Endpoint, IpAddress } from '../../base/ip.js';
import { parseDecimal } from './decimal.js';

/** The index of a network interface by its name; null if there is none. */
export type ZoneIndex = (zone: string) => number | null;

const MAX_PORT = 65_535;
const MAX_INTERFACE_INDEX = 0x7fff_ffff;

/** Parses `1.2.3.4:5`, `[2001:db8::1]:5` or `[fe80::1%zone]:5`; null for anything else. */
export function parseUapiEndpoint(text: string, zoneIndex: ZoneIndex): Endpoint | null {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]+)$/.exec(text);
  if (match === null) return null;
  const [, bracketed, bare, portText = ''] = match;
  const port = parseDecimal(portText, MAX_PORT);
  const [addressText = '', zone, ...rest] = (bracketed ?? bare ?? '').split('%');
  const address = parseAddress(addressText);
  if (port === null || address === null || rest.length > 0) return null;
  if ((address.family === 6) !== (bracketed !== undefined)) return null;
  if (zone === undefined) return numericEndpoint(address, port);
  const scopeId = zone === '' || address.family === 4 ? null : parseZone(zone, zoneIndex);
  return scopeId === null ? null : { ...numericEndpoint(address, port), scopeId };
}

/** An endpoint without a zone. An IPv4-mapped IPv6 address becomes the IPv4 address that it means. */
export function numericEndpoint(address: IpAddress, port: number): Endpoint {
  const plain = unmapped(address);
  return { family: plain.family, address: formatAddress(plain), port, scopeId: 0 };
}

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
function unmapped(address: IpAddress): IpAddress {
  const { family, bytes } = address;
  const mapped =
    family === 6 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff;
  if (!mapped || bytes[11] !== 0xff) return address;
  return { family: 4, bytes: bytes.slice(12) };
}

/** A name first: an interface may be called `1`. */
function parseZone(zone: string, zoneIndex: ZoneIndex): number | null {
  return zoneIndex(zone) ?? parseDecimal(zone, MAX_INTERFACE_INDEX);
}
