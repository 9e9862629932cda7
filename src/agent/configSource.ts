// A tunnel's configuration from its file, with the key that the file may only name. SPEC.md 7 and 9.6.
import { OperatorError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { parseTunnelConfig } from '../config/file/parseTunnelConfig.js';
import { destroyTunnelConfig, type TunnelConfig } from '../config/tunnelConfig.js';
import { readConfigFile, worldAccessibleWarning } from '../platform/configFiles.js';
import { readKeyFile } from '../platform/configFilesKey.js';
import { readTunnelKey } from './keys/tunnelKeySource.js';

export interface ConfigSource {
  readonly path: string;
  readonly interfaceName: string;
  /** $CREDENTIALS_DIRECTORY. */
  readonly credentialsFolder: string | null;
}

/** Whoever loads owns the secrets: the configuration's, and `keyFromFile`. */
export interface LoadedConfig {
  readonly config: TunnelConfig;
  /** The key that PrivateKeyFile or PrivateKeyStore names; null where the configuration has neither. */
  readonly keyFromFile: Secret | null;
  readonly warnings: readonly string[];
}

/** What to do with a tunnel whose key store can't be opened now: come up without a key, or refuse. */
export type LockedStore = 'startWithoutKey' | 'refuse';

/** Throws OperatorError, or AggregateError of OperatorErrors where the file has several mistakes. */
export async function loadConfig(
  source: ConfigSource,
  lockedStore: LockedStore = 'refuse',
): Promise<LoadedConfig> {
  const { text, worldAccessible } = await readConfigFile(source.path);
  const parsed = parseTunnelConfig(text, { file: source.path, name: source.interfaceName });
  if (parsed.kind === 'refused') throw new AggregateError(parsed.errors, `${source.path} is wrong`);
  const { config, notices } = parsed;
  const warnings = notices.map((notice) => `${notice.code} ${notice.place}: ${notice.text}`);
  if (worldAccessible && holdsKeys(config)) warnings.unshift(worldAccessibleWarning(source.path));
  try {
    const { key: keyFromFile, warning } = await keyElsewhere(config, source, lockedStore);
    return { config, keyFromFile, warnings: [...warnings, ...warning] };
  } catch (error) {
    destroyTunnelConfig(config);
    throw error;
  }
}

interface KeyElsewhere {
  readonly key: Secret | null;
  readonly warning: readonly string[];
}

async function keyElsewhere(
  { interface: own }: TunnelConfig,
  { interfaceName, credentialsFolder }: ConfigSource,
  lockedStore: LockedStore,
): Promise<KeyElsewhere> {
  if (own.privateKeyFile !== null) {
    return { key: await readKeyFile(own.privateKeyFile, credentialsFolder), warning: [] };
  }
  if (own.privateKeyStore === null) return { key: null, warning: [] };
  const outcome = await readTunnelKey({
    storePath: own.privateKeyStore,
    tunnelId: interfaceName,
    passphrase: own.storePassphrase,
    credentialsFolder,
  });
  if (outcome.kind === 'key') {
    return { key: outcome.key, warning: outcome.notice === null ? [] : [outcome.notice] };
  }
  const error = new OperatorError(outcome.details);
  if (lockedStore === 'refuse') throw error;
  const text = `no handshake is possible: the tunnel is up without its key. ${error.message}`;
  return { key: null, warning: [`${text}\n  then: beam reload ${interfaceName}`] };
}

const holdsKeys = (config: TunnelConfig): boolean =>
  config.interface.privateKey !== null || config.peers.some((peer) => peer.presharedKey !== null);
