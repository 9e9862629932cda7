// IP addresses, prefixes and endpoints as bytes, with one strict text form.
import { isIPv4, isIPv6 } from 'node:net';

export type IpFamily = 4 | 6;

/** 4 or 16 bytes in network order, by family. */
export interface IpAddress {
  readonly family: IpFamily;
  readonly bytes: Uint8Array;
}

/** An address whose bits past `length` are zero. */
export interface IpPrefix {
  readonly family: IpFamily;
  readonly bytes: Uint8Array;
  /** 0 to 32, or 0 to 128. */
  readonly length: number;
}

/** A UDP destination. `address` is canonical text (RFC 5952 for IPv6), without a zone. */
export interface Endpoint {
  readonly family: IpFamily;
  readonly address: string;
  readonly port: number;
  /** Interface index for link-local IPv6, else 0. */
  readonly scopeId: number;
}

export const addressBits = (family: IpFamily): number => (family === 4 ? 32 : 128);

/** Parses an IPv4 or IPv6 address without zone or port; null for anything else. */
export function parseAddress(text: string): IpAddress | null {
  if (isIPv4(text)) return { family: 4, bytes: Uint8Array.from(text.split('.'), Number) };
  if (!isIPv6(text) || text.includes('%')) return null;
  return { family: 6, bytes: ipv6Bytes(text) };
}

function ipv6Bytes(text: string): Uint8Array {
  let groupsText = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const [a, b, c, d] = dotted[2]!.split('.').map(Number) as [number, number, number, number];
    groupsText = `${dotted[1]!}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = groupsText.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = parseInt(group, 16);
    bytes[i * 2] = value >> 8;
    bytes[i * 2 + 1] = value & 0xff;
  });
  return bytes;
}

/** Dotted quad, or RFC 5952 text. */
export function formatAddress(address: Pick<IpAddress, 'family' | 'bytes'>): string {
  return address.family === 4 ? address.bytes.join('.') : formatIpv6(address.bytes);
}

function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!);
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.start < 0) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

/** Parses `address/length`, or an address alone as a host prefix; bits past the length are zeroed. */
export function parsePrefix(text: string): IpPrefix | null {
  const [addressText = '', lengthText, ...rest] = text.split('/');
  const address = parseAddress(addressText);
  if (address === null || rest.length > 0) return null;
  const bits = addressBits(address.family);
  if (lengthText === undefined) return { ...address, length: bits };
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText) || Number(lengthText) > bits) return null;
  return maskPrefix(address, Number(lengthText));
}

export function maskPrefix(address: IpAddress, length: number): IpPrefix {
  const bytes = address.bytes.map((byte, i) => {
    const kept = Math.min(8, Math.max(0, length - i * 8));
    return byte & (0xff00 >> kept) & 0xff;
  });
  return { family: address.family, bytes, length };
}

export const formatPrefix = (prefix: IpPrefix): string =>
  `${formatAddress(prefix)}/${prefix.length}`;

/** `1.2.3.4:51820` or `[2001:db8::1]:51820`, with `%zone` for a scoped address. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.family === 4) return `${endpoint.address}:${endpoint.port}`;
  const zone = endpoint.scopeId === 0 ? '' : `%${endpoint.scopeId}`;
  return `[${endpoint.address}${zone}]:${endpoint.port}`;
}
