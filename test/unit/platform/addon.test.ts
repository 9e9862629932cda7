import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  IO_ABI,
  IO_CONSTANTS,
  abiMismatch,
  errnoName,
  loadFirst,
  loadIoAddon,
} from '../../../src/platform/addon.js';

test('an addon with our ABI number and constants is taken', (t) => {
  t.is(abiMismatch({ abi: IO_ABI, constants: { ...IO_CONSTANTS } }), null);
});

test('an addon of another ABI is refused', (t) => {
  t.regex(abiMismatch({ abi: IO_ABI + 1, constants: { ...IO_CONSTANTS } }) ?? '', /ABI/);
});

test('every constant that differs, is missing or is new is named', (t) => {
  for (const name of Object.keys(IO_CONSTANTS)) {
    const constants: Record<string, number> = { ...IO_CONSTANTS };
    constants[name] = -1;
    t.regex(abiMismatch({ abi: IO_ABI, constants }) ?? '', new RegExp(`^${name} is -1`));
    const rest = Object.fromEntries(Object.entries(IO_CONSTANTS).filter(([key]) => key !== name));
    t.regex(abiMismatch({ abi: IO_ABI, constants: rest }) ?? '', new RegExp(`^${name} is missing`));
  }
  const more = { ...IO_CONSTANTS, novel: 1 };
  t.regex(abiMismatch({ abi: IO_ABI, constants: more }) ?? '', /^novel is 1/);
});

test('no file, a broken file and a foreign module each give a reason and no crash', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'beam-addon-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const missing = join(folder, 'missing.node');
  t.deepEqual(loadFirst([missing]), { addon: null, reason: 'native/beam_io is not built' });

  const broken = join(folder, 'broken.node');
  writeFileSync(broken, 'not an ELF file');
  const foreign = join(folder, 'foreign.cjs');
  writeFileSync(foreign, 'module.exports = { abi: 1, constants: {} };');
  const empty = join(folder, 'empty.cjs');
  writeFileSync(empty, 'module.exports = {};');
  for (const file of [broken, foreign, empty]) {
    const load = loadFirst([missing, file]);
    t.is(load.addon, null);
    if (load.addon === null) t.true(load.reason.startsWith(`${file}: `), load.reason);
  }
});

test('a file that does not load leaves the turn to the next', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'beam-addon-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const broken = join(folder, 'broken.node');
  writeFileSync(broken, '');
  const good = join(folder, 'good.cjs');
  const constants = JSON.stringify(IO_CONSTANTS);
  writeFileSync(good, `module.exports = { abi: ${IO_ABI}, constants: ${constants} };`);
  const load = loadFirst([broken, good]);
  t.true(load.addon !== null && load.file === good);
});

test('the addon of this checkout fits, if it is built', (t) => {
  const load = loadIoAddon();
  t.is(load, loadIoAddon());
  if (load.addon === null) t.is(load.reason, 'native/beam_io is not built');
  else t.is(load.addon.abi, IO_ABI);
});

test('errno numbers have their names, whatever the sign', (t) => {
  t.is(errnoName(101), 'ENETUNREACH');
  t.is(errnoName(-101), 'ENETUNREACH');
  t.is(errnoName(-77), 'errno 77');
});
