// What `beam doctor` finds: one answer to one question, and how it is printed. SPEC.md 9.5.
import { OperatorError } from '../../base/errors.js';

/** Stable. In this order they are examined and printed. */
export const CHECK_IDS = [
  'node',
  'addon',
  'tun',
  'privileges',
  'tools',
  'ipv6',
  'config',
  'permissions',
  'forwarding',
  'reversePath',
  'clock',
  'endpoints',
  'port',
  'mtu',
  'overlap',
  'ownKey',
  'udpBuffers',
  'daemon',
  'handshake',
  'receive',
  'drops',
] as const;
export type CheckId = (typeof CHECK_IDS)[number];

export type CheckLevel = 'ok' | 'warn' | 'fail';

export interface Check {
  readonly id: CheckId;
  readonly level: CheckLevel;
  /** What was examined: a path, a setting, a tunnel, `TUNNEL PEER`. */
  readonly subject: string;
  /** Reads on from the subject: `opens`, `is not there`. */
  readonly finding: string;
  /** null for `ok`. */
  readonly remedy: string | null;
}

/** The answers to one question about one subject. */
export class Verdicts {
  readonly #id: CheckId;
  readonly #subject: string;

  constructor(id: CheckId, subject: string) {
    this.#id = id;
    this.#subject = subject;
  }

  ok(finding: string): Check {
    return { id: this.#id, level: 'ok', subject: this.#subject, finding, remedy: null };
  }

  warn(finding: string, remedy: string): Check {
    return { id: this.#id, level: 'warn', subject: this.#subject, finding, remedy };
  }

  fail(finding: string, remedy: string): Check {
    return { id: this.#id, level: 'fail', subject: this.#subject, finding, remedy };
  }
}

/** A question that can't be answered is a warning of its own and keeps nothing else from being asked. */
export async function guarded(
  id: CheckId,
  subject: string,
  examine: () => Check | readonly Check[] | Promise<Check | readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    const outcome = await examine();
    return 'level' in outcome ? [outcome] : outcome;
  } catch (error) {
    const { reason, remedy } = explain(error);
    return [new Verdicts(id, subject).warn(`could not be checked: ${reason}`, remedy)];
  }
}

const AS_ROOT = 'run `beam doctor` as root to see it';

function explain(error: unknown): { reason: string; remedy: string } {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const text = first instanceof Error ? first.message : String(first);
  const isDenied = /permission denied|EACCES|EPERM/i.test(text);
  if (first instanceof OperatorError) {
    const { place, found, remedy } = first.details;
    return { reason: `${place}: ${found}`, remedy: isDenied ? AS_ROOT : remedy };
  }
  const remedy = isDenied ? AS_ROOT : 'mend what the message names, then run `beam doctor` again';
  return { reason: text.split('\n')[0]!.trim(), remedy };
}

const LABELS = { ok: 'ok', warn: 'WARN', fail: 'FAIL' } as const;
const COLOURS = { ok: '32', warn: '33;1', fail: '31;1' } as const;
const LABEL_WIDTH = 4;

/** One line a check, a remedy under what isn't ok, and a last line that counts. */
export function renderChecks(
  checks: readonly Check[],
  options: { readonly colours: boolean },
): string {
  const idWidth = Math.max(...checks.map(({ id }) => id.length), 0);
  const indent = ' '.repeat(LABEL_WIDTH + idWidth + 2);
  const lines = checks.flatMap(({ id, level, subject, finding, remedy }) => {
    const label = LABELS[level].padEnd(LABEL_WIDTH);
    const painted = options.colours ? `\x1b[${COLOURS[level]}m${label}\x1b[0m` : label;
    const line = `${painted} ${id.padEnd(idWidth)} ${printable(`${subject} ${finding}`)}`;
    return remedy === null ? [line] : [line, `${indent}remedy: ${printable(remedy)}`];
  });
  return `${[...lines, countLine(checks)].join('\n')}\n`;
}

function countLine(checks: readonly Check[]): string {
  const count = (level: CheckLevel): number =>
    checks.filter((check) => check.level === level).length;
  const warnings = count('warn');
  return (
    `${checks.length} ${checks.length === 1 ? 'check' : 'checks'}: ${count('ok')} ok, ` +
    `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${count('fail')} failed`
  );
}

/** Names come from files and from others: they must not steer the terminal. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e\u00a0-\uffff]/gu, '?');
