// Parses a command's arguments and calls it. SPEC.md 9.1.
import yargs, { type Argv } from 'yargs';
import { nearest } from '../config/file/similar.js';
import { optionsOf } from './commandOptions.js';
import { COMMAND_NAMES, COMMANDS, type Command } from './commandTable.js';
import { EXIT, usageError } from './report.js';
import { version } from './version.js';

/** Resolves with the exit status. */
export async function parseAndRun(args: readonly string[]): Promise<number> {
  const outcome: Outcome = { call: null };
  const parser = commandParser(outcome);
  const [first, second] = args;
  const command = first === 'help' ? second : first;
  if (command !== undefined && !command.startsWith('-') && !COMMAND_NAMES.includes(command)) {
    return usageError(`unknown command ${command}`, nearest(command, COMMAND_NAMES));
  }
  if (first === 'help') {
    process.stdout.write(`${await helpFor(parser, args.slice(1))}\n`);
    return EXIT.OK;
  }
  try {
    await parser.parseAsync([...args]);
  } catch (error) {
    if (error instanceof UsageError) return refuse(error.message, args);
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
    .detectLocale(false)
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
    .exitProcess(false)
    .fail((message, error) => {
      // Typed as always there; undefined where the command line is wrong.
      throw (error as Error | undefined) ?? new UsageError(message);
    });
}

/** yargs' words, where ours can say more. */
function refuse(message: string, args: readonly string[]): number {
  const command = COMMANDS.find(({ name }) => name === args[0]);
  const unknown = /^Unknown arguments?: ([^,]*)/.exec(message)?.[1];
  if (unknown !== undefined) {
    const option = args.find((arg) => arg.startsWith('-') && nameOf(arg) === unknown);
    return option === undefined
      ? usageError(`unexpected argument ${unknown}`, null)
      : unknownOption(option, command);
  }
  const choice = /Given: "(.*)", Choices: (.*)$/.exec(message);
  if (choice !== null) {
    const choices = choice[2]!.split(', ').map((one) => JSON.parse(one) as string);
    const meant = nearest(choice[1]!, choices);
    const text = meant === null ? null : `${args[0]!} ${meant}`;
    return usageError(`expected ${choices.join(' or ')}, found ${choice[1]!}`, text);
  }
  if (command !== undefined && message.startsWith('Not enough non-option arguments')) {
    // An option that isn't known takes the next word for its value.
    const known = [...optionsOf(command), 'help', 'version'];
    const option = args.find((arg) => arg.startsWith('--') && !known.includes(nameOf(arg)));
    if (option !== undefined && option !== '--') return unknownOption(option, command);
    return usageError(`expected \`beam ${command.usage}\`, found less`, null);
  }
  return usageError(message, null);
}

function unknownOption(option: string, command: Command | undefined): number {
  const meant = command === undefined ? null : nearest(nameOf(option), optionsOf(command));
  const text = meant === null ? null : `${command!.name} --${meant}`;
  return usageError(`unknown option ${option.split('=')[0]!}`, text);
}

const nameOf = (option: string): string => option.replace(/^--?/, '').split('=')[0]!;

function helpFor(parser: Argv, words: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    void parser.parse([...words, '--help'], {}, (_error, _args, output) => resolve(output));
  });
}
