// The networks that most tests use: two ends on one wire, and a tunnel between them.
import type { Namespace, Network } from './netnsNetwork.js';
import { Relay } from './netnsRelay.js';
import { Tunnel, newPresharedKey } from './netnsTunnel.js';
import type { Implementation } from './netnsTunnel.js';

export const WIRE_DEVICE = 'wire0';
/** Outer addresses of the two ends; RFC 5737 and RFC 3849 documentation ranges. */
export const OUTER = {
  a: { 4: '192.0.2.1', 6: '2001:db8::1' },
  b: { 4: '192.0.2.2', 6: '2001:db8::2' },
} as const;
/** Inner addresses. */
export const INNER = {
  a: { 4: '10.99.0.1', 6: 'fd99::1' },
  b: { 4: '10.99.0.2', 6: 'fd99::2' },
} as const;
export const TUNNEL_MTU = 1420;

export const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

export interface Ends {
  readonly a: Namespace;
  readonly b: Namespace;
}

/** Two namespaces with a wire between them. */
export async function twoEnds(net: Network, wireMtu = 1500): Promise<Ends> {
  const [a, b] = [await net.namespace('a'), await net.namespace('b')];
  await net.link(
    { namespace: a, device: WIRE_DEVICE, addresses: [`${OUTER.a[4]}/24`, `${OUTER.a[6]}/64`] },
    { namespace: b, device: WIRE_DEVICE, addresses: [`${OUTER.b[4]}/24`, `${OUTER.b[6]}/64`] },
    wireMtu,
  );
  return { a, b };
}

export interface TunnelPairOptions {
  readonly a: Implementation;
  readonly b: Implementation;
  readonly outer?: 4 | 6;
  readonly presharedKey?: boolean;
  readonly mtu?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Where a sends to; b's own address by default. */
  readonly endpointOfB?: string;
  readonly persistentKeepaliveOfA?: number;
  /** Which addresses the interfaces get, both families by default; with none they stay down. */
  readonly addresses?: 'both' | 'ipv4' | 'none';
}

export interface TunnelPair {
  /** Knows b's endpoint, so it is the one that starts. */
  readonly a: Tunnel;
  /** Learns a's endpoint from the handshake. */
  readonly b: Tunnel;
}

export const PORT_OF_B = 51820;

/** A tunnel on each end, up, with addresses and each other as the only peer. */
export async function tunnelPair(
  net: Network,
  ends: Ends,
  options: TunnelPairOptions,
): Promise<TunnelPair> {
  const { outer = 4, mtu = TUNNEL_MTU, env = {} } = options;
  const [a, b] = await Promise.all([
    Tunnel.start(net, { implementation: options.a, namespace: ends.a, env }),
    Tunnel.start(net, { implementation: options.b, namespace: ends.b, env }),
  ]);
  const psk = options.presharedKey === true ? { presharedKey: newPresharedKey() } : {};
  await a.setConfig({
    privateKey: a.keys.privateKey,
    peers: [
      {
        publicKey: b.keys.publicKey,
        ...psk,
        endpoint: options.endpointOfB ?? endpoint(OUTER.b[outer], PORT_OF_B),
        allowedIps: [`${INNER.b[4]}/32`, `${INNER.b[6]}/128`],
        persistentKeepaliveS: options.persistentKeepaliveOfA ?? 0,
      },
    ],
  });
  await b.setConfig({
    privateKey: b.keys.privateKey,
    listenPort: PORT_OF_B,
    peers: [
      {
        publicKey: a.keys.publicKey,
        ...psk,
        allowedIps: [`${INNER.a[4]}/32`, `${INNER.a[6]}/128`],
      },
    ],
  });
  if (options.addresses === 'none') return { a, b };
  const six = (address: string): string[] =>
    options.addresses === 'ipv4' ? [] : [`${address}/64`];
  // b first: a may have something to say at once.
  await b.up([`${INNER.b[4]}/24`, ...six(INNER.b[6])], mtu);
  await a.up([`${INNER.a[4]}/24`, ...six(INNER.a[6])], mtu);
  return { a, b };
}

/** Addresses of the middle towards a and towards b (and b's own there). */
export const RELAYED = {
  a: '198.51.100.1',
  middleToA: '198.51.100.254',
  middleToB: '203.0.113.254',
  b: '203.0.113.1',
} as const;
export const PORT_OF_RELAY = 4000;

export interface RelayedEnds extends Ends {
  readonly middle: Namespace;
  readonly relay: Relay;
}

/** Two ends that only know the relay between them: give `relayEndpoint` to a as b's endpoint. */
export async function relayedEnds(
  net: Network,
  options: { readonly seed: number; readonly record?: boolean },
): Promise<RelayedEnds> {
  const a = await net.namespace('a');
  const middle = await net.namespace('m');
  const b = await net.namespace('b');
  await net.link(
    { namespace: a, device: WIRE_DEVICE, addresses: [`${RELAYED.a}/24`] },
    { namespace: middle, device: 'wireA', addresses: [`${RELAYED.middleToA}/24`] },
  );
  await net.link(
    { namespace: b, device: WIRE_DEVICE, addresses: [`${RELAYED.b}/24`] },
    { namespace: middle, device: 'wireB', addresses: [`${RELAYED.middleToB}/24`] },
  );
  const relay = await Relay.start(middle, {
    seed: options.seed,
    listen: { address: RELAYED.middleToA, port: PORT_OF_RELAY },
    target: { address: RELAYED.b, port: PORT_OF_B },
    record: options.record ?? false,
  });
  return { a, middle, b, relay };
}

export const relayEndpoint = endpoint(RELAYED.middleToA, PORT_OF_RELAY);
