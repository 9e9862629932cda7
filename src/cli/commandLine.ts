// Decides between the drop-in and a command, and parses the command's arguments. SPEC.md 9.1, 9.2.
import yargs from 'yargs';
import { EXIT, say } from './report.js';
import { version } from './version.js';

const COMMANDS = [
  'up',
  'run',
  'down',
  'reload',
  'save',
  'strip',
  'status',
  'genkey',
  'genpsk',
  'pubkey',
  'config',
  'doctor',
  'completion',
  'help',
] as const;

const isCommand = (word: string): boolean => (COMMANDS as readonly string[]).includes(word);

/** Resolves with the exit status. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const named = dropInArguments(args);
  if (named !== null) return (await import('./commands/dropIn.js')).dropIn(named);
  return runYargs(args);
}

interface NamedInterface {
  readonly interfaceName: string;
  readonly foreground: boolean;
}

/** `[-f|--foreground] NAME`, `-- NAME`; null if it is a command line of another kind. */
function dropInArguments(args: readonly string[]): NamedInterface | null {
  const [first, second, ...rest] = args;
  const isFlag = first === '-f' || first === '--foreground';
  if (isFlag && second !== undefined && rest.length === 0) {
    return { interfaceName: second, foreground: true };
  }
  if (first === '--' && second !== undefined && rest.length === 0) {
    return { interfaceName: second, foreground: false };
  }
  if (first === undefined || second !== undefined || first.startsWith('-') || isCommand(first)) {
    return null;
  }
  return { interfaceName: first, foreground: false };
}

async function runYargs(args: readonly string[]): Promise<number> {
  let status: number = EXIT.OK;
  const tunnel = {
    describe: 'a name, or the path of a file',
    type: 'string',
    demandOption: true,
  } as const;
  const force = {
    describe: 'go on although it cuts off the session this command comes from',
    type: 'boolean',
    default: false,
  } as const;
  const commands = () => import('./commands/tunnel.js');
  await yargs([...args])
    .scriptName('beam')
    .usage('$0 [-f] INTERFACE\n$0 COMMAND')
    .command(
      'up <tunnel>',
      'start a tunnel',
      (y) => y.positional('tunnel', tunnel).option('force', force),
      async (argv) => {
        status = await (await commands()).up(argv);
      },
    )
    .command(
      'run <tunnel>',
      'run a tunnel in the foreground',
      (y) => y.positional('tunnel', tunnel).option('force', force),
      async (argv) => {
        status = await (await commands()).run(argv);
      },
    )
    .command(
      'down <tunnel>',
      'take a tunnel down',
      (y) => y.positional('tunnel', tunnel).option('force', force),
      async (argv) => {
        status = await (await commands()).down(argv);
      },
    )
    .command(
      'reload <tunnel>',
      'apply what changed in the file',
      (y) => y.positional('tunnel', tunnel).option('force', force),
      async (argv) => {
        status = await (await commands()).reload(argv);
      },
    )
    .command(
      'save <tunnel>',
      'write the running state into the file',
      (y) => y.positional('tunnel', tunnel),
      async (argv) => {
        status = await (await commands()).save(argv);
      },
    )
    .version(version())
    .alias('version', 'v')
    .demandCommand(1, 'a command or the name of an interface is missing')
    .strict()
    .exitProcess(false)
    .fail((message, error) => {
      // Typed as always there; undefined for a failed validation.
      if ((error as Error | undefined) !== undefined) throw error;
      say(`beam: ${message}\n  remedy: beam help`);
      status = EXIT.USAGE;
    })
    .parseAsync();
  return status;
}
