// Every command with its arguments; what it does is imported when it is called. SPEC.md 9.1.
import type { Argv } from 'yargs';
import { KEY_COMMANDS } from './key/table.js';
import { TRUST_COMMANDS } from './trust/table.js';
import { EXIT, usageError } from './report.js';
import { TPM_COMMANDS } from './tpm/table.js';

/** A command as yargs takes it; `call` resolves with the exit status. */
export interface Command {
  readonly name: string;
  /** Positional arguments in yargs' notation, with the name in front. */
  readonly usage: string;
  readonly summary: string;
  readonly build: (parser: Argv) => Argv;
  readonly call: (args: ParsedArguments) => Promise<number>;
}

export type ParsedArguments = Readonly<Record<string, unknown>>;

/** yargs gives numbers for digits where nothing says string. */
const text = (args: ParsedArguments, name: string): string => String(args[name]);
const optional = (args: ParsedArguments, name: string): string | undefined =>
  args[name] === undefined ? undefined : text(args, name);
const flag = (args: ParsedArguments, name: string): boolean => args[name] === true;

const withTunnel = (parser: Argv): Argv =>
  parser.positional('tunnel', {
    describe: 'NAME of /etc/beam/NAME.conf or /etc/wireguard/NAME.conf, or the path of a file',
    type: 'string',
    demandOption: true,
  });
const withName = (parser: Argv): Argv =>
  parser.positional('name', { describe: 'an interface; all without it', type: 'string' });
const withForce = (parser: Argv): Argv =>
  parser.option('force', {
    describe: 'go on although it cuts off the session that this command comes from',
    type: 'boolean',
  });
const withJson = (parser: Argv): Argv =>
  parser.option('json', { describe: 'print JSON', type: 'boolean' });
const plain = (parser: Argv): Argv => parser;

const tunnelAndForce = (args: ParsedArguments): { tunnel: string; force: boolean } => ({
  tunnel: text(args, 'tunnel'),
  force: flag(args, 'force'),
});

const TUNNEL_COMMANDS: readonly Command[] = [
  {
    name: 'up',
    usage: 'up <tunnel>',
    summary: 'start a tunnel in the background',
    build: (parser) =>
      withForce(withTunnel(parser)).option('dry-run', {
        describe: 'only print what would be done',
        type: 'boolean',
      }),
    call: async (args) =>
      (await import('./commands/tunnel.js')).up({
        ...tunnelAndForce(args),
        dryRun: flag(args, 'dry-run'),
      }),
  },
  {
    name: 'run',
    usage: 'run <tunnel>',
    summary: 'run a tunnel in the foreground, for a service manager',
    build: (parser) => withForce(withTunnel(parser)),
    call: async (args) => (await import('./commands/tunnel.js')).run(tunnelAndForce(args)),
  },
  {
    name: 'down',
    usage: 'down <tunnel>',
    summary: 'take a tunnel down and undo what it changed',
    build: (parser) => withForce(withTunnel(parser)),
    call: async (args) => (await import('./commands/tunnel.js')).down(tunnelAndForce(args)),
  },
  {
    name: 'reload',
    usage: 'reload <tunnel>',
    summary: 'read the file again and apply what differs',
    build: (parser) => withForce(withTunnel(parser)),
    call: async (args) => (await import('./commands/tunnel.js')).reload(tunnelAndForce(args)),
  },
  {
    name: 'save',
    usage: 'save <tunnel>',
    summary: 'write the running state into the file',
    build: withTunnel,
    call: async (args) =>
      (await import('./commands/tunnel.js')).save({ tunnel: text(args, 'tunnel') }),
  },
  {
    name: 'status',
    usage: 'status [name]',
    summary: 'show tunnels and peers',
    build: (parser) =>
      withJson(withName(parser))
        .option('watch', { describe: 'again every SECONDS (2)', type: 'string' })
        .option('stats', { describe: 'also counters, features and memory', type: 'boolean' }),
    call: async (args) => {
      const { status, watchSeconds } = await import('./commands/status.js');
      return status({
        name: optional(args, 'name'),
        json: flag(args, 'json'),
        stats: flag(args, 'stats'),
        watchS: watchSeconds(optional(args, 'watch')),
      });
    },
  },
];

const FILE_COMMANDS: readonly Command[] = [
  {
    name: 'config',
    usage: 'config <action> [names..]',
    summary: 'check files, or say what a reload would change (diff)',
    build: (parser) =>
      withJson(parser)
        .positional('action', {
          describe: 'check: parse files; diff: the file against the running tunnel',
          choices: ['check', 'diff'] as const,
          demandOption: true,
        })
        .positional('names', {
          describe: 'check: paths of files; diff: one tunnel; all without it',
          type: 'string',
          array: true,
        }),
    call: async (args) => {
      const { check, diff } = await import('./commands/config.js');
      const names = (args['names'] ?? []) as readonly string[];
      const json = flag(args, 'json');
      if (text(args, 'action') === 'diff') return diff({ names, json });
      return json ? usageError('config check has no --json', null) : check({ files: names });
    },
  },
  {
    name: 'strip',
    usage: 'strip <tunnel>',
    summary: 'print the file as `wg setconf` takes it',
    build: withTunnel,
    call: async (args) =>
      (await import('./commands/config.js')).strip({ tunnel: text(args, 'tunnel') }),
  },
  {
    name: 'doctor',
    usage: 'doctor [name]',
    summary: 'examine this machine and its tunnels',
    build: (parser) =>
      withJson(parser).positional('name', {
        describe: 'a tunnel, or the path of its file; all without it',
        type: 'string',
      }),
    call: async (args) =>
      (await import('./commands/doctor.js')).doctor({
        name: optional(args, 'name'),
        json: flag(args, 'json'),
      }),
  },
];

const OTHER_COMMANDS: readonly Command[] = [
  {
    name: 'genkey',
    usage: 'genkey',
    summary: 'print a new private key',
    build: plain,
    call: async () => (await import('./commands/keys.js')).genkey(),
  },
  {
    name: 'pubkey',
    usage: 'pubkey',
    summary: 'read a private key, print its public key',
    build: plain,
    call: async () => (await import('./commands/keys.js')).pubkey(),
  },
  {
    name: 'genpsk',
    usage: 'genpsk',
    summary: 'print a new pre-shared key',
    build: plain,
    call: async () => (await import('./commands/keys.js')).genpsk(),
  },
  {
    name: 'completion',
    usage: 'completion <shell>',
    summary: 'print a completion script',
    build: (parser) =>
      parser.positional('shell', { choices: ['bash', 'zsh'] as const, demandOption: true }),
    call: async (args) => {
      const { completionScript } = await import('./commands/completion.js');
      process.stdout.write(completionScript(text(args, 'shell') as 'bash' | 'zsh', COMMANDS));
      return EXIT.OK;
    },
  },
];

export const COMMANDS: readonly Command[] = [
  ...TUNNEL_COMMANDS,
  ...FILE_COMMANDS,
  ...KEY_COMMANDS,
  ...TPM_COMMANDS,
  ...TRUST_COMMANDS,
  ...OTHER_COMMANDS,
];

export const COMMAND_NAMES: readonly string[] = [...COMMANDS.map(({ name }) => name), 'help'];
