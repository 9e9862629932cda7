// What the loader refuses, and that the engine is open or says why not.
import test from 'ava';
import type { EngineAddon } from '../../../src/platform/nativeEngineAddon.js';
import { engineMismatch, loadFile } from '../../../src/platform/nativeEngineAddon.js';
import { openNativeEngine } from '../../../src/platform/nativeEngine.js';
import { addonTest } from './probe.js';

type Described = Pick<EngineAddon, 'abi' | 'constants' | 'dropReasons'>;
const described = ({ abi, constants, dropReasons }: EngineAddon): Described => ({
  abi,
  constants,
  dropReasons,
});

addonTest('the addon that was built fits this TypeScript', (t, addon) => {
  t.is(engineMismatch(addon), null);
  t.true(addon.selfCheck());
});

addonTest('an addon of another ABI is refused', (t, addon) => {
  const reason = engineMismatch({ ...described(addon), abi: addon.abi + 1 });
  t.regex(reason ?? '', /ABI/);
});

addonTest('an addon with another, a missing or an unknown constant is refused', (t, addon) => {
  const { constants } = addon;
  const without = Object.fromEntries(Object.entries(constants).slice(1));
  for (const changed of [{ ...constants, tagBytes: 8 }, without, { ...constants, newOne: 1 }]) {
    t.not(engineMismatch({ ...described(addon), constants: changed }), null);
  }
});

addonTest('an addon with other drop reasons is refused', (t, addon) => {
  const dropReasons = [...addon.dropReasons].reverse();
  t.regex(engineMismatch({ ...described(addon), dropReasons }) ?? '', /drop reasons/);
});

test('a file that is no addon gives a reason', (t) => {
  const load = loadFile('/dev/null');
  t.is(load.addon, null);
});

addonTest('a name that no interface can have is an operator error', (t, addon) => {
  const open = (): unknown =>
    openNativeEngine({ source: { name: 'no/name', mtu: null }, listener: () => undefined, addon });
  t.throws(open, { message: /E_TUN no\/name/ });
});

addonTest('the features name the cipher and each offload', (t, addon) => {
  const engine = openNativeEngine({ source: 'pair', listener: () => undefined, addon });
  if ('unavailable' in engine) {
    t.fail(engine.unavailable);
    return;
  }
  const { features, engine: name } = engine.stats();
  t.is(name, 'native');
  t.true(features['cipher'] === 'ipsec-mb' || features['cipher'] === 'openssl-evp');
  t.is(typeof features['udpSegment'], 'boolean');
  engine.close();
});
