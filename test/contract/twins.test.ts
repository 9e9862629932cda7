// The two engines packet by packet on random traffic: same keys, indices and packets in, the same
// datagrams, packets, drops by reason, roaming, events and byte counters out. BEAM_SEED repeats a
// failure; BEAM_LONG=1 takes more seeds.
import test from 'ava';
import { loadEngineAddon } from '../../src/platform/nativeEngineAddon.js';
import type { NativeEngineUse } from '../../src/platform/nativeEngine.js';
import { Random } from '../sim/random.js';
import { skip } from '../support/skip.js';
import { prefix } from './contractTest.js';
import { NativeHarness, nativeHarnessAddon } from './nativeHarness.js';
import { SodiumHarness } from './sodiumHarness.js';
import { PEERS, TwinEngines } from './twinEngines.js';
import { ALLOWED, TwinTraffic } from './twinTraffic.js';

const long = process.env['BEAM_LONG'] === '1';
const firstSeed = Number(process.env['BEAM_SEED'] ?? Date.now() % 2 ** 31);
const seeds = long ? 40 : 2;
const STEPS = 100;

const engine = loadEngineAddon();
const io = nativeHarnessAddon();

/** Packets one by one: joined ones are held against single ones elsewhere (native/engine/test). */
const variants: readonly [string, NativeEngineUse][] = [
  ['the best cipher', { tunTcp: false, tunUdp: false }],
  ['OpenSSL', { tunTcp: false, tunUdp: false, udpSegment: false, cipher: 'evp' }],
];

for (const [name, use] of variants) {
  test(`both engines do the same with random traffic: ${name}`, async (t) => {
    if (engine.addon === null || io === null) {
      skip(t, engine.addon === null ? engine.reason : 'native/beam_io is not built');
      return;
    }
    let opened = 0;
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const native = await NativeHarness.open(io, use);
      const sodium = await SodiumHarness.open();
      try {
        const twins = new TwinEngines(native, sodium);
        twins.tell((dataPlane, harness) => {
          for (const peer of PEERS) {
            dataPlane.addPeer(peer);
            dataPlane.setPath(peer, harness.path(peer));
            const add = ALLOWED[peer]!.map(prefix);
            dataPlane.changeAllowedIps(peer, { replace: true, add, remove: [] });
          }
        });
        const traffic = new TwinTraffic(twins, new Random(seed));
        for (let i = 0; i < STEPS; i++) {
          const did = await traffic.step();
          const what = `BEAM_SEED=${seed} step ${i}: ${did}`;
          for (const datagram of await twins.compare(t, what)) {
            if (datagram[0] !== 4) continue;
            const remoteIndex = Buffer.from(datagram).readUInt32LE(4);
            const session = traffic.sessionOf(remoteIndex);
            t.true((session?.open(datagram) ?? null) !== null, `${what}: the far end opens it`);
            opened++;
          }
        }
      } finally {
        await native.close();
        await sodium.close();
      }
    }
    t.true(opened > 10, `BEAM_SEED=${firstSeed}: only ${opened} datagrams were sealed`);
  });
}
