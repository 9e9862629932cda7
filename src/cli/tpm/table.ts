// The commands about the TPM, with their arguments. SPEC.md 10.27.
import type { Argv } from 'yargs';
import { DEFAULT_STORE_PATH } from '../../keyStore/storeFormat.js';
import type { Command, ParsedArguments } from '../commandTable.js';
import { usageError } from '../report.js';

const TPM_ACTIONS = ['status', 'check', 'seal', 'reseal', 'quote', 'verify-quote'] as const;
type TpmAction = (typeof TPM_ACTIONS)[number];

const withTpmOptions = (parser: Argv): Argv =>
  parser
    .positional('action', { choices: TPM_ACTIONS, demandOption: true })
    .positional('file', { describe: 'verify-quote: the quote', type: 'string' })
    .option('store', { describe: `the key store (${DEFAULT_STORE_PATH})`, type: 'string' })
    .option('json', { describe: 'status, check, verify-quote: print JSON', type: 'boolean' })
    .option('policy-key', {
      describe: 'seal, reseal: a P-256 key in PEM that approves; a public one to sign elsewhere',
      type: 'string',
    })
    .option('signature', {
      describe: 'reseal: a file with the signature that was made elsewhere',
      type: 'string',
    })
    .option('pcrs', { describe: 'seal, quote, verify-quote: registers, as 0,2,7', type: 'string' })
    .option('nonce', { describe: 'quote, verify-quote: 16 to 64 bytes in hex', type: 'string' })
    .option('key', {
      describe: 'verify-quote: the attestation key’s name or public area in hex',
      type: 'string',
    })
    .option('previous', {
      describe: 'verify-quote: an earlier quote of the same device',
      type: 'string',
    })
    .option('passphrase-file', {
      describe: 'seal: a file or systemd credential with the store’s passphrase',
      type: 'string',
    });

/** Options that only some actions have. */
const OPTION_ACTIONS: Readonly<Record<string, readonly TpmAction[]>> = {
  store: ['status', 'check', 'seal', 'reseal', 'quote'],
  json: ['status', 'check', 'verify-quote'],
  'policy-key': ['seal', 'reseal'],
  signature: ['reseal'],
  pcrs: ['seal', 'quote', 'verify-quote'],
  nonce: ['quote', 'verify-quote'],
  key: ['verify-quote'],
  previous: ['verify-quote'],
  'passphrase-file': ['seal'],
};

function call(args: ParsedArguments): Promise<number> {
  const action = args['action'] as TpmAction;
  const foreign = Object.entries(OPTION_ACTIONS).find(
    ([option, actions]) => args[option] !== undefined && !actions.includes(action),
  );
  if (foreign !== undefined) {
    return Promise.resolve(usageError(`tpm ${action} has no --${foreign[0]}`, null));
  }
  const twice = Object.keys(OPTION_ACTIONS).find((option) => Array.isArray(args[option]));
  if (twice !== undefined) return Promise.resolve(usageError(`--${twice} is given twice`, null));
  if (args['file'] !== undefined && action !== 'verify-quote') {
    return Promise.resolve(usageError(`unexpected argument ${word(args, 'file')!}`, null));
  }
  return run(action, args);
}

/** Every option with a value is a string to yargs. */
const word = (args: ParsedArguments, name: string): string | undefined =>
  args[name] as string | undefined;

async function run(action: TpmAction, args: ParsedArguments): Promise<number> {
  const { hardenProcess } = await import('../../platform/memory.js');
  hardenProcess();
  const store = word(args, 'store') ?? DEFAULT_STORE_PATH;
  const json = args['json'] === true;
  const [pcrs, nonce, policyKey] = [
    word(args, 'pcrs'),
    word(args, 'nonce'),
    word(args, 'policy-key'),
  ];
  switch (action) {
    case 'status':
      return (await import('../commands/tpm.js')).status({ store, json });
    case 'check':
      return (await import('../commands/tpm.js')).check({ store, json });
    case 'seal':
      return (await import('../commands/tpmSeal.js')).seal({
        store,
        pcrs,
        policyKey,
        passphraseFile: word(args, 'passphrase-file'),
      });
    case 'reseal':
      return (await import('../commands/tpmReseal.js')).reseal({
        store,
        policyKey,
        signature: word(args, 'signature'),
      });
    case 'quote':
      return (await import('../commands/tpmQuote.js')).quote({ store, pcrs, nonce });
    case 'verify-quote':
      return (await import('../commands/tpmQuote.js')).verifyQuoteFile({
        file: word(args, 'file'),
        key: word(args, 'key'),
        nonce,
        pcrs,
        previous: word(args, 'previous'),
        json,
      });
  }
}

export const TPM_COMMANDS: readonly Command[] = [
  {
    name: 'tpm',
    usage: 'tpm <action> [file]',
    summary: 'the TPM: what it holds, what would happen, approvals, quotes',
    build: withTpmOptions,
    call,
  },
];
