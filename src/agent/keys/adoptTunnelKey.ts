// Moves a configuration file's private key into the store. SPEC.md 10.14.
import { equalConstantTime } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { withoutPrivateKey, type StoreReference } from '../../config/file/adoptKey.js';
import { parseTunnelConfig } from '../../config/file/parseTunnelConfig.js';
import { destroyTunnelConfig } from '../../config/tunnelConfig.js';
import { x25519 } from '../../crypto/dh.js';
import { readConfigFile, type TunnelFile } from '../../platform/configFiles.js';
import { writeConfigFile } from '../../platform/configFilesWrite.js';
import { replaceAndOverwrite } from '../../platform/keyStore/destroyFile.js';
import type { StoreSession } from './storeSession.js';
import { tunnelKeyRecord } from './tunnelKeySource.js';

/**
 * Store first, file second: cut off in between, the key is in both, and adopting again ends the work.
 * Resolves with the public key. Throws OperatorError, AggregateError for a file with mistakes.
 */
export async function adoptTunnelKey(
  session: StoreSession,
  file: TunnelFile,
  reference: StoreReference,
): Promise<Uint8Array> {
  const { text } = await readConfigFile(file.path);
  const key = privateKeyIn(text, file);
  try {
    const next = withoutPrivateKey(text, reference);
    if (next === null) throw noPrivateKey(file.path);
    checkResult(next, file, reference);
    await putKey(session, file.interfaceName, key);
    await replaceAndOverwrite(file.path, () => writeConfigFile(file.path, next));
    return x25519.publicKey(key.expose());
  } finally {
    key.destroy();
  }
}

/** The caller owns it. */
function privateKeyIn(text: string, { path, interfaceName }: TunnelFile): Secret {
  const parsed = parseTunnelConfig(text, { file: path, name: interfaceName });
  if (parsed.kind === 'refused') throw new AggregateError(parsed.errors, `${path} is wrong`);
  const { privateKey } = parsed.config.interface;
  for (const peer of parsed.config.peers) peer.presharedKey?.destroy();
  if (privateKey === null) throw noPrivateKey(path);
  return privateKey;
}

/** The file is rewritten only if what comes out is read as it is meant. */
function checkResult(
  text: string,
  { path, interfaceName }: TunnelFile,
  { storePath, passphrase }: StoreReference,
): void {
  const parsed = parseTunnelConfig(text, { file: path, name: interfaceName });
  if (parsed.kind === 'refused')
    throw new AggregateError(parsed.errors, `${path} can't be changed`);
  const own = parsed.config.interface;
  const right =
    own.privateKey === null &&
    own.privateKeyStore === storePath &&
    own.storePassphrase === passphrase;
  destroyTunnelConfig(parsed.config);
  if (right) return;
  throw new OperatorError({
    code: 'E_KEY_ADOPT',
    place: path,
    expected: 'a file whose PrivateKey can be replaced by PrivateKeyStore',
    found: 'one that would mean something else',
    remedy: 'take the key out by hand, and write the settings of SPEC.md 7.3',
  });
}

async function putKey(session: StoreSession, tunnelId: string, key: Secret): Promise<void> {
  const id = tunnelKeyRecord(tunnelId);
  const existing = session.store.read(id);
  if (existing !== null && !equalConstantTime(existing.expose(), key.expose())) {
    throw new OperatorError({
      code: 'E_KEY_EXISTS',
      place: `${session.place.path}, tunnel ${tunnelId}`,
      expected: 'no key of this tunnel, or the same one',
      found: 'another key',
      remedy: `end the other one first: \`beam key destroy ${tunnelId}\``,
    });
  }
  if (existing !== null) return;
  session.store.set(id, key.expose());
  await session.save();
}

const noPrivateKey = (path: string): OperatorError =>
  new OperatorError({
    code: 'E_KEY_ADOPT',
    place: path,
    expected: 'a PrivateKey in [Interface]',
    found: 'none: no key, or one that lies elsewhere already',
    remedy: 'nothing is to do, or write the key into the file first',
  });
