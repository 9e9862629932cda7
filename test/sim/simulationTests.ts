// Runs seeds and says how a failure is repeated. BEAM_SIM_SEED runs one; BEAM_SIM_SEEDS says how
// many (200; 5,000 with BEAM_LONG=1), BEAM_SIM_FIRST where they start.
import { setImmediate as otherWork } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Simulation } from './simulation.js';

const environmentNumber = (name: string): number | null => {
  const text = process.env[name];
  return text === undefined || text === '' ? null : Number(text);
};

const ONLY_SEED = environmentNumber('BEAM_SIM_SEED');
const DEFAULT_SEEDS = process.env['BEAM_LONG'] === '1' ? 5_000 : 200;
const TRACE_TAIL_LINES = 40;
const SEEDS_PER_TEST = 25;

/** Seeds are dealt out to as many test files as there are shards, so that they share the cores. */
export function simulationTests(shard: { readonly index: number; readonly of: number }): void {
  const seeds = seedsOf(shard);
  if (seeds.length === 0) test('no seeds for this file', (t) => t.pass());
  for (let at = 0; at < seeds.length; at += SEEDS_PER_TEST) {
    const part = seeds.slice(at, at + SEEDS_PER_TEST);
    const range = part.length === 1 ? `seed ${part[0]!}` : `seeds ${part[0]!} to ${part.at(-1)!}`;
    test.serial(`agents keep every invariant and get through at the end, ${range}`, (t) =>
      runSeeds(t, part),
    );
  }
}

function seedsOf({ index, of }: { readonly index: number; readonly of: number }): number[] {
  if (ONLY_SEED !== null) return index === 0 ? [ONLY_SEED] : [];
  const count = environmentNumber('BEAM_SIM_SEEDS') ?? DEFAULT_SEEDS;
  const first = environmentNumber('BEAM_SIM_FIRST') ?? 1;
  return Array.from({ length: count }, (_, i) => first + i).filter((_, i) => i % of === index);
}

async function runSeeds(t: ExecutionContext, seeds: readonly number[]): Promise<void> {
  t.timeout(300_000);
  const totals = { sessions: 0, packets: 0, delivered: 0, convergedMs: 0 };
  for (const seed of seeds) {
    await otherWork();
    const result = runSeed(t, seed);
    if (result === null) return;
    totals.sessions += result.sessions;
    totals.packets += result.packets;
    totals.delivered += result.delivered;
    totals.convergedMs = Math.max(totals.convergedMs, result.convergedMs);
  }
  const { sessions, packets, delivered, convergedMs } = totals;
  const slowest = `${(convergedMs / 1000).toFixed(1)} s`;
  t.log(`${sessions} sessions, ${delivered} of ${packets} packets, slowest healing ${slowest}`);
  t.pass();
}

function runSeed(t: ExecutionContext, seed: number): ReturnType<Simulation['run']> | null {
  const simulation = new Simulation(seed);
  try {
    return simulation.run();
  } catch (error) {
    const { trace } = simulation.world;
    t.log(trace.slice(ONLY_SEED === null ? -TRACE_TAIL_LINES : 0).join('\n'));
    const what = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
    const command = `BEAM_SIM_SEED=${seed} npx ava dist/test/sim/simulation1.test.js`;
    t.fail(`seed ${seed}: ${what}\nrepeat with: ${command}`);
    return null;
  }
}
