// The X25519 key of a tunnel from the store: what a configuration with PrivateKeyStore starts with.
// SPEC.md 10.14.
import { OperatorError, type OperatorErrorDetails } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { copyToLocked } from '../../crypto/lockedMemory.js';
import type { RecordId } from '../../keyStore/records.js';
import { systemEntropy } from '../../platform/entropy.js';
import {
  passphraseCredential,
  readPassphraseFile,
} from '../../platform/keyStore/passphraseFile.js';
import { diskFiles } from '../../platform/keyStore/storeFiles.js';
import { TpmError } from '../../platform/tpm/connection.js';
import { openStoreFile, type StoreSession } from './storeSession.js';
import { tpmAccess } from './tpmAccess.js';
import { unlockWith, type KeySources } from './unlock.js';

export const tunnelKeyRecord = (tunnelId: string): RecordId => ({
  purpose: 'tunnelKey',
  name: tunnelId,
});

export interface TunnelKeyRequest {
  readonly storePath: string;
  readonly tunnelId: string;
  /** File or credential; null for the credential `beam-passphrase`. */
  readonly passphrase: string | null;
  readonly credentialsFolder: string | null;
}

export type TunnelKeyOutcome =
  | { readonly kind: 'key'; readonly key: Secret; readonly notice: string | null }
  /** The store is there and can't be opened now: the tunnel may start without its key. */
  | { readonly kind: 'locked'; readonly details: OperatorErrorDetails };

/** The caller owns the key. Throws OperatorError where waiting would not help. */
export async function readTunnelKey(request: TunnelKeyRequest): Promise<TunnelKeyOutcome> {
  const { storePath, tunnelId } = request;
  const sources = unattendedSources(request);
  const tpm = await tpmAccess(storePath, { env: process.env, withoutCounter: false });
  try {
    const { holder, counter } = tpm;
    const outcome = await openStoreFile(
      { path: storePath, files: diskFiles, entropy: systemEntropy, counter },
      unlockWith({ ...sources, tpm: holder }),
    );
    if (outcome.kind === 'absent') throw noStore(storePath);
    if (outcome.kind === 'locked') return { kind: 'locked', details: outcome.refusal.details };
    return { kind: 'key', ...takeKey(outcome.session, tunnelId) };
  } catch (error) {
    // A TPM that is lost takes the counter with it, also where a passphrase opens the store.
    if (error instanceof TpmError) return { kind: 'locked', details: error.details };
    throw error;
  } finally {
    await sources.end();
    await tpm.close();
  }
}

function takeKey(session: StoreSession, tunnelId: string): { key: Secret; notice: string | null } {
  try {
    const key = session.store.read(tunnelKeyRecord(tunnelId));
    if (key === null) throw noTunnelKey(session.place.path, tunnelId);
    return { key: copyToLocked(key.expose()), notice: session.notice };
  } finally {
    session.close();
  }
}

function unattendedSources(
  request: Pick<TunnelKeyRequest, 'passphrase' | 'credentialsFolder'>,
): KeySources & { end: () => Promise<void> } {
  let read: Promise<Secret | null> | null = null;
  const passphrase = async (): Promise<Secret | null> => {
    const { credentialsFolder } = request;
    const name = request.passphrase ?? (await passphraseCredential(credentialsFolder));
    return name === null ? null : readPassphraseFile(name, credentialsFolder);
  };
  return {
    entropy: systemEntropy,
    passphrase: () => (read ??= passphrase()),
    recoveryKey: null,
    tpm: null,
    pkcs11: null,
    // A passphrase that could not be read was thrown where it was asked for.
    end: async () => (await read?.catch(() => null))?.destroy(),
  };
}

const noStore = (path: string): OperatorError =>
  new OperatorError({
    code: 'E_NO_STORE',
    place: path,
    expected: 'a key store',
    found: 'none',
    remedy: 'make one with `beam key init`, or restore a backup with `beam restore`',
  });

export const noTunnelKey = (path: string, tunnelId: string): OperatorError =>
  new OperatorError({
    code: 'E_NO_KEY',
    place: path,
    expected: `the key of tunnel ${tunnelId}`,
    found: 'none of that name',
    remedy: `move the key there with \`beam key adopt ${tunnelId}\`, or see \`beam key list\``,
  });
