// A peer's reputation by evidence: what was seen of it, and what trusted ones report. SPEC.md 12.6.
import { assertNever } from '../base/assert.js';
import type { WallTime } from '../base/time.js';
import type { Did } from './opinion.js';

export type Observation =
  'handshakeKept' | 'hourPresent' | 'attested' | 'brokenOff' | 'malformed' | 'replay';

/** SPEC.md 12.6. */
const PRIOR = 0.5;
const PRIOR_WEIGHT = 10;
const DAY_MS = 86_400_000;
const POSITIVE_HALF_LIFE_MS = 30 * DAY_MS;
const NEGATIVE_HALF_LIFE_MS = 90 * DAY_MS;
const POSITIVE_PER_DAY = 24;
const REPORT_COUNTS = 8;

export interface Counts {
  readonly positive: number;
  readonly negative: number;
}

interface Seen extends Counts {
  readonly at: WallTime;
  /** Positive counts since `dayBegan`. */
  readonly today: number;
  readonly dayBegan: WallTime;
}

interface Report extends Counts {
  readonly reporter: Did;
  readonly issuedAt: WallTime;
}

/** `level × credit` of a reporter, 0 for one who isn't trusted (12.3). */
export type ReporterWeight = (reporter: Did) => number;

export class Reputation {
  readonly #seen = new Map<Did, Seen>();
  readonly #reports = new Map<Did, Map<Did, Report>>();

  observe(peer: Did, observation: Observation, now: WallTime): void {
    const old = decayed(this.#seen.get(peer) ?? nothingSeen(now), now);
    const { positive, negative } = countsOf(observation);
    const room = Math.max(0, POSITIVE_PER_DAY - old.today);
    const gained = Math.min(positive, room);
    this.#seen.set(peer, {
      ...old,
      positive: old.positive + gained,
      negative: old.negative + negative,
      today: old.today + gained,
    });
  }

  /** Replaces the reporter's report about the peer. One about himself is left out. */
  setReport(reporter: Did, peer: Did, report: Counts & { readonly issuedAt: WallTime }): void {
    if (reporter === peer) return;
    let reports = this.#reports.get(peer);
    if (reports === undefined) this.#reports.set(peer, (reports = new Map<Did, Report>()));
    reports.set(reporter, { ...report, reporter });
  }

  removeReport(reporter: Did, peer: Did): void {
    const reports = this.#reports.get(peer);
    reports?.delete(reporter);
    if (reports?.size === 0) this.#reports.delete(peer);
  }

  /** What the agent itself has seen, for its own report; rounded down. */
  ownCounts(peer: Did, now: WallTime): Counts {
    const { positive, negative } = decayed(this.#seen.get(peer) ?? nothingSeen(now), now);
    return { positive: Math.floor(positive), negative: Math.floor(negative) };
  }

  /** 0 to 1; null where nothing was seen or reported. */
  value(peer: Did, now: WallTime, weightOf: ReporterWeight): number | null {
    let { positive, negative }: Counts = decayed(this.#seen.get(peer) ?? nothingSeen(now), now);
    const reports = [...(this.#reports.get(peer)?.values() ?? [])];
    reports.sort((a, b) => (a.reporter < b.reporter ? -1 : 1));
    for (const report of reports) {
      const counted = weighted(report, weightOf(report.reporter), now);
      positive += counted.positive;
      negative += counted.negative;
    }
    if (positive + negative === 0) return null;
    return (positive + PRIOR_WEIGHT * PRIOR) / (positive + negative + PRIOR_WEIGHT);
  }
}

function countsOf(observation: Observation): Counts {
  switch (observation) {
    case 'handshakeKept':
    case 'hourPresent':
      return { positive: 1, negative: 0 };
    case 'attested':
      return { positive: 5, negative: 0 };
    case 'brokenOff':
      return { positive: 0, negative: 1 };
    case 'malformed':
      return { positive: 0, negative: 2 };
    case 'replay':
      return { positive: 0, negative: 5 };
    default:
      return assertNever(observation);
  }
}

const nothingSeen = (now: WallTime): Seen => ({
  positive: 0,
  negative: 0,
  at: now,
  today: 0,
  dayBegan: now,
});

/** The counts at `now`. A clock that was set back decays nothing. */
function decayed(seen: Seen, now: WallTime): Seen {
  const age = Math.max(0, now - seen.at);
  const newDay = now - seen.dayBegan >= DAY_MS || now < seen.dayBegan;
  return {
    positive: seen.positive * 2 ** (-age / POSITIVE_HALF_LIFE_MS),
    negative: seen.negative * 2 ** (-age / NEGATIVE_HALF_LIFE_MS),
    at: now,
    today: newDay ? 0 : seen.today,
    dayBegan: newDay ? now : seen.dayBegan,
  };
}

/** A report decays as own counts do, and is at most REPORT_COUNTS times its reporter's weight. */
function weighted(report: Report, weight: number, now: WallTime): Counts {
  const age = Math.max(0, now - report.issuedAt);
  const positive = report.positive * 2 ** (-age / POSITIVE_HALF_LIFE_MS);
  const negative = report.negative * 2 ** (-age / NEGATIVE_HALF_LIFE_MS);
  const all = positive + negative;
  const scale = all === 0 ? 0 : weight * Math.min(1, REPORT_COUNTS / all);
  return { positive: positive * scale, negative: negative * scale };
}
