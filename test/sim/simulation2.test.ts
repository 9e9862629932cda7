// Half of the simulation's seeds; one file for each core.
import { simulationTests } from './simulationTests.js';

simulationTests({ index: 1, of: 2 });
