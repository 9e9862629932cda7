// A tunnel's configuration from its file, with the key that the file may only name. SPEC.md 7 and 9.6.
import type { Secret } from '../base/secret.js';
import { parseTunnelConfig } from '../config/file/parseTunnelConfig.js';
import { destroyTunnelConfig, type TunnelConfig } from '../config/tunnelConfig.js';
import { readConfigFile, worldAccessibleWarning } from '../platform/configFiles.js';
import { readKeyFile } from '../platform/configFilesKey.js';

export interface ConfigSource {
  readonly path: string;
  readonly interfaceName: string;
  /** $CREDENTIALS_DIRECTORY. */
  readonly credentialsFolder: string | null;
}

/** Whoever loads owns the secrets: the configuration's, and `keyFromFile`. */
export interface LoadedConfig {
  readonly config: TunnelConfig;
  /** The content of PrivateKeyFile; null where the configuration has none. */
  readonly keyFromFile: Secret | null;
  readonly warnings: readonly string[];
}

/** Throws OperatorError, or AggregateError of OperatorErrors where the file has several mistakes. */
export async function loadConfig(source: ConfigSource): Promise<LoadedConfig> {
  const { text, worldAccessible } = await readConfigFile(source.path);
  const parsed = parseTunnelConfig(text, { file: source.path, name: source.interfaceName });
  if (parsed.kind === 'refused') throw new AggregateError(parsed.errors, `${source.path} is wrong`);
  const { config, notices } = parsed;
  const warnings = notices.map((notice) => `${notice.code} ${notice.place}: ${notice.text}`);
  if (worldAccessible && holdsKeys(config)) warnings.unshift(worldAccessibleWarning(source.path));
  try {
    const { privateKeyFile } = config.interface;
    const keyFromFile =
      privateKeyFile === null ? null : await readKeyFile(privateKeyFile, source.credentialsFolder);
    return { config, keyFromFile, warnings };
  } catch (error) {
    destroyTunnelConfig(config);
    throw error;
  }
}

const holdsKeys = (config: TunnelConfig): boolean =>
  config.interface.privateKey !== null || config.peers.some((peer) => peer.presharedKey !== null);
