// Reads from the machine what the checks judge. Each function reads for one check and throws what
// goes wrong; nothing is changed. SPEC.md 9.5.
import { createSocket } from 'node:dgram';
import { constants, readFileSync } from 'node:fs';
import { access, open, readdir, readFile, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseAddress, type IpAddress, formatAddress } from '../../base/ip.js';
import { formatEndpointConfig, type EndpointConfig } from '../../config/tunnelConfig.js';
import { loadIoAddon } from '../../platform/addon.js';
import { lookUpHost } from '../../platform/dns/hostLookup.js';
import { detectDnsTool } from '../../platform/dns/dnsTool.js';
import { loadEngineAddon } from '../../platform/nativeEngineAddon.js';
import { findExecutable, runCommand } from '../../platform/network/command.js';
import { smallestPathMtu } from '../../platform/network/facts.js';
import { IpTool } from '../../platform/network/ipTool.js';
import { errnoOf } from '../../platform/unixSocket.js';
import type { ForwardingFacts, PathFacts, PortFacts, ReversePathFacts } from './configChecks.js';
import type { EndpointFacts } from './endpointChecks.js';
import type { AddonFacts, BufferFacts, ClockFacts, ToolFacts, TunFacts } from './hostChecks.js';

const ip = new IpTool(runCommand);
const PACKAGE = new URL('../../../../', import.meta.url);

export function readNode(): { version: string; range: string } {
  const text = readFileSync(new URL('package.json', PACKAGE), 'utf8');
  const { engines } = JSON.parse(text) as { readonly engines: { readonly node: string } };
  return { version: process.versions.node, range: engines.node };
}

export function readAddons(): AddonFacts {
  const io = loadIoAddon();
  const engine = loadEngineAddon();
  return {
    io: io.addon === null ? io.reason : null,
    engine: engine.addon === null ? engine.reason : null,
    file: engine.addon === null ? null : relative(fileURLToPath(PACKAGE), engine.file),
  };
}

const TUN = '/dev/net/tun';

export async function readTun(): Promise<TunFacts> {
  try {
    const handle = await open(TUN, constants.O_RDWR);
    try {
      return { characterDevice: (await handle.stat()).isCharacterDevice(), errno: null };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    return { characterDevice: false, errno };
  }
}

/** linux/capability.h */
const CAP_NET_ADMIN = 12n;

export async function readPrivileges(): Promise<{ netAdmin: boolean }> {
  const text = await readFile('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(text)?.[1];
  if (effective === undefined) throw new Error('/proc/self/status has no CapEff');
  return { netAdmin: ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n };
}

const IPTABLES = ['iptables-restore', 'iptables-save', 'ip6tables-restore', 'ip6tables-save'];

export async function readTools(): Promise<Pick<ToolFacts, 'ip' | 'firewall' | 'dns'>> {
  const { kind } = await detectDnsTool(runCommand);
  return {
    ip: findExecutable('ip') !== null,
    firewall: firewallTool(),
    dns: kind === 'none' ? null : kind,
  };
}

function firewallTool(): ToolFacts['firewall'] {
  if (findExecutable('nft') !== null) return 'nft';
  return IPTABLES.every((name) => findExecutable(name) !== null) ? 'iptables' : null;
}

/** null where the kernel or this network namespace doesn't have it. */
async function sysctl(name: string): Promise<number | null> {
  try {
    return Number(await readFile(`/proc/sys/${name}`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** The kernel has IPv6 and gives it to new interfaces. */
export async function readIpv6(): Promise<boolean> {
  const all = await sysctl('net/ipv6/conf/all/disable_ipv6');
  return all === 0 && (await sysctl('net/ipv6/conf/default/disable_ipv6')) === 0;
}

export async function readForwarding(): Promise<ForwardingFacts> {
  return {
    ipv4: (await sysctl('net/ipv4/ip_forward')) === 1,
    // 2 forwards and still hears router advertisements.
    ipv6: ((await sysctl('net/ipv6/conf/all/forwarding')) ?? 0) > 0,
  };
}

export async function readReversePath(
  interfaceName: string,
): Promise<Omit<ReversePathFacts, 'running'>> {
  const all = (await sysctl('net/ipv4/conf/all/rp_filter')) ?? 0;
  const strict: string[] = [];
  for (const device of await readdir('/proc/sys/net/ipv4/conf')) {
    if (['all', 'default', 'lo', interfaceName].includes(device)) continue;
    // The kernel takes the greater of the two: 1 is strict, 2 is loose.
    const own = (await sysctl(`net/ipv4/conf/${device}/rp_filter`)) ?? 0;
    if (Math.max(all, own) === 1) strict.push(device);
  }
  return {
    strict,
    srcValidMark: (await sysctl('net/ipv4/conf/all/src_valid_mark')) === 1,
    writable: await isWritable('/proc/sys/net/ipv4/conf/all/src_valid_mark'),
    firewall: firewallTool() !== null,
  };
}

const isWritable = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => true,
    () => false,
  );

const TIMEDATE_MS = 3_000;

export async function readClock(): Promise<ClockFacts> {
  const { mtimeMs } = await stat(fileURLToPath(import.meta.url));
  return { nowMs: Date.now(), builtMs: mtimeMs, synchronised: await isSynchronised() };
}

/** timedated asks the kernel, whichever program keeps the time. */
async function isSynchronised(): Promise<boolean | null> {
  const options = { timeoutMs: TIMEDATE_MS };
  const answer = await runCommand('timedatectl', ['show', '--property=NTPSynchronized'], options)
    .then((text) => text.trim())
    // No systemd, no D-Bus, a container: nobody to ask.
    .catch(() => '');
  const value = /^NTPSynchronized=(yes|no)$/.exec(answer)?.[1];
  return value === undefined ? null : value === 'yes';
}

export async function readBuffers(): Promise<BufferFacts> {
  return {
    rmemMax: await sysctl('net/core/rmem_max'),
    wmemMax: await sysctl('net/core/wmem_max'),
  };
}

const LOOK_UP_MS = 5_000;

/** A name's addresses, each with the interface that a packet to it would leave by. */
export async function readEndpoint(endpoint: EndpointConfig, mark: number): Promise<EndpointFacts> {
  const text = formatEndpointConfig(endpoint);
  const [host = '', zone] = endpoint.host.split('%');
  const literal = parseAddress(host);
  let resolved: readonly IpAddress[];
  try {
    resolved = literal === null ? await lookUpInTime(endpoint.host) : [literal];
  } catch (error) {
    const reason = errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
    return { endpoint: text, lookUpFailure: reason, addresses: [] };
  }
  const addresses = await Promise.all(
    resolved.map(async (one) => ({
      address: formatAddress(one),
      family: one.family,
      // With a zone the interface is given, and routing isn't asked.
      device: zone ?? (await ip.routeTo(formatAddress(one), { mark }))?.device ?? null,
    })),
  );
  return { endpoint: text, lookUpFailure: null, addresses };
}

async function lookUpInTime(host: string): Promise<IpAddress[]> {
  const answered = new AbortController();
  const late = pause(LOOK_UP_MS, null, { signal: answered.signal, ref: false }).then(() => {
    throw new Error(`no answer for ${LOOK_UP_MS / 1000} s`);
  });
  try {
    return await Promise.race([lookUpHost(host), late]);
  } finally {
    answered.abort();
  }
}

export async function readPaths(
  interfaceName: string,
  mark: number,
  endpoints: readonly EndpointFacts[],
): Promise<PathFacts[]> {
  const paths: PathFacts[] = [];
  for (const { endpoint, addresses } of endpoints) {
    for (const { address, family, device } of addresses) {
      if (device === null || device === interfaceName) continue;
      const request = { interfaceName, endpoints: [address], mark };
      paths.push({ endpoint, family, pathMtu: await smallestPathMtu(ip, request) });
    }
  }
  return paths;
}

/** Whether the port can be bound in each family that the machine has. */
export async function readPort(port: number): Promise<PortFacts> {
  for (const type of ['udp4', 'udp6'] as const) {
    const errno = await bindFailure(type, port);
    if (errno === null || errno === 'EAFNOSUPPORT' || errno === 'EADDRNOTAVAIL') continue;
    if (errno !== 'EADDRINUSE') return { kind: 'refused', errno };
    return { kind: 'taken', owner: await portOwner(port) };
  }
  return { kind: 'free' };
}

function bindFailure(type: 'udp4' | 'udp6', port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.once('error', (error) => {
      socket.close();
      resolve(errnoOf(error) ?? error.message);
    });
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve(null)));
  });
}

/** null for other users' programs without root, and for the kernel's own sockets. */
async function portOwner(port: number): Promise<string | null> {
  const args = ['-H', '-u', '-l', '-n', '-p', `sport = :${port}`];
  const text = await runCommand('ss', args).catch(() => '');
  const [, program, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(text) ?? [];
  return program === undefined ? null : `${program} (pid ${pid!})`;
}
