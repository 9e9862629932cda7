// What a tunnel's file asks of the system, apart from the device itself. SPEC.md 8.
import type { IpAddress, IpPrefix } from '../../base/ip.js';

export interface NetworkSettings {
  readonly interfaceName: string;
  /** With host bits. */
  readonly addresses: readonly { readonly address: IpAddress; readonly length: number }[];
  /** Bytes; null to compute it. */
  readonly mtu: number | null;
  readonly table: RouteTable;
  /** u32; 0 for none. */
  readonly fwmark: number;
  /** Of all peers, in any order; duplicates count once. */
  readonly allowedIps: readonly IpPrefix[];
  readonly dns: { readonly servers: readonly IpAddress[]; readonly search: readonly string[] };
}

/** `id` is a number or a name of /etc/iproute2/rt_tables. */
export type RouteTable =
  | { readonly kind: 'auto' }
  | { readonly kind: 'off' }
  | { readonly kind: 'table'; readonly id: string };
