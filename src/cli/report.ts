// How a command ends: what is printed for people, and the exit status. SPEC.md 9.4.
import { OperatorError, type OperatorErrorDetails } from '../base/errors.js';
import type { ControlAnswer, ControlResult } from '../ports/control.js';

export const EXIT = { OK: 0, OPERATOR: 1, USAGE: 2, DOCTOR: 3, BUG: 70 } as const;

/** One or more lines for people. Text from files, tools and daemons must not steer the terminal. */
export const say = (text: string): void =>
  void process.stderr.write(`${text.replaceAll(/[^\P{Cc}\n\t]/gu, '?')}\n`);

/** The command line is wrong; `meant` is the command that was likely meant. */
export function usageError(message: string, meant: string | null): number {
  const remedy = meant === null ? 'see `beam help`' : `did you mean \`beam ${meant}\`?`;
  say(`E_USAGE beam: ${message}\n  remedy: ${remedy}`);
  return EXIT.USAGE;
}

/** Prints what went wrong and returns the exit status for it. */
export function reportFailure(error: unknown): number {
  if (error instanceof AggregateError && error.errors.every(isOperatorError)) {
    for (const one of error.errors) say(one.message);
    return EXIT.OPERATOR;
  }
  if (isOperatorError(error)) {
    say(error.message);
    return error.code === 'E_USAGE' ? EXIT.USAGE : EXIT.OPERATOR;
  }
  const wantsStack = /^(debug|verbose)$/i.test(process.env['LOG_LEVEL'] ?? '');
  const text = error instanceof Error ? (wantsStack ? error.stack : error.message) : String(error);
  say(`E_BUG beam: ${text ?? ''}\n  remedy: report this with the output of LOG_LEVEL=debug`);
  return EXIT.BUG;
}

/**
 * The exit status for standard output that takes no more. A reader that has seen enough
 * (`beam status | head -1`) is no error; a full disk is one.
 */
export function outputFailure(error: NodeJS.ErrnoException): number {
  if (error.code === 'EPIPE') return EXIT.OK;
  const details: OperatorErrorDetails = {
    code: 'E_OUTPUT',
    place: 'standard output',
    expected: 'that it can be written to',
    found: error.code ?? error.message,
    remedy: 'free space, or send the output elsewhere',
  };
  return reportFailure(new OperatorError(details));
}

const isOperatorError = (error: unknown): error is OperatorError => error instanceof OperatorError;

/** The errors of another process, as if they were our own. */
export const asError = (errors: readonly OperatorErrorDetails[]): AggregateError =>
  new AggregateError(
    errors.map((details) => new OperatorError(details)),
    'refused',
  );

/** Throws the daemon's errors. */
export function resultOf(answer: ControlAnswer): ControlResult {
  if (answer.ok) return answer.result;
  throw asError(answer.errors);
}
