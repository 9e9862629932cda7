// What Beam sets out to reach, as ratios between columns of one run, beside what this run reached.
// A machine or a run that misses one doesn't fail: figures are for people.
import type { FigureName } from './figures.js';
import { BARE_WIRE, medianOf } from './report.js';
import type { SubjectResults } from './report.js';
import { AES_GCM, NATIVE, NEBULA, NEWEST_PEER, NULL_CIPHER } from './subject.js';

type Value = (subject: string, figure: FigureName) => number;

interface Target {
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly atLeast: number;
  readonly aim?: number;
  /** NaN where a column or figure is missing. */
  readonly reached: (value: Value) => number;
}

const ratio =
  (figure: FigureName, of: string, to: string): Target['reached'] =>
  (value) =>
    value(of, figure) / value(to, figure);

const TARGETS: readonly Target[] = [
  {
    title: 'ChaCha20-Poly1305, one stream, to the newest wireguard-go',
    unit: 'x',
    better: 'more',
    atLeast: 2,
    aim: 3,
    reached: ratio('tcp1', NATIVE, NEWEST_PEER),
  },
  {
    title: 'AES-256-GCM, one stream, to the newest wireguard-go',
    unit: 'x',
    better: 'more',
    atLeast: 3.5,
    aim: 4.5,
    reached: ratio('tcp1', AES_GCM, NEWEST_PEER),
  },
  {
    title: 'ChaCha20-Poly1305, four streams to one',
    unit: 'x',
    better: 'more',
    atLeast: 0.9,
    reached: (value) => value(NATIVE, 'tcp4') / value(NATIVE, 'tcp1'),
  },
  {
    title: 'AES-256-GCM, four streams to one',
    unit: 'x',
    better: 'more',
    atLeast: 0.9,
    reached: (value) => value(AES_GCM, 'tcp4') / value(AES_GCM, 'tcp1'),
  },
  {
    title: 'machine CPU for each GB, to the newest wireguard-go',
    unit: 'x',
    better: 'less',
    atLeast: 1 / 2,
    aim: 1 / 3,
    reached: ratio('cpuPerGb', NATIVE, NEWEST_PEER),
  },
  {
    title: 'packets of 64 bytes, to the newest wireguard-go',
    unit: 'x',
    better: 'more',
    atLeast: 1.7,
    aim: 2,
    reached: ratio('packets', NATIVE, NEWEST_PEER),
  },
  {
    title: 'packets of 64 bytes, to nebula',
    unit: 'x',
    better: 'more',
    atLeast: 1,
    reached: ratio('packets', NATIVE, NEBULA),
  },
  {
    title: 'ping, median, to the newest wireguard-go',
    unit: 'x',
    better: 'less',
    atLeast: 1,
    reached: ratio('pingP50', NATIVE, NEWEST_PEER),
  },
  {
    title: 'ping, median, where the bare wire takes 5 us',
    unit: 'us',
    better: 'less',
    atLeast: 60,
    reached: (value) => value(NATIVE, 'pingP50'),
  },
  {
    title: 'AES-256-GCM, one stream, to the null cipher',
    unit: 'x',
    better: 'more',
    atLeast: 0.8,
    aim: 0.95,
    reached: ratio('tcp1', AES_GCM, NULL_CIPHER),
  },
  {
    title: 'link of 1 Gbit/s, use of it to the bare wire’s',
    unit: 'x',
    better: 'more',
    atLeast: 0.98,
    aim: 0.99,
    reached: ratio('shaped', NATIVE, BARE_WIRE),
  },
  {
    title: 'resident, one peer under load',
    unit: 'MB',
    better: 'less',
    atLeast: 100,
    reached: (value) => value(NATIVE, 'loadMb'),
  },
  {
    title: 'resident, 1,000 peers',
    unit: 'MB',
    better: 'less',
    atLeast: 150,
    reached: (value) => value(NATIVE, 'peersMb'),
  },
  {
    title: 'one stream among 1,000 peers, to one peer alone',
    unit: 'x',
    better: 'more',
    atLeast: 0.95,
    reached: (value) => value(NATIVE, 'tcp1Among') / value(NATIVE, 'tcp1'),
  },
];

/** A line for each target whose columns are there. */
export function targetTable(subjects: readonly SubjectResults[]): string {
  const value: Value = (name, figure) => {
    const subject = subjects.find((one) => one.name === name);
    return (subject === undefined ? null : medianOf(figure, subject)) ?? NaN;
  };
  const lines = TARGETS.map((target) => line(target, target.reached(value)));
  const shown = lines.filter((text) => text !== null);
  return [row('what Beam sets out to reach', 'reached', 'at least', 'aim'), ...shown].join('\n');
}

function line(target: Target, reached: number): string | null {
  if (!Number.isFinite(reached)) return null;
  const { title, unit, better, atLeast, aim } = target;
  const missed = better === 'more' ? reached < atLeast : reached > atLeast;
  const text = (number: number): string => `${number.toFixed(unit === 'x' ? 2 : 0)} ${unit}`;
  const limit = `${better === 'more' ? '>=' : '<='} ${text(atLeast)}`;
  const note = missed ? '  missed' : '';
  return `${row(title, text(reached), limit, aim === undefined ? '' : text(aim))}${note}`;
}

const row = (title: string, ...cells: readonly string[]): string =>
  title.padEnd(58) + cells.map((cell) => cell.padStart(12)).join('');
