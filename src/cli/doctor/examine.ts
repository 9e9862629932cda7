// Asks every question of SPEC.md 9.5 about the machine and about each tunnel: facts are read, then
// judged; a question that can't be answered is a warning.
import { setTimeout as pause } from 'node:timers/promises';
import type { EndpointConfig, TunnelConfig } from '../../config/tunnelConfig.js';
import { CHECK_IDS, guarded, type Check, type CheckId } from './check.js';
import * as config from './configChecks.js';
import { judgeEndpoint, type EndpointFacts } from './endpointChecks.js';
import * as facts from './facts.js';
import * as host from './hostChecks.js';
import { readDaemon, readTunnelFile, type ReadFile, type Subjects } from './subjects.js';
import * as tunnel from './tunnelChecks.js';

/** A tunnel as far as it could be read. */
interface Examined {
  readonly name: string;
  readonly config: TunnelConfig | null;
  readonly file: ReadFile | null;
  /** null where it could not be asked. */
  readonly daemon: tunnel.DaemonFacts | null;
  readonly checks: readonly Check[];
}

/** In the order of CHECK_IDS; within one, in the order of the tunnels' names. */
export async function examine({ tunnels, unseen }: Subjects): Promise<Check[]> {
  const examined = await Promise.all(
    tunnels.map(({ interfaceName, path }) => read(interfaceName, path)),
  );
  const later = await lookAgain(examined);
  const checks = [
    ...(await examineHost(examined)),
    ...unseen,
    ...examined.flatMap((one) => one.checks),
    ...(await Promise.all(examined.map((one) => examineConfig(one)))).flat(),
    ...(await Promise.all(examined.map((one) => examineDaemon(one, later)))).flat(),
  ];
  return CHECK_IDS.flatMap((id) => checks.filter((check) => check.id === id));
}

async function read(name: string, knownPath: string | null): Promise<Examined> {
  const [daemon, daemonChecks] = await kept('daemon', name, async () => {
    const found = await readDaemon(name);
    return [found, [tunnel.judgeDaemon(name, found)]];
  });
  const report = daemon?.kind === 'answers' ? daemon.report : null;
  const path = knownPath ?? (report?.source === 'beam' ? report.configFile : null);
  if (path === null) return { name, config: null, file: null, daemon, checks: daemonChecks };
  const [file, fileChecks] = await kept('config', path, async () => {
    const found = await readTunnelFile(path, name);
    const checks = config.judgeConfig(path, found.outcome);
    return [found, [...checks, ...config.judgePermissions(found.permissions)]];
  });
  const checks = [...fileChecks, ...daemonChecks];
  return { name, config: file?.config ?? null, file, daemon, checks };
}

/** What was read beside what was found; null where it could not be read. */
async function kept<T>(
  id: CheckId,
  subject: string,
  look: () => Promise<[T, readonly Check[]]>,
): Promise<[T | null, readonly Check[]]> {
  let known: T | null = null;
  const checks = await guarded(id, subject, async () => {
    const [found, about] = await look();
    known = found;
    return about;
  });
  return [known, checks];
}

async function examineHost(examined: readonly Examined[]): Promise<Check[]> {
  const needing = (needs: (config: TunnelConfig) => boolean): string[] =>
    examined.filter((one) => one.config !== null && needs(one.config)).map(({ name }) => name);
  const checks = await Promise.all([
    guarded('node', 'Node.js', () => host.judgeNode(facts.readNode())),
    guarded('addon', 'native addons', () => host.judgeAddon(facts.readAddons())),
    guarded('tun', '/dev/net/tun', async () => host.judgeTun(await facts.readTun())),
    guarded('privileges', 'CAP_NET_ADMIN', async () =>
      host.judgePrivileges(await facts.readPrivileges()),
    ),
    guarded('tools', 'tools', async () =>
      host.judgeTools({
        ...(await facts.readTools()),
        needFirewall: needing((one) => config.fullFamilies(one).length > 0),
        needDns: needing((one) => one.interface.dns.servers.length > 0),
      }),
    ),
    guarded('ipv6', 'IPv6', async () =>
      host.judgeIpv6({ available: await facts.readIpv6(), needed: needing(usesIpv6) }),
    ),
    guarded('clock', 'system time', async () => host.judgeClock(await facts.readClock())),
    guarded('udpBuffers', 'UDP buffers', async () => host.judgeBuffers(await facts.readBuffers())),
  ]);
  return checks.flat();
}

const usesIpv6 = ({ interface: { addresses }, peers }: TunnelConfig): boolean =>
  addresses.some(({ address }) => address.family === 6) ||
  peers.some(({ endpoint }) => endpoint?.host.includes(':') === true);

async function examineConfig(examined: Examined): Promise<Check[]> {
  const { name, config: known, file } = examined;
  const checks = known === null ? [] : await examineFile(name, known, file);
  if (examined.daemon?.kind === 'answers' && examined.daemon.elsewhere) return checks;
  return [
    ...checks,
    ...(await examineEndpoints(examined)),
    ...(await examinePort(examined)),
    ...(known === null ? [] : await examineSettings(examined, known)),
  ];
}

async function examineFile(
  name: string,
  known: TunnelConfig,
  file: ReadFile | null,
): Promise<Check[]> {
  const checks = [
    await guarded('overlap', name, () => config.judgeOverlap(name, known.peers)),
    await guarded('ownKey', name, async () =>
      config.judgeOwnKey(name, (await file?.publicKey()) ?? null, known.peers),
    ),
  ];
  return checks.flat();
}

async function examineSettings(examined: Examined, known: TunnelConfig): Promise<Check[]> {
  const { name } = examined;
  const checks = [
    await guarded('forwarding', name, async () =>
      config.judgeForwarding(name, known, await facts.readForwarding()),
    ),
    await guarded('reversePath', name, async () =>
      config.judgeReversePath(name, known, {
        ...(await facts.readReversePath(name)),
        running: examined.daemon?.kind === 'answers',
      }),
    ),
  ];
  return checks.flat();
}

type Report = Extract<tunnel.DaemonFacts, { kind: 'answers' }>['report'];

const reportOf = ({ daemon }: Examined): Report | null =>
  daemon?.kind === 'answers' ? daemon.report : null;

/** `endpoints`, and `mtu`, which goes the same ways. */
async function examineEndpoints(examined: Examined): Promise<readonly Check[]> {
  const { name, config: known } = examined;
  const report = reportOf(examined);
  if (known === null && report === null) return [];
  const mark = report?.fwmark ?? known?.interface.fwmark ?? 0;
  const found: EndpointFacts[] = [];
  const checks: Check[] = [];
  for (const endpoint of endpointsOf(known, report)) {
    const about = await guarded('endpoints', name, async () => {
      const one = await facts.readEndpoint(endpoint, mark);
      found.push(one);
      return judgeEndpoint(name, one);
    });
    checks.push(...about);
  }
  const running = report?.source === 'beam' ? report.mtu : null;
  const mtu = running ?? known?.interface.mtu ?? null;
  const paths = await guarded('mtu', name, async () =>
    config.judgeMtu(name, mtu, mtu === null ? [] : await facts.readPaths(name, mark, found)),
  );
  return [...checks, ...paths];
}

/** The file's; without one, where the peers are now. */
function endpointsOf(known: TunnelConfig | null, report: Report | null): EndpointConfig[] {
  if (known !== null) return known.peers.flatMap(({ endpoint }) => endpoint ?? []);
  return (report?.peers ?? []).flatMap(({ endpoint }) => {
    const [, host, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(endpoint ?? '') ?? [];
    return host === undefined ? [] : [{ host, port: Number(port) }];
  });
}

function examinePort(examined: Examined): Promise<readonly Check[]> {
  const { name, config: known } = examined;
  const report = reportOf(examined);
  const port = known === null ? (report?.listenPort ?? null) : known.interface.listenPort;
  if (known === null && report === null) return Promise.resolve([]);
  return guarded('port', name, async () => {
    const isOurs = port === null || report?.listenPort === port;
    return config.judgePort(name, port, isOurs ? { kind: 'ours' } : await facts.readPort(port));
  });
}

/** REKEY_TIMEOUT with its jitter: an initiation that is repeated is seen within it. */
const SECOND_LOOK_MS = 5_500;

/** The daemons that have a peer in doubt, asked once more a little later. */
async function lookAgain(examined: readonly Examined[]): Promise<ReadonlyMap<string, Report>> {
  const later = new Map<string, Report>();
  const doubtful = examined.filter((one) =>
    reportOf(one)?.peers.some((peer) => tunnel.isInDoubt(peer, Date.now())),
  );
  if (doubtful.length === 0) return later;
  await pause(SECOND_LOOK_MS);
  for (const { name } of doubtful) {
    // Gone meanwhile: the first look has to do.
    const daemon = await readDaemon(name).catch(() => null);
    if (daemon?.kind === 'answers') later.set(name, daemon.report);
  }
  return later;
}

async function examineDaemon(
  examined: Examined,
  later: ReadonlyMap<string, Report>,
): Promise<Check[]> {
  const { name } = examined;
  const report = reportOf(examined);
  if (report === null) return [];
  const again = new Map(later.get(name)?.peers.map((peer) => [peer.publicKey, peer] as const));
  const circumstances = report.source === 'beam' ? report : null;
  const checks = report.peers.map(async (peer) => {
    const about: tunnel.PeerFacts = {
      peer,
      later: again.get(peer.publicKey) ?? null,
      nowMs: Date.now(),
      circumstances,
    };
    return [
      await guarded('handshake', name, () => tunnel.judgeHandshake(name, about)),
      await guarded('receive', name, () => tunnel.judgeReceive(name, about)),
    ].flat();
  });
  const drops =
    circumstances === null
      ? []
      : await guarded('drops', name, () => tunnel.judgeDrops(name, circumstances));
  return [...(await Promise.all(checks)).flat(), ...drops];
}
