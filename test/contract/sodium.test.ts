// The sodium engine keeps the contract.
import { dataPlaneContract } from './dataPlaneContract.js';
import { SodiumHarness } from './sodiumHarness.js';

dataPlaneContract({ name: 'sodium', open: () => SodiumHarness.open() });
