// The table that a bench prints, and the JSON that it leaves.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIGURES, median } from './figures.js';
import type { FigureName, Sample } from './figures.js';
import type { Machine } from './machine.js';

export interface Results {
  readonly machine: Machine;
  readonly quick: boolean;
  readonly subjects: readonly SubjectResults[];
  readonly handshakesInProcessPerS: number;
}

export interface SubjectResults {
  readonly name: string;
  readonly version: string;
  /** One for each round. */
  readonly samples: readonly Sample[];
}

/** The column without a tunnel. */
export const BARE_WIRE = 'no VPN';

const NAME_WIDTH = 30;
const COLUMN_WIDTH = 19;

/** Medians, and in brackets how many times better than the reference (below 1: worse). */
export function table({ subjects }: Results, reference: string): string {
  const referenceSubject = subjects.find(({ name }) => name === reference);
  const names = Object.keys(FIGURES) as FigureName[];
  const header = ['', ...subjects.map(({ name }) => name)];
  const versions = ['', ...subjects.map(({ version }) => version)];
  const rows = names.map((name) => {
    const { title, unit } = FIGURES[name];
    const cells = subjects.map((subject) => cell(name, subject, referenceSubject));
    return [`${title} (${unit})`, ...cells];
  });
  return [header, versions, ...rows].map(formatRow).join('\n');
}

/** Null where no sample has it. */
export function medianOf(name: FigureName, { samples }: SubjectResults): number | null {
  const values = samples.flatMap((sample) => sample[name] ?? []);
  return values.length === 0 ? null : median(values);
}

const formatRow = ([title = '', ...cells]: readonly string[]): string =>
  [title.padEnd(NAME_WIDTH + 8), ...cells.map((text) => text.padStart(COLUMN_WIDTH))].join('');

function cell(
  name: FigureName,
  subject: SubjectResults,
  reference: SubjectResults | undefined,
): string {
  const value = medianOf(name, subject);
  if (value === null) return '-';
  const { better, digits } = FIGURES[name];
  const text = value.toFixed(digits);
  const base = reference === undefined || reference === subject ? null : medianOf(name, reference);
  if (base === null || base === 0 || value === 0) return text;
  const ratio = better === 'more' ? value / base : base / value;
  return `${text} (${ratio.toFixed(2)}x)`;
}

/** Writes bench/results/<date>-<commit>.json and returns its path. */
export function writeResults(results: Results): string {
  const folder = join('bench', 'results');
  mkdirSync(folder, { recursive: true });
  const { date, commit } = results.machine;
  const path = join(folder, `${date.replace(/[:.]/g, '-')}-${commit}.json`);
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
  return path;
}
