// What a tunnel's configuration says against what the machine has: judged from facts, nothing is
// read here. SPEC.md 9.5.
import { toBase64 } from '../../base/bytes.js';
import type { OperatorErrorDetails } from '../../base/errors.js';
import {
  addressBits,
  formatPrefix,
  maskPrefix,
  type IpFamily,
  type IpPrefix,
} from '../../base/ip.js';
import type { PeerConfig, TunnelConfig } from '../../config/tunnelConfig.js';
import { Verdicts, type Check } from './check.js';

export type ConfigOutcome =
  | { readonly kind: 'parses'; readonly notices: number }
  | { readonly kind: 'refused'; readonly errors: readonly OperatorErrorDetails[] };

export function judgeConfig(path: string, outcome: ConfigOutcome): Check[] {
  const check = new Verdicts('config', path);
  if (outcome.kind === 'parses') {
    if (outcome.notices === 0) return [check.ok('parses')];
    return [check.ok(`parses; \`beam config check ${path}\` has something to note`)];
  }
  return outcome.errors.map(({ code, place, expected, found, remedy }) => {
    const where = place === path ? '' : ` at ${place.replace(`${path}:`, 'line ')}`;
    return check.fail(`is refused${where}: ${code}, expected ${expected}, found ${found}`, remedy);
  });
}

export interface PermissionFacts {
  readonly path: string;
  /** wg-quick's rule: file and folder let others in. */
  readonly worldAccessible: boolean;
  readonly holdsKeys: boolean;
  /** null where there is none, or systemd keeps it. */
  readonly keyFile: { readonly path: string; readonly tooOpen: boolean } | null;
}

export function judgePermissions(facts: PermissionFacts): Check[] {
  const { path, worldAccessible, holdsKeys, keyFile } = facts;
  const file = new Verdicts('permissions', path);
  const checks = [configPermissions(file, worldAccessible, holdsKeys)];
  if (keyFile === null) return checks;
  const key = new Verdicts('permissions', keyFile.path);
  checks.push(
    keyFile.tooOpen
      ? key.fail('lets others at the private key: refused at start', `chmod 600 ${keyFile.path}`)
      : key.ok('is for its owner alone'),
  );
  return checks;

  function configPermissions(check: Verdicts, open: boolean, secret: boolean): Check {
    if (!open) return check.ok('is not for others');
    if (!secret) return check.ok('may be read by others, and holds no key');
    return check.warn('holds a key and others may read it', `chmod 600 ${path}`);
  }
}

export interface ForwardingFacts {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

const FORWARDING_SETTING = { 4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding' } as const;

/** Only a machine that passes packets on for others needs it, which no configuration says outright. */
export function judgeForwarding(name: string, config: TunnelConfig, facts: ForwardingFacts): Check {
  const check = new Verdicts('forwarding', name);
  const beyond = prefixesBeyond(config);
  const off = ([4, 6] as const).filter(
    (family) =>
      !(family === 4 ? facts.ipv4 : facts.ipv6) && beyond.some((one) => one.family === family),
  );
  if (beyond.length === 0) return check.ok('needs no forwarding');
  if (off.length === 0) return check.ok('can forward');
  const settings = off.map((family) => FORWARDING_SETTING[family]).join(' and ');
  if (isClient(config)) return check.ok(`is a client: ${settings} may be off`);
  const example = formatPrefix(beyond.find((one) => off.includes(one.family))!);
  return check.warn(
    `routes ${example} to a peer, but ${settings} is off: nothing is passed on for other machines`,
    off.map((family) => `sysctl -w ${FORWARDING_SETTING[family]}=1`).join('; '),
  );
}

/** What peers stand for besides single addresses of the tunnel's own networks. */
function prefixesBeyond({ interface: { addresses }, peers }: TunnelConfig): IpPrefix[] {
  const own = addresses.map(({ address, length }) => maskPrefix(address, length));
  return peers
    .flatMap(({ allowedIps }) => allowedIps)
    .filter((prefix) => {
      const isNetwork = prefix.length < addressBits(prefix.family);
      return isNetwork || !own.some((network) => contains(network, prefix));
    });
}

/** One peer that it calls, and no port that others would know. */
const isClient = ({ interface: { listenPort }, peers }: TunnelConfig): boolean =>
  listenPort === null && peers.length === 1 && peers[0]!.endpoint !== null;

export function contains(outer: IpPrefix, inner: IpPrefix): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  const masked = maskPrefix(inner, outer.length);
  return masked.bytes.every((byte, i) => byte === outer.bytes[i]);
}

/** The families in which Beam takes default routes (SPEC.md 8.3). */
export function fullFamilies({ interface: { table }, peers }: TunnelConfig): IpFamily[] {
  if (table.kind !== 'auto') return [];
  return ([4, 6] as const).filter((family) =>
    peers.some((peer) =>
      peer.allowedIps.some((prefix) => prefix.family === family && prefix.length === 0),
    ),
  );
}

export interface ReversePathFacts {
  /** Interfaces other than the tunnel whose filter is strict (rp_filter 1). */
  readonly strict: readonly string[];
  readonly srcValidMark: boolean;
  /** A daemon has brought this tunnel up. */
  readonly running: boolean;
  /** Beam can set src_valid_mark when it brings the tunnel up. */
  readonly writable: boolean;
  readonly firewall: boolean;
}

export function judgeReversePath(
  name: string,
  config: TunnelConfig,
  facts: ReversePathFacts,
): Check {
  const check = new Verdicts('reversePath', name);
  if (!fullFamilies(config).includes(4)) return check.ok('takes no IPv4 default route');
  if (facts.strict.length === 0) return check.ok('meets no strict reverse-path filter');
  const on = `the strict filter on ${facts.strict.join(', ')}`;
  const remedy = 'sysctl -w net.ipv4.conf.all.src_valid_mark=1, or rp_filter=2 on these interfaces';
  if (!facts.firewall) {
    return check.warn(`cannot mark answers: ${on} drops them`, 'install nftables');
  }
  if (facts.srcValidMark) return check.ok(`is spared by ${on} (src_valid_mark is 1)`);
  if (!facts.running && facts.writable) {
    return check.ok(`sets src_valid_mark when it comes up, for ${on}`);
  }
  return check.warn(`loses its peers' packets: ${on}, and src_valid_mark is 0`, remedy);
}

export type PortFacts =
  | { readonly kind: 'free' | 'ours' }
  /** `owner`: a program, where it can be seen. */
  | { readonly kind: 'taken'; readonly owner: string | null }
  | { readonly kind: 'refused'; readonly errno: string };

/** `port` null where the system chooses. */
export function judgePort(name: string, port: number | null, facts: PortFacts): Check {
  const check = new Verdicts('port', name);
  if (port === null) return check.ok('has its listen port from the system');
  switch (facts.kind) {
    case 'free':
      return check.ok(`finds its listen port ${port} free`);
    case 'ours':
      return check.ok(`listens at its port ${port}`);
    case 'refused':
      return check.fail(`may not use its listen port ${port}: ${facts.errno}`, 'run as root');
    case 'taken':
      return check.fail(
        `finds its listen port ${port} taken${facts.owner === null ? '' : ` by ${facts.owner}`}`,
        `choose another ListenPort, or end what has it (ss -ulnp sport = :${port})`,
      );
  }
}

export interface PathFacts {
  /** As the configuration has it. */
  readonly endpoint: string;
  readonly family: IpFamily;
  /** Of the route to it, or of that route's interface; null where there is neither. */
  readonly pathMtu: number | null;
}

/** IP header, UDP header, type-4 header and tag. */
const OVERHEAD_BYTES = { 4: 20 + 8 + 16 + 16, 6: 40 + 8 + 16 + 16 } as const;

/** `mtu` null where it is computed when the tunnel comes up. */
export function judgeMtu(name: string, mtu: number | null, paths: readonly PathFacts[]): Check {
  const check = new Verdicts('mtu', name);
  if (mtu === null) return check.ok('has its MTU computed from the path when it comes up');
  const tooLarge = paths.flatMap(({ endpoint, family, pathMtu }) => {
    const fits = pathMtu === null ? Infinity : pathMtu - OVERHEAD_BYTES[family];
    return mtu > fits ? [{ endpoint, pathMtu, fits }] : [];
  });
  const worst = tooLarge.sort((a, b) => a.fits - b.fits)[0];
  if (worst === undefined) return check.ok(`has MTU ${mtu}, which fits`);
  return check.warn(
    `has MTU ${mtu}, too much for the path of ${worst.pathMtu ?? 0} to ${worst.endpoint}: ` +
      'large packets are sent in fragments',
    `set MTU = ${worst.fits} or less, or leave MTU out`,
  );
}

/** How many of a kind are named before "and N more". */
const NAMED = 3;

/** Legal: the longest match wins. */
export function judgeOverlap(name: string, peers: readonly PeerConfig[]): Check {
  const check = new Verdicts('overlap', name);
  const found = overlaps(peers);
  if (found.length === 0) return check.ok('has no allowed-IPs of one peer inside those of another');
  const named = found
    .slice(0, NAMED)
    .map(
      ({ inner, outer }) =>
        `${formatPrefix(inner.prefix)} (${peerName(inner.peer)}) in ` +
        `${formatPrefix(outer.prefix)} (${peerName(outer.peer)})`,
    );
  const more = found.length > NAMED ? `, and ${found.length - NAMED} more` : '';
  return check.warn(
    `has allowed-IPs inside another peer's: ${named.join(', ')}${more}`,
    'this is legal, the longest match wins; if it is not meant, give each network to one peer',
  );
}

interface Holding {
  readonly peer: PeerConfig;
  readonly prefix: IpPrefix;
}

/** Each prefix with the next larger one that another peer has. */
function overlaps(peers: readonly PeerConfig[]): { inner: Holding; outer: Holding }[] {
  const holdings = peers.flatMap((peer) => peer.allowedIps.map((prefix) => ({ peer, prefix })));
  const byPrefix = new Map(holdings.map((holding) => [keyOf(holding.prefix), holding]));
  const lengths = [...new Set(holdings.map(({ prefix }) => prefix.length))].sort((a, b) => b - a);
  return holdings.flatMap((inner) => {
    for (const length of lengths.filter((one) => one < inner.prefix.length)) {
      const outer = byPrefix.get(keyOf(maskPrefix(inner.prefix, length)));
      if (outer === undefined) continue;
      return outer.peer === inner.peer ? [] : [{ inner, outer }];
    }
    return [];
  });
}

const keyOf = (prefix: IpPrefix): string =>
  `${prefix.family}/${prefix.length}/${Buffer.from(prefix.bytes).toString('hex')}`;

export const peerName = (peer: Pick<PeerConfig, 'name' | 'publicKey'>): string =>
  peer.name ?? shortKey(toBase64(peer.publicKey));

/** Enough of a public key to find it. */
export const shortKey = (publicKey: string): string => `${publicKey.slice(0, 8)}…`;

/** `publicKey` in base64; null where the tunnel has no private key. */
export function judgeOwnKey(
  name: string,
  publicKey: string | null,
  peers: readonly PeerConfig[],
): Check {
  const check = new Verdicts('ownKey', name);
  if (publicKey === null) return check.ok('has no private key in its file');
  const own = peers.find((peer) => toBase64(peer.publicKey) === publicKey);
  if (own === undefined) return check.ok('has not itself as a peer');
  return check.fail(
    `has its own public key as peer ${peerName(own)} (line ${own.line}), which is ignored`,
    "put the other side's public key there (`beam pubkey` on that machine)",
  );
}
