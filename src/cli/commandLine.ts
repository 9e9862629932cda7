// Decides between the drop-in and a command. SPEC.md 9.1, 9.2.
import { nearest } from '../config/file/similar.js';
import { listTunnels } from '../platform/configFiles.js';
import { COMMAND_NAMES, COMMANDS } from './commandTable.js';
import { usageError } from './report.js';

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

async function runCommand(args: readonly string[]): Promise<number> {
  // A lone `genkey` needs no parser, which takes longer to load than the key to make.
  const alone =
    args.length === 1
      ? COMMANDS.find(({ name, usage }) => name === args[0] && name === usage)
      : undefined;
  if (alone !== undefined) return alone.call({});
  return (await import('./commandParser.js')).parseAndRun(args);
}
