// Collects what is wrong with a configuration file, and says it without showing keys. SPEC.md 7.4.
import { OperatorError } from '../../base/errors.js';
import type { OperatorErrorDetails } from '../../base/errors.js';

/** Something that a person should know, though the file is used. */
export interface ConfigNotice {
  readonly code: `W_CONFIG_${string}`;
  /** `file:line`. */
  readonly place: string;
  readonly text: string;
}

export type Problem = Omit<OperatorErrorDetails, 'place'>;

/** Where the findings of one line go. */
export interface Report {
  /** Always null, so that a parser can `return report.problem(…)`. */
  problem(problem: Problem): null;
  notice(code: ConfigNotice['code'], text: string): void;
}

const MAX_ERRORS = 200;

export class Findings {
  readonly #file: string;
  readonly #errors: { readonly line: number; readonly problem: Problem }[] = [];
  readonly #notices: { readonly line: number; readonly notice: ConfigNotice }[] = [];
  #errorCount = 0;

  constructor(file: string) {
    this.#file = file;
  }

  get failed(): boolean {
    return this.#errorCount > 0;
  }

  /** `line` counts from 1; 0 means the file as a whole. */
  at(line: number): Report {
    return {
      problem: (problem) => {
        this.#errorCount++;
        if (this.#errors.length < MAX_ERRORS) this.#errors.push({ line, problem });
        return null;
      },
      notice: (code, text) => {
        if (this.#notices.length >= MAX_ERRORS) return;
        this.#notices.push({ line, notice: { code, place: this.#place(line), text } });
      },
    };
  }

  /** In the order of the lines. */
  errors(): OperatorError[] {
    const errors = this.#errors
      .toSorted((a, b) => a.line - b.line)
      .map(({ line, problem }) => new OperatorError({ ...problem, place: this.#place(line) }));
    const more = this.#errorCount - errors.length;
    if (more > 0) errors.push(new OperatorError({ ...tooMany(more), place: this.#place(0) }));
    return errors;
  }

  notices(): ConfigNotice[] {
    return this.#notices.toSorted((a, b) => a.line - b.line).map(({ notice }) => notice);
  }

  #place(line: number): string {
    return line === 0 ? this.#file : `${this.#file}:${line}`;
  }
}

const tooMany = (more: number): Problem => ({
  code: 'E_CONFIG_MORE',
  expected: `at most ${MAX_ERRORS} errors`,
  found: `${more} more`,
  remedy: 'mend those above first; perhaps this is no configuration file',
});

const MAX_SHOWN = 60;
/** As long a piece of a key in base64 or hexadecimal is never shown (SPEC.md 7.4). */
const KEY_LIKE = /[A-Za-z0-9+/=]{16,}/g;

/** A text from the file as errors may show it: printable, short, and no key in it. */
export function shown(text: string): string {
  if (text === '') return 'nothing';
  const safe = text
    .replace(KEY_LIKE, (run) => `<${run.length} characters>`)
    .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?');
  return safe.length <= MAX_SHOWN ? safe : `${safe.slice(0, MAX_SHOWN)}…`;
}
