// The commands about trust, with their arguments. SPEC.md 12.12.
import type { Argv } from 'yargs';
import type { Command, ParsedArguments } from '../commandTable.js';
import { usageError } from '../report.js';
import { TRUST_ACTIONS, type TrustAction } from './actions.js';

const word = (args: ParsedArguments, name: string): string | undefined => {
  const value = args[name];
  return typeof value === 'string' ? value : undefined;
};
const flag = (args: ParsedArguments, name: string): boolean => args[name] === true;

const build = (parser: Argv): Argv =>
  parser
    .positional('action', { choices: TRUST_ACTIONS, demandOption: true })
    .positional('who', {
      describe: 'add, remove, explain, revoke: a did:key; import: a file, or standard input',
      type: 'string',
    })
    .option('trust-file', {
      describe: 'the statements (/var/lib/beam/trust/statements)',
      type: 'string',
    })
    .option('context', { describe: "a tunnel's network, or * for every one", type: 'string' })
    .option('level', { describe: 'add: 0 to 1, above 0.5 is trust (1)', type: 'string' })
    .option('days', { describe: 'add: until it expires (365)', type: 'string' })
    .option('as', { describe: 'explain: with whose eyes', type: 'string' })
    .option('literal', { describe: 'explain: by the literal mean', type: 'boolean' })
    .option('format', {
      describe: 'graph: how it is drawn',
      choices: ['text', 'dot', 'svg'] as const,
    })
    .option('reason', {
      describe: 'revoke: compromised, lost, retired or misbehaved',
      type: 'string',
    })
    .option('yes', { describe: 'revoke: the own key, for good', type: 'boolean' })
    .option('json', { describe: 'list: print JSON', type: 'boolean' })
    .option('store', {
      describe: 'the key store that signs (/var/lib/beam/keys/store)',
      type: 'string',
    })
    .option('passphrase-file', {
      describe: 'a file or systemd credential with the passphrase; a terminal is asked without it',
      type: 'string',
    });

const SIGNING: readonly TrustAction[] = ['add', 'remove', 'revoke'];

/** Options that only some actions have. */
const OPTION_ACTIONS: Readonly<Record<string, readonly TrustAction[]>> = {
  context: ['add', 'remove', 'explain', 'export'],
  level: ['add'],
  days: ['add'],
  as: ['explain'],
  literal: ['explain'],
  format: ['graph'],
  reason: ['revoke'],
  yes: ['revoke'],
  json: ['list'],
  store: [...SIGNING, 'explain'],
  'passphrase-file': [...SIGNING, 'explain'],
};
const NAMED: readonly TrustAction[] = [...SIGNING, 'explain'];
const IN_CONTEXT: readonly TrustAction[] = ['add', 'remove', 'explain'];

async function call(args: ParsedArguments): Promise<number> {
  const action = args['action'] as TrustAction;
  const foreign = Object.entries(OPTION_ACTIONS).find(
    ([option, actions]) => args[option] !== undefined && !actions.includes(action),
  );
  if (foreign !== undefined) return usageError(`trust ${action} has no --${foreign[0]}`, null);
  const who = word(args, 'who');
  if (action !== 'import' && NAMED.includes(action) !== (who !== undefined)) {
    return who === undefined
      ? usageError(`trust ${action} needs a did:key`, null)
      : usageError(`unexpected argument ${who}`, null);
  }
  if (IN_CONTEXT.includes(action) && args['context'] === undefined) {
    return usageError(`trust ${action} needs --context`, null);
  }
  if (action === 'revoke' && args['reason'] === undefined) {
    return usageError('trust revoke needs --reason', null);
  }
  const { runTrust } = await import('../commands/trust.js');
  return runTrust(action, {
    who: who ?? '',
    trustFile: word(args, 'trust-file'),
    context: word(args, 'context'),
    level: word(args, 'level'),
    days: word(args, 'days'),
    as: word(args, 'as'),
    literal: flag(args, 'literal'),
    format: (word(args, 'format') ?? 'text') as 'text' | 'dot' | 'svg',
    reason: word(args, 'reason'),
    yes: flag(args, 'yes'),
    json: flag(args, 'json'),
    store: word(args, 'store'),
    passphraseFile: word(args, 'passphrase-file'),
  });
}

export const TRUST_COMMANDS: readonly Command[] = [
  {
    name: 'trust',
    usage: 'trust <action> [who]',
    summary: 'statements of trust: say, take back, look at, pass on',
    build,
    call,
  },
];
