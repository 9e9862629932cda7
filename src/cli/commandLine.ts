// Decides between the drop-in and a command, and parses the command's arguments. SPEC.md 9.1, 9.2.
import yargs, { type Argv } from 'yargs';
import { nearest } from '../config/file/similar.js';
import { listTunnels } from '../platform/configFiles.js';
import { COMMANDS } from './commandTable.js';
import { EXIT, say } from './report.js';
import { version } from './version.js';

const COMMAND_NAMES: readonly string[] = [...COMMANDS.map(({ name }) => name), 'help'];

/** Resolves with the exit status. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const named = dropInArguments(args);
  if (named === null) return runCommand(args);
  const meant = named.certain ? null : await likelyCommand(named.interfaceName);
  if (meant !== null) return usageError(`unknown command ${named.interfaceName}`, meant);
  return (await import('./commands/dropIn.js')).dropIn(named);
}

interface NamedInterface {
  readonly interfaceName: string;
  readonly foreground: boolean;
  /** An option says that it is an interface, whatever it looks like. */
  readonly certain: boolean;
}

/** `NAME`, `-f NAME`, `-- NAME`; null if it is a command line of another kind. */
function dropInArguments(args: readonly string[]): NamedInterface | null {
  const [first, second, third] = args;
  if (first === undefined || third !== undefined) return null;
  if (second !== undefined) {
    const foreground = first === '-f' || first === '--foreground';
    if (!foreground && first !== '--') return null;
    return { interfaceName: second, foreground, certain: true };
  }
  if (first.startsWith('-') || COMMAND_NAMES.includes(first)) return null;
  return { interfaceName: first, foreground: false, certain: false };
}

const SLIP_LETTERS = 4;

/** A word like `statsu` is a typing error; a tunnel of that name is none. */
async function likelyCommand(word: string): Promise<string | null> {
  if (word.length < SLIP_LETTERS || /\d/.test(word)) return null;
  const meant = nearest(word, COMMAND_NAMES);
  if (meant === null) return null;
  const tunnels = await listTunnels();
  return tunnels.some(({ interfaceName }) => interfaceName === word) ? null : meant;
}

function usageError(message: string, meant: string | null): number {
  const remedy = meant === null ? 'see `beam help`' : `did you mean \`beam ${meant}\`?`;
  say(`E_USAGE beam: ${message}\n  remedy: ${remedy}`);
  return EXIT.USAGE;
}

async function runCommand(args: readonly string[]): Promise<number> {
  const outcome: Outcome = { call: null };
  const parser = commandParser(outcome);
  if (args[0] === 'help') {
    if (args[1] === undefined || COMMAND_NAMES.includes(args[1])) {
      process.stdout.write(`${await helpFor(parser, args.slice(1))}\n`);
      return EXIT.OK;
    }
    return usageError(`unknown command ${args[1]}`, nearest(args[1], COMMAND_NAMES));
  }
  try {
    await parser.parseAsync([...args]);
  } catch (error) {
    if (error instanceof UsageError) return usageError(error.message, null);
    throw error;
  }
  return outcome.call === null ? EXIT.OK : outcome.call();
}

/** The command line is wrong. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

interface Outcome {
  /** What was asked for, once all arguments are right. */
  call: (() => Promise<number>) | null;
}

function commandParser(outcome: Outcome): Argv {
  let parser = yargs()
    .scriptName('beam')
    .usage('beam [-f] INTERFACE    serve a WireGuard interface, as wireguard-go does')
    .usage('beam COMMAND');
  for (const { usage, summary, build, call } of COMMANDS) {
    parser = parser.command(usage, summary, build, (args) => {
      outcome.call = () => call(args);
    });
  }
  return parser
    .version(version())
    .alias('version', 'v')
    .help()
    .demandCommand(1, 'a command or the name of an interface is missing')
    .strict()
    .recommendCommands()
    .exitProcess(false)
    .fail((message, error) => {
      // Typed as always there; undefined where the command line is wrong.
      throw (error as Error | undefined) ?? new UsageError(message);
    });
}

function helpFor(parser: Argv, words: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    void parser.parse([...words, '--help'], {}, (_error, _args, output) => resolve(output));
  });
}
