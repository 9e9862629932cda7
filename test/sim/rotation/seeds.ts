// Runs seeds of a simulation and says how a failure is repeated.
import { setImmediate as otherWork } from 'node:timers/promises';
import type { TestFn } from 'ava';

const environmentNumber = (name: string): number | null => {
  const text = process.env[name];
  return text === undefined || text === '' ? null : Number(text);
};

export const ONLY_SEED = environmentNumber('BEAM_SIM_SEED');
const TRACE_TAIL_LINES = 60;

export interface SeedsOptions {
  readonly test: TestFn;
  readonly claim: string;
  /** The test file, for the command that repeats a failure. */
  readonly file: string;
  readonly seeds: number;
  readonly longSeeds: number;
  readonly seedsPerTest: number;
  /** `run` throws Violation, or says what happened in a line. */
  readonly run: (seed: number) => { readonly trace: readonly string[]; readonly run: () => string };
}

export function runSeeds(options: SeedsOptions): void {
  const { test, claim, file, seedsPerTest, run } = options;
  const seeds = seedsOf(options);
  for (let at = 0; at < seeds.length; at += seedsPerTest) {
    const part = seeds.slice(at, at + seedsPerTest);
    test.serial(`${claim}, seeds ${part[0]!} to ${part.at(-1)!}`, async (t) => {
      t.timeout(600_000);
      for (const seed of part) {
        await otherWork();
        const simulation = run(seed);
        try {
          t.log(`seed ${seed}: ${simulation.run()}`);
        } catch (error) {
          t.log(simulation.trace.slice(ONLY_SEED === null ? -TRACE_TAIL_LINES : 0).join('\n'));
          const what = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
          t.fail(`seed ${seed}: ${what}\nrepeat with: BEAM_SIM_SEED=${seed} npx ava ${file}`);
          return;
        }
      }
      t.pass();
    });
  }
}

function seedsOf({ seeds, longSeeds }: SeedsOptions): number[] {
  if (ONLY_SEED !== null) return [ONLY_SEED];
  const usual = process.env['BEAM_LONG'] === '1' ? longSeeds : seeds;
  const first = environmentNumber('BEAM_SIM_FIRST') ?? 1;
  return Array.from({ length: environmentNumber('BEAM_SIM_SEEDS') ?? usual }, (_, i) => first + i);
}
