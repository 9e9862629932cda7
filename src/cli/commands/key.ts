// beam key: the device's identity and the keys in its store. SPEC.md 10.17.
import { toBase64 } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { adoptTunnelKey } from '../../agent/keys/adoptTunnelKey.js';
import {
  describeStore,
  initStore,
  listTunnelKeys,
  managerOf,
  newRecoveryKey,
  passphraseSlot,
  recoverySlot,
  replaceSlots,
  type NewStore,
  type NewStoreOptions,
  type StoreDescription,
} from '../../agent/keys/keyStoreService.js';
import type { StorePlace, StoreSession } from '../../agent/keys/storeSession.js';
import { identityOf } from '../../identity/identity.js';
import { findTunnel } from '../../platform/configFiles.js';
import { prepareStoreFolder } from '../../platform/keyStore/storeFiles.js';
import type { HeldKey } from '../../ports/keyManager.js';
import { newPassphrase, recoveryKey } from '../key/inputs.js';
import { placeOf, useSession, withStore, type StoreArguments } from '../key/openSession.js';
import { checkRecoveryPlace, showRecoveryKey } from '../key/recoveryCard.js';
import { EXIT, say, usageError } from '../report.js';

export interface InitArguments extends StoreArguments {
  readonly recoveryFile: string | undefined;
  readonly withoutRecovery: boolean;
  readonly json: boolean;
}

export const init = (args: InitArguments): Promise<number> => makeStore(args, initStore);

/** Asks for what a new store needs, has it made, and shows it. */
export async function makeStore(
  args: InitArguments,
  make: (place: StorePlace, options: NewStoreOptions) => Promise<NewStore>,
): Promise<number> {
  const place = placeOf(args);
  if (!args.withoutRecovery) await checkRecoveryPlace(args.recoveryFile);
  await prepareStoreFolder(place.path);
  const passphrase = await newPassphrase(args.passphraseFile, {
    what: 'a passphrase for the key store',
    flag: 'passphrase-file',
    useCredential: true,
  });
  const key = args.withoutRecovery ? null : newRecoveryKey(place);
  try {
    const { session } = await make(place, { passphrase, recoveryKey: key });
    return await useSession(session, async () => {
      if (key !== null) await showRecoveryKey(key, args.recoveryFile);
      else say('no recovery key: without the passphrase the keys are lost');
      return printDescription(await describeStore(session), args.json);
    });
  } finally {
    passphrase.destroy();
    key?.destroy();
  }
}

export const show = (args: StoreArguments & { readonly json: boolean }): Promise<number> =>
  withStore(args, async (session) => printDescription(await describeStore(session), args.json));

function printDescription(description: StoreDescription, json: boolean): number {
  const { did, fingerprint, algorithm, store, slots, revision } = description;
  const lines = [
    `identity: ${did ?? '(none)'}`,
    `fingerprint: ${fingerprint ?? '(none)'}`,
    `algorithm: ${algorithm ?? '(none)'}`,
    `store: ${store}`,
    `opened by: ${slots.join(', ')}`,
    `revision: ${revision}`,
  ];
  process.stdout.write(
    json ? `${JSON.stringify({ format: 1, ...description })}\n` : `${lines.join('\n')}\n`,
  );
  return EXIT.OK;
}

export const list = (args: StoreArguments & { readonly json: boolean }): Promise<number> =>
  withStore(args, async (session) => {
    const keys = [
      ...(await managerOf(session).list()).map(describeHeld),
      ...listTunnelKeys(session).map(({ tunnel, publicKey }) => ({
        kind: 'tunnelKey',
        tunnel,
        generation: null,
        algorithm: 'x25519',
        publicKey: toBase64(publicKey),
        did: null,
      })),
    ];
    if (args.json) process.stdout.write(`${JSON.stringify({ format: 1, keys })}\n`);
    else for (const key of keys) process.stdout.write(`${keyLine(key)}\n`);
    return EXIT.OK;
  });

interface KeyDescription {
  readonly kind: string;
  readonly tunnel: string | null;
  readonly generation: number | null;
  readonly algorithm: string;
  readonly publicKey: string;
  readonly did: string | null;
}

function describeHeld({ name, algorithm, publicKey }: HeldKey): KeyDescription {
  const tunnel = name.kind === 'tunnel' ? name : null;
  return {
    kind: tunnel === null ? 'identity' : 'tunnelSigning',
    tunnel: tunnel?.tunnelId ?? null,
    generation: tunnel?.generation ?? null,
    algorithm,
    publicKey: toBase64(publicKey),
    did: tunnel === null ? (identityOf(algorithm, publicKey)?.did ?? null) : null,
  };
}

function keyLine({ kind, tunnel, generation, algorithm, publicKey, did }: KeyDescription): string {
  if (kind === 'identity') return `identity      ${algorithm}  ${did ?? publicKey}`;
  if (kind === 'tunnelKey') return `tunnel key    ${algorithm}  ${publicKey}  ${tunnel!}`;
  return `tunnel signs  ${algorithm}  ${publicKey}  ${tunnel!}/${generation!}`;
}

export interface RotateArguments extends StoreArguments {
  readonly tunnel: string | undefined;
  readonly recovery: boolean;
  readonly passphrase: boolean;
  readonly recoveryFile: string | undefined;
  readonly newPassphraseFile: string | undefined;
}

/** One of: a tunnel's signing key, the recovery key, the passphrase. */
export async function rotate(args: RotateArguments): Promise<number> {
  const { tunnel, recovery, passphrase } = args;
  if ([tunnel !== undefined, recovery, passphrase].filter(Boolean).length !== 1) {
    return usageError('key rotate takes a tunnel, --recovery or --passphrase', null);
  }
  if (recovery) await checkRecoveryPlace(args.recoveryFile);
  return withStore(args, async (session) => {
    if (recovery) await rotateRecovery(session, args.recoveryFile);
    else if (passphrase) await rotatePassphrase(session, args.newPassphraseFile, []);
    else await rotateSigningKey(session, tunnel!);
    return EXIT.OK;
  });
}

async function rotateRecovery(session: StoreSession, file: string | undefined): Promise<void> {
  const key = newRecoveryKey(session.place);
  try {
    await showRecoveryKey(key, file);
    await replaceSlots(session, ['recovery'], recoverySlot(session, key));
    say('the recovery key before opens older copies of the store, and this one no more');
  } finally {
    key.destroy();
  }
}

async function rotatePassphrase(
  session: StoreSession,
  file: string | undefined,
  alsoReplaced: readonly ('tpm' | 'pkcs11')[],
): Promise<void> {
  const next = await newPassphrase(file, {
    what: 'the new passphrase',
    flag: 'new-passphrase-file',
    useCredential: false,
  });
  try {
    const slot = await passphraseSlot(session, { passphrase: next });
    await replaceSlots(session, ['passphrase', ...alsoReplaced], slot);
  } finally {
    next.destroy();
  }
}

async function rotateSigningKey(session: StoreSession, tunnel: string): Promise<void> {
  const manager = managerOf(session);
  const exists = (await manager.loadTunnelKey(tunnel)) !== null;
  const key = exists
    ? await manager.rotateTunnelKey(tunnel)
    : await manager.createTunnelKey(tunnel);
  process.stdout.write(`${keyLine(describeHeld(key))}\n`);
}

export interface RecoverArguments extends StoreArguments {
  readonly wordsFile: string | undefined;
  readonly newPassphraseFile: string | undefined;
  readonly acceptRollback: boolean;
  readonly json: boolean;
}

/** Opens the store by its recovery key, and puts a new passphrase in the place of what held it. */
export async function recover(args: RecoverArguments): Promise<number> {
  const key = await recoveryKey(args.wordsFile);
  try {
    const options = { acceptRollback: args.acceptRollback };
    const work = async (session: StoreSession): Promise<number> => {
      await rotatePassphrase(session, args.newPassphraseFile, ['tpm', 'pkcs11']);
      say('the store opens with the new passphrase; the recovery key stays the same');
      return printDescription(await describeStore(session), args.json);
    };
    return await withStore(args, work, { key, options });
  } finally {
    key.destroy();
  }
}

export async function adopt(
  args: StoreArguments & { readonly tunnel: string | undefined },
): Promise<number> {
  if (args.tunnel === undefined) return usageError('key adopt takes a tunnel', null);
  const file = await findTunnel(args.tunnel);
  if (args.passphraseFile !== undefined && !/^(\/|[^/]+$)/.test(args.passphraseFile)) {
    throw relativePassphrase(args.passphraseFile);
  }
  return withStore(args, async (session) => {
    const reference = {
      storePath: session.place.path,
      passphrase: args.passphraseFile ?? null,
    };
    const publicKey = await adoptTunnelKey(session, file, reference);
    process.stdout.write(`${toBase64(publicKey)}\n`);
    say(`${file.path} names the key store now; copies of the file made before still hold the key`);
    return EXIT.OK;
  });
}

const relativePassphrase = (found: string): OperatorError =>
  new OperatorError({
    code: 'E_KEY_ADOPT',
    place: '--passphrase-file',
    expected: 'an absolute path or the name of a credential, since the tunnel starts with it too',
    found,
    remedy: 'write the whole path',
  });
