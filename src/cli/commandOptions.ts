// The options of a command, asked of its own parser, so that nothing has to list them again.
import yargs, { type Argv } from 'yargs';
import type { Command } from './commandTable.js';

/** What yargs keeps of a parser's options; it is there, but not in its types. */
interface WithOptions {
  getOptions(): { readonly key: Readonly<Record<string, unknown>> };
}

/** Long names without dashes, in the order of their definition; --help and --version aside. */
export function optionsOf({ build, usage }: Pick<Command, 'build' | 'usage'>): string[] {
  const parser = build(yargs()) as Argv & WithOptions;
  const positionals = [...usage.matchAll(/[<[](\w+)/g)].map((match) => match[1]!);
  const others = new Set(['help', 'version', ...positionals]);
  return Object.keys(parser.getOptions().key).filter((name) => !others.has(name));
}
