// The native engine keeps the contract, with every cipher that is here.
import test from 'ava';
import { loadEngineAddon } from '../../src/platform/nativeEngineAddon.js';
import { skip } from '../support/skip.js';
import { dataPlaneContract } from './dataPlaneContract.js';
import { NativeHarness, nativeHarnessAddon } from './nativeHarness.js';

const engine = loadEngineAddon();
const io = nativeHarnessAddon();
if (engine.addon === null || io === null) {
  test('native: keeps the contract', (t) => {
    skip(t, engine.addon === null ? engine.reason : 'native/beam_io is not built');
  });
} else {
  dataPlaneContract({ name: 'native', open: () => NativeHarness.open(io) });
  dataPlaneContract({
    name: 'native without offloads, by OpenSSL',
    open: () =>
      NativeHarness.open(io, { cipher: 'evp', tunTcp: false, tunUdp: false, udpSegment: false }),
  });
}
