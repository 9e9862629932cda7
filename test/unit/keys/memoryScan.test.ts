// What is left of a store's key and of a tunnel key in the process's own memory. SPEC.md 10.16.
import { spawnSync } from 'node:child_process';
import test from 'ava';

interface Scan {
  readonly key: readonly string[];
  readonly value: readonly string[];
}

test('a store that was opened and closed leaves neither its key nor a value in memory', (t) => {
  const program = 'dist/test/support/memoryScan.js';
  const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  t.is(stderr, '');
  const { whileOpen, after } = JSON.parse(stdout) as { whileOpen: Scan; after: Scan };
  t.true(whileOpen.key.length > 0 && whileOpen.value.length > 0, 'the scan sees what is there');
  t.deepEqual(after, { key: [], value: [] });
});
