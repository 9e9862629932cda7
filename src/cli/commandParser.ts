// Parses a command's arguments and calls it. SPEC.md 9.1.
import yargs, { type Argv } from 'yargs';
import { nearest } from '../config/file/similar.js';
import { COMMAND_NAMES, COMMANDS } from './commandTable.js';
import { EXIT, usageError } from './report.js';
import { version } from './version.js';

/** Resolves with the exit status. */
export async function parseAndRun(args: readonly string[]): Promise<number> {
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
