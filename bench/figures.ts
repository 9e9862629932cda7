// The figures: what each one is called, its unit, and which way is better. README.md says what they
// mean; scene.ts says in which network they are taken.

export const FIGURES = {
  tcp1: { title: 'TCP, one stream', unit: 'Gbit/s', better: 'more', digits: 2 },
  cpuPerGb: { title: '  machine CPU', unit: 's/GB', better: 'less', digits: 2 },
  tcp4: { title: 'TCP, four streams', unit: 'Gbit/s', better: 'more', digits: 2 },
  tcp1Among: {
    title: '  one stream among 1,000 peers',
    unit: 'Gbit/s',
    better: 'more',
    digits: 2,
  },
  shaped: { title: 'link of 1 Gbit/s, used', unit: '%', better: 'more', digits: 1 },
  packets: { title: 'UDP of 64 bytes, loss < 1 %', unit: 'k/s', better: 'more', digits: 1 },
  pingP50: { title: 'ping, median', unit: 'us', better: 'less', digits: 0 },
  pingP99: { title: 'ping, 99th percentile', unit: 'us', better: 'less', digits: 0 },
  handshakes: { title: 'handshakes answered', unit: '/s', better: 'more', digits: 0 },
  idleMb: { title: 'resident, idle', unit: 'MB', better: 'less', digits: 1 },
  loadMb: { title: 'resident, under load', unit: 'MB', better: 'less', digits: 1 },
  peersMb: { title: 'resident, 1,000 peers', unit: 'MB', better: 'less', digits: 1 },
} as const satisfies Record<string, Figure>;

export interface Figure {
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Decimals in the table. */
  readonly digits: number;
}

export type FigureName = keyof typeof FIGURES;

/** One run's values; what doesn't apply (memory of the bare wire) is absent. */
export type Sample = Partial<Record<FigureName, number>>;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that `fraction` of all are not above. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)]!;
}
