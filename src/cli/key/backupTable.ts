// beam backup and beam restore, with their arguments. SPEC.md 10.15.
import type { Argv } from 'yargs';
import type { Command, ParsedArguments } from '../commandTable.js';
import { usageError } from '../report.js';
import { BACKUP_ACTIONS, type BackupAction } from './actions.js';
import { flag, storeArguments, withStoreOptions, word } from './storeOptions.js';

const withBackupKeys = (parser: Argv): Argv =>
  parser
    .option('backup-passphrase-file', {
      describe: "a file with the backup's passphrase",
      type: 'string',
    })
    .option('key-file', {
      describe: "the recipient's private key, as `beam genpsk` makes one",
      type: 'string',
    });

const OPTION_ACTIONS: Readonly<Record<string, readonly BackupAction[]>> = {
  store: ['create'],
  'passphrase-file': ['create'],
  'recipient-file': ['create'],
  'backup-passphrase-file': ['create', 'verify'],
  'key-file': ['verify', 'recipient'],
  json: ['create', 'verify'],
};

async function backup(args: ParsedArguments): Promise<number> {
  const action = args['action'] as BackupAction;
  const foreign = Object.entries(OPTION_ACTIONS).find(
    ([option, actions]) => args[option] !== undefined && !actions.includes(action),
  );
  if (foreign !== undefined) return usageError(`backup ${action} has no --${foreign[0]}`, null);
  const file = word(args, 'file');
  if ((file === undefined) !== (action === 'recipient')) {
    const found = file === undefined ? 'no file' : file;
    return usageError(`backup ${action}: unexpected: ${found}`, null);
  }
  await harden();
  const commands = await import('../commands/backup.js');
  const keys = keyFiles(args);
  const json = flag(args, 'json');
  switch (action) {
    case 'create':
      return commands.create({
        ...storeArguments(args),
        ...keys,
        file: file!,
        recipientFile: word(args, 'recipient-file'),
        json,
      });
    case 'verify':
      return commands.verify({ ...keys, file: file!, json });
    case 'recipient':
      return commands.recipient(keys.keyFile);
  }
}

async function restore(args: ParsedArguments): Promise<number> {
  await harden();
  const commands = await import('../commands/backup.js');
  return commands.restore({
    ...storeArguments(args),
    ...keyFiles(args),
    file: word(args, 'file')!,
    recoveryFile: word(args, 'recovery-file'),
    withoutRecovery: flag(args, 'without-recovery'),
    json: flag(args, 'json'),
  });
}

const keyFiles = (
  args: ParsedArguments,
): { backupPassphraseFile: string | undefined; keyFile: string | undefined } => ({
  backupPassphraseFile: word(args, 'backup-passphrase-file'),
  keyFile: word(args, 'key-file'),
});

async function harden(): Promise<void> {
  const { hardenProcess } = await import('../../platform/memory.js');
  hardenProcess();
}

export const BACKUP_COMMANDS: readonly Command[] = [
  {
    name: 'backup',
    usage: 'backup <action> [file]',
    summary: 'save all keys in one encrypted file, or check such a file',
    build: (parser) =>
      withBackupKeys(withStoreOptions(parser))
        .positional('action', {
          describe: 'recipient: print the public key of --key-file',
          choices: BACKUP_ACTIONS,
          demandOption: true,
        })
        .positional('file', { describe: 'the backup', type: 'string' })
        .option('recipient-file', {
          describe: 'create: for the holder of a key, whose public key is in this file',
          type: 'string',
        }),
    call: backup,
  },
  {
    name: 'restore',
    usage: 'restore <file>',
    summary: 'make a key store from a backup',
    build: (parser) =>
      withBackupKeys(withStoreOptions(parser))
        .positional('file', { describe: 'the backup', type: 'string', demandOption: true })
        .option('recovery-file', {
          describe: 'write the new recovery key there instead of showing it',
          type: 'string',
        })
        .option('without-recovery', { describe: 'make no recovery key', type: 'boolean' }),
    call: restore,
  },
];
