import { spawnSync } from 'node:child_process';
import test from 'ava';
import { loadIoAddon, type IoAddon } from '../../../src/platform/addon.js';
import { hardenProcess, lockMemory, unlockMemory } from '../../../src/platform/memory.js';
import { skip } from '../../support/skip.js';

const EPERM = -1;

/** An addon whose calls all end with `outcome`. */
const ending = (outcome: number): IoAddon =>
  ({
    denyDumps: () => outcome,
    denyCoreFiles: () => outcome,
    lockMemory: () => outcome,
    unlockMemory: () => outcome,
  }) as unknown as IoAddon;

test('hardening says what it could do', (t) => {
  t.deepEqual(hardenProcess(ending(0)), { undumpable: true, noCoreFiles: true, reason: null });
  const refused = hardenProcess(ending(EPERM));
  t.false(refused.undumpable || refused.noCoreFiles);
  t.regex(refused.reason ?? '', /PR_SET_DUMPABLE: EPERM; .*RLIMIT_CORE: EPERM/);
  t.regex(hardenProcess(null).reason ?? '', /native\/beam_io/);
});

test('locking says whether it is locked', (t) => {
  const bytes = new Uint8Array(32);
  t.true(lockMemory(bytes, ending(0)) && unlockMemory(bytes, ending(0)));
  t.false(lockMemory(bytes, ending(EPERM)) || lockMemory(bytes, null));
});

test('a hardened process has no core limit and its files belong to root', (t) => {
  const load = loadIoAddon();
  if (load.addon === null) {
    skip(t, load.reason);
    return;
  }
  const program = `
    const addon = require(${JSON.stringify(load.file)});
    const { readFileSync } = require('node:fs');
    const bytes = Buffer.alloc(16384);
    const locked = () => Number(/VmLck:\\s+(\\d+)/.exec(readFileSync('/proc/self/status'))[1]);
    const before = locked();
    const outcomes = [addon.denyDumps(), addon.denyCoreFiles(), addon.lockMemory(bytes)];
    const during = locked();
    outcomes.push(addon.unlockMemory(bytes));
    const limit = /Max core file size\\s+(\\S+)\\s+(\\S+)/.exec(readFileSync('/proc/self/limits'));
    console.log(JSON.stringify({ outcomes, limit: limit.slice(1), grown: during - before, after: locked() - before }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  const seen = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`) as {
    outcomes: number[];
    limit: string[];
    grown: number;
    after: number;
  };
  t.deepEqual(seen.outcomes, [0, 0, 0, 0]);
  t.deepEqual(seen.limit, ['0', '0']);
  t.true(seen.grown >= 16 && seen.after === 0);
});
