// Options of all commands that open a key store. SPEC.md 10.17.
import type { Argv } from 'yargs';
import type { ParsedArguments } from '../commandTable.js';
import type { StoreArguments } from './openSession.js';

/** yargs gives numbers for digits where nothing says string. */
export function word(args: ParsedArguments, name: string): string | undefined {
  const value = args[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
export const flag = (args: ParsedArguments, name: string): boolean => args[name] === true;

export const storeArguments = (args: ParsedArguments): StoreArguments => ({
  store: word(args, 'store'),
  passphraseFile: word(args, 'passphrase-file'),
});

export const withStoreOptions = (parser: Argv): Argv =>
  parser
    .option('store', { describe: 'the key store (/var/lib/beam/keys/store)', type: 'string' })
    .option('passphrase-file', {
      describe: 'a file or systemd credential with the passphrase; a terminal is asked without it',
      type: 'string',
    })
    .option('json', { describe: 'print JSON', type: 'boolean' });
