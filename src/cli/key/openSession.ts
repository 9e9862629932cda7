// Opens the store for a command, with what the command line and the terminal give. SPEC.md 10.17.
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import {
  openStoreFile,
  type OpenOptions,
  type StorePlace,
  type StoreSession,
} from '../../agent/keys/storeSession.js';
import { tpmAccess } from '../../agent/keys/tpmAccess.js';
import { unlockWith } from '../../agent/keys/unlock.js';
import { DEFAULT_STORE_PATH } from '../../keyStore/storeFormat.js';
import { systemEntropy } from '../../platform/entropy.js';
import { diskFiles } from '../../platform/keyStore/storeFiles.js';
import { say } from '../report.js';
import { passphrase } from './inputs.js';

export interface StoreArguments {
  readonly store: string | undefined;
  readonly passphraseFile: string | undefined;
}

export const placeOf = ({ store }: Pick<StoreArguments, 'store'>): StorePlace => ({
  path: store ?? DEFAULT_STORE_PATH,
  files: diskFiles,
  entropy: systemEntropy,
  counter: null,
});

/** The session is closed at the end. Throws OperatorError if the store is absent or stays locked. */
export async function withStore<Result>(
  args: StoreArguments,
  use: (session: StoreSession) => Promise<Result>,
  recovery: { readonly key: Secret; readonly options: OpenOptions } | null = null,
): Promise<Result> {
  const { path } = placeOf(args);
  const withoutCounter = recovery !== null;
  const tpm = await tpmAccess(path, { env: process.env, withoutCounter });
  if (tpm.notice !== null) say(`Warning: ${tpm.notice}`);
  const place = { ...placeOf(args), counter: tpm.counter };
  let asked: Secret | null = null;
  const unlock = unlockWith({
    entropy: place.entropy,
    recoveryKey: recovery?.key ?? null,
    passphrase: async () =>
      recovery === null
        ? (asked = await passphrase(args.passphraseFile, `passphrase of ${place.path}: `))
        : null,
    tpm: tpm.holder,
    pkcs11: null,
  });
  try {
    const outcome = await openStoreFile(place, unlock, recovery?.options);
    if (outcome.kind === 'absent') throw noStore(place.path);
    if (outcome.kind === 'locked') throw new OperatorError(outcome.refusal.details);
    return await useSession(outcome.session, use);
  } finally {
    (asked as Secret | null)?.destroy();
    await tpm.close();
  }
}

export async function useSession<Result>(
  session: StoreSession,
  use: (session: StoreSession) => Promise<Result>,
): Promise<Result> {
  try {
    if (session.notice !== null) say(`Warning: ${session.notice}`);
    return await use(session);
  } finally {
    session.close();
  }
}

const noStore = (place: string): OperatorError =>
  new OperatorError({
    code: 'E_NO_STORE',
    place,
    expected: 'a key store',
    found: 'none',
    remedy: 'make one with `beam key init`, or restore a backup with `beam restore`',
  });
