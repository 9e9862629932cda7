// A seed is worth something only if it gives the same run again.
import test from 'ava';
import { Simulation } from './simulation.js';

test('the same seed gives the same run, line by line', (t) => {
  const run = (seed: number): string[] => {
    const simulation = new Simulation(seed);
    simulation.run();
    return simulation.world.trace;
  };
  const first = run(5);
  t.deepEqual(run(5), first);
  t.notDeepEqual(run(6), first);
});
