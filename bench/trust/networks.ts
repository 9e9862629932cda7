// Two public trust networks as opinions. Where the files are from: shared/vectors/README.md.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { wallTime } from '../../src/base/time.js';
import type { Opinion } from '../../src/trust/opinion.js';

export const TAKEN_AT = wallTime(0);
const CONTEXT = 'bench';

export interface Network {
  readonly name: string;
  readonly opinions: readonly Opinion[];
  /** Errors are given on the scale of the source: how much a level of 1 is on it. */
  readonly scale: number;
  readonly scaleName: string;
}

export const NETWORK_FILES = {
  advogato: 'trust/advogato/out.advogato',
  otc: 'trust/soc-sign-bitcoinotc.csv',
  otcLabels: 'trust/otc_gt.csv',
} as const;

export const vectorsPath = (file: string): string =>
  join(resolve(process.env['BEAM_VECTORS'] ?? '../shared/vectors'), file);

/** Null where the file isn't there. */
function lines(file: string): string[] | null {
  const path = vectorsPath(file);
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(/\r?\n/) : null;
}

/** Certificates of 0.6, 0.8 and 1, which are levels as they stand. */
export function advogato(): Network | null {
  const opinions = lines(NETWORK_FILES.advogato)
    ?.map((line) => line.split(/\s+/))
    .filter(([from, to]) => from !== '%' && from !== to)
    .map(([from = '', to = '', level = '']) => opinion(from, to, Number(level)));
  if (opinions === undefined) return null;
  return { name: 'Advogato', opinions, scale: 1, scaleName: 'levels' };
}

/** Ratings of -10 to 10; a rating r is the level (r + 10) / 20. */
export function bitcoinOtc(): Network | null {
  const opinions = lines(NETWORK_FILES.otc)
    ?.slice(1)
    .map((line) => line.split(','))
    .map(([from = '', to = '', rating = '']) => opinion(from, to, (Number(rating) + 10) / 20));
  if (opinions === undefined) return null;
  return { name: 'Bitcoin OTC', opinions, scale: 2, scaleName: 'ratings / 10' };
}

/** True for benign, by user. Null where the file isn't there. */
export function otcLabels(): ReadonlyMap<string, boolean> | null {
  const rows = lines(NETWORK_FILES.otcLabels);
  if (rows === null) return null;
  return new Map(
    rows.map((line) => line.split(',')).map(([user = '', label = '']) => [user, Number(label) > 0]),
  );
}

function opinion(truster: string, trustee: string, level: number): Opinion {
  const times = { issuedAt: TAKEN_AT, expiresAt: wallTime(Number.MAX_SAFE_INTEGER) };
  return { truster, trustee, context: CONTEXT, level, ...times };
}

export const BENCH_CONTEXT = CONTEXT;
