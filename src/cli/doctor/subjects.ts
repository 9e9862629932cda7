// The tunnels to examine: their files, and the daemons that answer for them. SPEC.md 9.5.
import { dirname, resolve } from 'node:path';
import { readlink, stat } from 'node:fs/promises';
import { readTunnelKey } from '../../agent/keys/tunnelKeySource.js';
import { toBase64 } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { parseTunnelConfig } from '../../config/file/parseTunnelConfig.js';
import { destroyTunnelConfig, type TunnelConfig } from '../../config/tunnelConfig.js';
import { createStaticIdentity } from '../../handshake/wireguard.js';
import {
  findTunnel,
  isTunnelName,
  listTunnels,
  readConfigFile,
} from '../../platform/configFiles.js';
import { isKeyModeTooOpen, keyPath, readKeyFile } from '../../platform/configFilesKey.js';
import { listControlSockets } from '../../platform/controlClient.js';
import { listUapiSockets } from '../../platform/uapiClient.js';
import { gatherTunnels } from '../status/gather.js';
import { guarded, type Check } from './check.js';
import type { ConfigOutcome, PermissionFacts } from './configChecks.js';
import type { DaemonFacts } from './tunnelChecks.js';

export interface TunnelSubject {
  readonly interfaceName: string;
  /** null for a tunnel that has no file. */
  readonly path: string | null;
}

export interface Subjects {
  readonly tunnels: readonly TunnelSubject[];
  /** Where tunnels could not be looked for. */
  readonly unseen: readonly Check[];
}

/** One tunnel by name or path, or all. Throws OperatorError where a single one isn't there. */
export async function findSubjects(nameOrPath: string | null): Promise<Subjects> {
  const unseen: Check[] = [];
  const seen = async <T>(id: 'config' | 'daemon', place: string, look: () => Promise<T[]>) => {
    let found: T[] = [];
    unseen.push(
      ...(await guarded(id, place, async () => {
        found = await look();
        return [];
      })),
    );
    return found;
  };
  if (nameOrPath !== null) return findNamed(nameOrPath);
  const files = await seen('config', 'configuration files', () => listTunnels());
  const sockets = [
    ...(await seen('daemon', 'control sockets', () => listControlSockets())),
    ...(await seen('daemon', 'UAPI sockets', () => listUapiSockets())),
  ];
  const known = new Set(files.map(({ interfaceName }) => interfaceName));
  const others = [...new Set(sockets)].filter((name) => !known.has(name));
  return {
    tunnels: [...files, ...others.map((interfaceName) => ({ interfaceName, path: null }))],
    unseen,
  };
}

/** Where looking isn't allowed, the machine can still be examined. */
async function findNamed(nameOrPath: string): Promise<Subjects> {
  try {
    return { tunnels: [await findSubject(nameOrPath)], unseen: [] };
  } catch (error) {
    const isDenied =
      error instanceof OperatorError && ['E_CONFIG_READ', 'E_PERMISSION'].includes(error.code);
    if (!isDenied) throw error;
    const unseen = await guarded('config', nameOrPath, () => Promise.reject(error));
    const tunnels = isTunnelName(nameOrPath) ? [{ interfaceName: nameOrPath, path: null }] : [];
    return { tunnels, unseen };
  }
}

async function findSubject(nameOrPath: string): Promise<TunnelSubject> {
  try {
    return await findTunnel(nameOrPath);
  } catch (error) {
    const isMissing =
      error instanceof OperatorError && ['E_NO_CONFIG', 'E_TUNNEL_NAME'].includes(error.code);
    if (!isMissing) throw error;
    const sockets = [...(await listControlSockets()), ...(await listUapiSockets())];
    if (!sockets.includes(nameOrPath)) throw error;
    return { interfaceName: nameOrPath, path: null };
  }
}

export interface ReadFile {
  readonly outcome: ConfigOutcome;
  /** Its keys are destroyed; null where it is refused. */
  readonly config: TunnelConfig | null;
  readonly permissions: PermissionFacts;
  /** Base64; null without a private key. Rejects where PrivateKeyFile can't be read. */
  readonly publicKey: () => Promise<string | null>;
}

/** Throws OperatorError where the file may not be read. */
export async function readTunnelFile(path: string, interfaceName: string): Promise<ReadFile> {
  const { text, worldAccessible } = await readConfigFile(path);
  const parsed = parseTunnelConfig(text, { file: path, name: interfaceName });
  const inside = { path, worldAccessible, holdsKeys: true, keyFile: null };
  if (parsed.kind === 'refused') {
    const errors = parsed.errors.map(({ details }) => details);
    const outcome = { kind: 'refused', errors } as const;
    return { outcome, config: null, permissions: inside, publicKey: () => Promise.resolve(null) };
  }
  const { config, notices } = parsed;
  const { privateKey, privateKeyFile, privateKeyStore } = config.interface;
  const publicKey = privateKey === null ? null : publicKeyOf(privateKey);
  const holdsKeys = privateKey !== null || config.peers.some((peer) => peer.presharedKey !== null);
  destroyTunnelConfig(config);
  return {
    outcome: { kind: 'parses', notices: notices.length },
    config,
    permissions: { ...inside, holdsKeys, keyFile: await keyFileMode(privateKeyFile) },
    publicKey: async () => {
      if (privateKeyStore !== null) return publicKeyInStore(config, interfaceName);
      return privateKeyFile === null ? publicKey : publicKeyIn(privateKeyFile, credentialsFolder());
    },
  };
}

const credentialsFolder = (): string | null => process.env['CREDENTIALS_DIRECTORY'] ?? null;

async function keyFileMode(nameOrPath: string | null): Promise<PermissionFacts['keyFile']> {
  const folder = credentialsFolder();
  // A credential is there only while its unit runs, and systemd sees to who may read it.
  if (nameOrPath === null || (!nameOrPath.includes('/') && folder === null)) return null;
  const path = keyPath(nameOrPath, folder);
  if (folder !== null && dirname(path) === resolve(folder)) return null;
  const found = await stat(path).catch(() => null);
  return found === null ? null : { path, tooOpen: isKeyModeTooOpen(found.mode) };
}

async function publicKeyIn(nameOrPath: string, folder: string | null): Promise<string> {
  const key = await readKeyFile(nameOrPath, folder);
  try {
    return publicKeyOf(key);
  } finally {
    key.destroy();
  }
}

/** Null while the store can't be opened: the daemon says why. */
async function publicKeyInStore(
  { interface: own }: TunnelConfig,
  tunnelId: string,
): Promise<string | null> {
  const outcome = await readTunnelKey({
    storePath: own.privateKeyStore!,
    tunnelId,
    passphrase: own.storePassphrase,
    credentialsFolder: credentialsFolder(),
  });
  if (outcome.kind === 'locked') return null;
  try {
    return publicKeyOf(outcome.key);
  } finally {
    outcome.key.destroy();
  }
}

function publicKeyOf(key: Secret): string {
  const identity = createStaticIdentity(key.expose().slice());
  identity.privateKey.destroy();
  return toBase64(identity.publicKey);
}

/** Throws OperatorError E_PERMISSION. */
export async function readDaemon(interfaceName: string): Promise<DaemonFacts> {
  const beam = (await listControlSockets()).includes(interfaceName);
  if (!beam && !(await listUapiSockets()).includes(interfaceName)) return { kind: 'none' };
  try {
    const [report] = await gatherTunnels(interfaceName);
    if (report === undefined || 'error' in report) return { kind: 'none' };
    const pid = report.source === 'beam' ? report.pid : null;
    return { kind: 'answers', report, elsewhere: await isElsewhere(pid) };
  } catch (error) {
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    if (!(first instanceof OperatorError) || first.code === 'E_PERMISSION') throw error;
    return { kind: 'silent', found: first.details.found };
  }
}

/** Only what /proc shows for sure counts. */
async function isElsewhere(pid: number | null): Promise<boolean> {
  const own = await readlink('/proc/self/ns/net').catch(() => null);
  const other = await readlink(`/proc/${pid ?? 'self'}/ns/net`).catch(() => null);
  return own !== null && other !== null && own !== other;
}
