// Seeds of the rotation's simulation. BEAM_SIM_SEED runs one; BEAM_SIM_SEEDS says how many (6; 200
// with BEAM_LONG=1), BEAM_SIM_FIRST where they start.
import { setImmediate as otherWork } from 'node:timers/promises';
import test from 'ava';
import { ONLY_SEED, runSeeds } from './seeds.js';
import { RotationWorld } from './rotationWorld.js';

const HOUR_MS = 3_600_000;

runSeeds({
  test,
  claim: 'nobody is locked out in 30 days, and no key is used for longer than 24 h and the overlap',
  file: 'dist/test/sim/rotation/rotation.test.js',
  seeds: 6,
  longSeeds: 200,
  seedsPerTest: 3,
  run: (seed) => {
    const world = new RotationWorld(seed);
    return { trace: world.trace, run: () => report(world.run()) };
  },
});

const report = (result: ReturnType<RotationWorld['run']>): string => {
  const { calls, attempts, activations, rolledBack, crashes, longestUseMs, slowestCallMs } = result;
  const longest = `longest use ${(longestUseMs / HOUR_MS).toFixed(2)} h`;
  const slowest = `slowest call ${(slowestCallMs / 1000).toFixed(1)} s`;
  return `${activations} keys, ${rolledBack} rolled back, ${crashes} crashes, ${calls} calls in ${attempts} attempts, ${longest}, ${slowest}`;
};

if (ONLY_SEED === null) {
  test('the same seed gives the same month, line by line', async (t) => {
    const run = (seed: number): string[] => {
      const world = new RotationWorld(seed);
      world.run();
      return world.trace;
    };
    const first = run(3);
    await otherWork();
    t.deepEqual(run(3), first);
  });
}
