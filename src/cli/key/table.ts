// The commands about keys, with their arguments. SPEC.md 10.17.
import type { Argv } from 'yargs';
import type { Command, ParsedArguments } from '../commandTable.js';
import { usageError } from '../report.js';
import { BACKUP_COMMANDS } from './backupTable.js';
import { KEY_ACTIONS, type KeyAction } from './actions.js';
import { flag, storeArguments, withStoreOptions, word } from './storeOptions.js';

const withKeyOptions = (parser: Argv): Argv =>
  withStoreOptions(parser)
    .positional('action', { choices: KEY_ACTIONS, demandOption: true })
    .positional('name', {
      describe: 'rotate, adopt, destroy: a tunnel; destroy: or identity',
      type: 'string',
    })
    .option('recovery-file', {
      describe: 'init, rotate: write the recovery key there instead of showing it',
      type: 'string',
    })
    .option('without-recovery', { describe: 'init: make no recovery key', type: 'boolean' })
    .option('recovery', { describe: 'rotate: a new recovery key', type: 'boolean' })
    .option('passphrase', { describe: 'rotate: a new passphrase', type: 'boolean' })
    .option('new-passphrase-file', {
      describe: 'rotate, recover: a file with the new passphrase',
      type: 'string',
    })
    .option('words-file', { describe: 'recover: a file with the recovery words', type: 'string' })
    .option('accept-rollback', {
      describe: 'recover: take a store that is older than the TPM counts',
      type: 'boolean',
    })
    .option('all', { describe: 'destroy: the whole store', type: 'boolean' })
    .option('yes', { describe: 'destroy: without asking', type: 'boolean' });

/** Options that only some actions have. */
const OPTION_ACTIONS: Readonly<Record<string, readonly KeyAction[]>> = {
  json: ['init', 'show', 'list', 'recover'],
  'recovery-file': ['init', 'rotate'],
  'without-recovery': ['init'],
  recovery: ['rotate'],
  passphrase: ['rotate'],
  'new-passphrase-file': ['rotate', 'recover'],
  'words-file': ['recover'],
  'accept-rollback': ['recover'],
  all: ['destroy'],
  yes: ['destroy'],
};
const NAMED_ACTIONS: readonly KeyAction[] = ['rotate', 'adopt', 'destroy'];

function call(args: ParsedArguments): Promise<number> {
  const action = args['action'] as KeyAction;
  const foreign = Object.entries(OPTION_ACTIONS).find(
    ([option, actions]) => args[option] !== undefined && !actions.includes(action),
  );
  if (foreign !== undefined) {
    return Promise.resolve(usageError(`key ${action} has no --${foreign[0]}`, null));
  }
  if (args['name'] !== undefined && !NAMED_ACTIONS.includes(action)) {
    return Promise.resolve(usageError(`unexpected argument ${word(args, 'name')!}`, null));
  }
  return run(action, args);
}

async function run(action: KeyAction, args: ParsedArguments): Promise<number> {
  const { hardenProcess } = await import('../../platform/memory.js');
  hardenProcess();
  const store = storeArguments(args);
  const json = flag(args, 'json');
  const name = word(args, 'name');
  if (action === 'destroy') {
    const { destroy } = await import('../commands/keyDestroy.js');
    return destroy({ ...store, what: name, all: flag(args, 'all'), yes: flag(args, 'yes') });
  }
  const key = await import('../commands/key.js');
  const recoveryFile = word(args, 'recovery-file');
  const newPassphraseFile = word(args, 'new-passphrase-file');
  switch (action) {
    case 'init':
      return key.init({
        ...store,
        json,
        recoveryFile,
        withoutRecovery: flag(args, 'without-recovery'),
      });
    case 'show':
      return key.show({ ...store, json });
    case 'list':
      return key.list({ ...store, json });
    case 'adopt':
      return key.adopt({ ...store, tunnel: name });
    case 'rotate':
      return key.rotate({
        ...store,
        tunnel: name,
        recovery: flag(args, 'recovery'),
        passphrase: flag(args, 'passphrase'),
        recoveryFile,
        newPassphraseFile,
      });
    case 'recover':
      return key.recover({
        ...store,
        json,
        wordsFile: word(args, 'words-file'),
        newPassphraseFile,
        acceptRollback: flag(args, 'accept-rollback'),
      });
  }
}

export const KEY_COMMANDS: readonly Command[] = [
  {
    name: 'key',
    usage: 'key <action> [name]',
    summary: "the device's identity and the keys in its store",
    build: withKeyOptions,
    call,
  },
  ...BACKUP_COMMANDS,
];
