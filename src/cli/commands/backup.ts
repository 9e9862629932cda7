// beam backup and beam restore: the whole store in one encrypted file, and back. SPEC.md 10.15.
import { open, readFile } from 'node:fs/promises';
import {
  createBackup,
  destroyBackup,
  readBackup,
  type BackupKeys,
  type BackupTarget,
  type OpenedBackup,
} from '../../agent/keys/backup.js';
import { managerOf, restoreStore } from '../../agent/keys/keyStoreService.js';
import { toBase64 } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { wallTime } from '../../base/time.js';
import { xwingPublicKey } from '../../crypto/xwing.js';
import { fingerprint } from '../../identity/identity.js';
import { STORE_BYTES_MAX } from '../../keyStore/storeFormat.js';
import { readBounded } from '../../platform/configFiles.js';
import { readKeyFile } from '../../platform/configFilesKey.js';
import { systemEntropy } from '../../platform/entropy.js';
import { newPassphrase, passphrase } from '../key/inputs.js';
import { withStore, type StoreArguments } from '../key/openSession.js';
import { EXIT, say, usageError } from '../report.js';
import { makeStore, type InitArguments } from './key.js';

interface BackupKeyFiles {
  readonly backupPassphraseFile: string | undefined;
  readonly keyFile: string | undefined;
}

export interface CreateArguments extends StoreArguments, BackupKeyFiles {
  readonly file: string;
  readonly recipientFile: string | undefined;
  readonly json: boolean;
}

export async function create(args: CreateArguments): Promise<number> {
  if (args.recipientFile !== undefined && args.backupPassphraseFile !== undefined) {
    return usageError('a backup is for a recipient or under a passphrase, not both', null);
  }
  const target = await targetOf(args);
  try {
    return await withStore(args, async (session) => {
      const now = wallTime(Date.now());
      const result = await createBackup(session, managerOf(session), { target, now });
      await writeNew(args.file, result.bytes);
      await verifyWritten(args.file, result.bytes);
      const { did, restoresAs } = result;
      if (args.json) {
        process.stdout.write(
          `${JSON.stringify({ format: 1, file: args.file, did, restoresAs })}\n`,
        );
      } else process.stdout.write(`${args.file}: ${did}\n`);
      say(`rehearse it: beam backup verify ${args.file}`);
      return EXIT.OK;
    });
  } finally {
    if (target.kind === 'passphrase') target.passphrase.destroy();
  }
}

async function targetOf(args: CreateArguments): Promise<BackupTarget> {
  if (args.recipientFile !== undefined) {
    const { bytes } = await readBounded(args.recipientFile, 4096);
    const text = bytes.toString('latin1').trim();
    const publicKey = new Uint8Array(Buffer.from(text, 'base64'));
    const isWhole = Buffer.from(publicKey).toString('base64') === text;
    return { kind: 'recipient', publicKey: isWhole ? publicKey : new Uint8Array(0) };
  }
  const options = {
    what: 'a passphrase for the backup',
    flag: 'backup-passphrase-file',
    useCredential: false,
  };
  return {
    kind: 'passphrase',
    passphrase: await newPassphrase(args.backupPassphraseFile, options),
  };
}

async function writeNew(file: string, bytes: Uint8Array): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw unwritable(file, (cause as NodeJS.ErrnoException).code ?? String(cause));
  }
}

async function verifyWritten(file: string, bytes: Uint8Array): Promise<void> {
  const found = await readFile(file);
  if (!found.equals(bytes)) throw unwritable(file, 'other bytes than were written');
}

const unwritable = (place: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_OUTPUT',
    place,
    expected: 'a new file',
    found,
    remedy: 'name a file that is not there yet, in a folder that is, with space for it',
  });

export async function verify(
  args: BackupKeyFiles & { readonly file: string; readonly json: boolean },
): Promise<number> {
  const backup = await openFile(args);
  try {
    const { did, identity, createdAt, records } = backup;
    const tunnels = records
      .filter(({ purpose }) => purpose === 'tunnelKey')
      .map(({ name }) => name);
    const facts = {
      file: args.file,
      createdAt,
      did,
      restoresAs: identity.did,
      fingerprint: fingerprint(identity),
      tunnels: tunnels.sort(),
    };
    const lines = [
      `device: ${did}`,
      `restores as: ${identity.did === did ? 'the same identity' : identity.did}`,
      `fingerprint: ${facts.fingerprint}`,
      `made: ${new Date(createdAt).toISOString()}`,
      `tunnel keys: ${tunnels.join(', ') || '(none)'}`,
    ];
    const json = `${JSON.stringify({ format: 1, ...facts })}\n`;
    process.stdout.write(args.json ? json : `${lines.join('\n')}\n`);
    return EXIT.OK;
  } finally {
    destroyBackup(backup);
  }
}

export async function restore(
  args: InitArguments & BackupKeyFiles & { readonly file: string },
): Promise<number> {
  const backup = await openFile(args);
  try {
    return await makeStore(args, async (place, options) => {
      const made = await restoreStore(place, options, backup);
      if (backup.identity.did !== backup.did) {
        say(`this device takes the place of ${backup.did}: the store has its succession statement`);
      }
      return made;
    });
  } finally {
    destroyBackup(backup);
  }
}

async function openFile(args: BackupKeyFiles & { readonly file: string }): Promise<OpenedBackup> {
  const { bytes } = await readBounded(args.file, STORE_BYTES_MAX);
  const given: Secret[] = [];
  const keep = (secret: Secret | null): Secret | null => {
    if (secret !== null) given.push(secret);
    return secret;
  };
  const keys: BackupKeys = {
    entropy: systemEntropy,
    passphrase: async () =>
      keep(await passphrase(args.backupPassphraseFile, `passphrase of ${args.file}: `, false)),
    recipientKey: async () =>
      keep(args.keyFile === undefined ? null : await readKeyFile(args.keyFile, null)),
  };
  try {
    return await readBackup(new Uint8Array(bytes), args.file, keys);
  } finally {
    for (const secret of given) secret.destroy();
  }
}

/** The public key for --recipient-file: base64 of 1,216 bytes. */
export async function recipient(keyFile: string | undefined): Promise<number> {
  if (keyFile === undefined) return usageError('backup recipient takes --key-file', null);
  const seed = await readKeyFile(keyFile, null);
  try {
    process.stdout.write(`${toBase64(xwingPublicKey(seed))}\n`);
    return EXIT.OK;
  } finally {
    seed.destroy();
  }
}
