// Seeds of the pre-shared keys' simulation, numbered as in rotation.test.ts (100; 5,000 with
// BEAM_LONG=1).
import test from 'ava';
import { PresharedKeyWorld } from './presharedKeyWorld.js';
import { runSeeds } from './seeds.js';

runSeeds({
  test,
  claim: 'every response can be read, whatever becomes of the messages, and both ends settle',
  file: 'dist/test/sim/rotation/presharedKeys.test.js',
  seeds: 100,
  longSeeds: 5_000,
  seedsPerTest: 50,
  run: (seed) => {
    const world = new PresharedKeyWorld(seed);
    return {
      trace: world.trace,
      run: () => {
        const { handshakes, generations, dropped } = world.run();
        return `${handshakes} handshakes, ${generations} exchanges, ${dropped} keys dropped`;
      },
    };
  },
});
