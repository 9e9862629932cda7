// What every engine must do, written down as tests. An engine is known to them by a harness
// (engineHarness.ts), which may stand on fake ports or on real descriptors.
import type { EngineUnderTest } from './contractTest.js';
import { inboundContract } from './inboundContract.js';
import { outboundContract } from './outboundContract.js';
import { peerContract } from './peerContract.js';
import { sessionContract } from './sessionContract.js';

/** Registers the contract's tests for one engine. */
export function dataPlaneContract(engine: EngineUnderTest): void {
  outboundContract(engine);
  inboundContract(engine);
  sessionContract(engine);
  peerContract(engine);
}
