// The counts at the end of `npm test` must be true: what the reader makes of ava's output.
import test from 'ava';
import { TapReader } from '../../../scripts/testing/tap.js';
import type { TestResult } from '../../../scripts/testing/tap.js';

function read(text: string): TestResult[] {
  const results: TestResult[] = [];
  const reader = new TapReader((result) => results.push(result));
  for (const line of text.split('\n')) reader.line(line);
  reader.end();
  return results;
}

test('counts a passing test once, with what it logged', (t) => {
  const results = read('TAP version 13\nok 1 - a › claim\n#   seed 5\n#   more\nok 2 - b\n\n1..2');
  t.deepEqual(results, [
    { outcome: 'passed', title: 'a › claim', details: ['seed 5', 'more'] },
    { outcome: 'passed', title: 'b', details: [] },
  ]);
});

test('counts a test that logs a reason for skipping first as skipped, with its reason', (t) => {
  t.deepEqual(read('ok 1 - a\n#   skipped: needs root\n# tests 1'), [
    { outcome: 'skipped', title: 'a', details: ['needs root'] },
  ]);
});

test('does not take a later mark, or one without a reason, for a skipped test', (t) => {
  const results = read(
    'ok 1 - a\n#   first\n#   skipped: needs root\nok 2 - b\n#   skipped:\nok 3 - c',
  );
  t.deepEqual(
    results.map(({ outcome }) => outcome),
    ['passed', 'passed', 'passed'],
  );
});

test('counts a failing test as failed even if it logged a reason for skipping', (t) => {
  t.is(read('not ok 1 - a\n#   skipped: needs root')[0]?.outcome, 'failed');
});

test('counts a test that ava was told to skip as skipped', (t) => {
  t.is(read('ok 1 - a # SKIP')[0]?.outcome, 'skipped');
});

test('keeps the account of a failure, and takes no line in it for a result', (t) => {
  const text = 'not ok 1 - a\n  ---\n    message: x\n    text: |-\n      ok 2 - b\n  ...\nok 2 - c';
  t.deepEqual(read(text), [
    { outcome: 'failed', title: 'a', details: ['  message: x', '  text: |-', '    ok 2 - b'] },
    { outcome: 'passed', title: 'c', details: [] },
  ]);
});

test('counts a failure outside any test', (t) => {
  const title = 'dist/test/a.test.js exited with a non-zero exit code: 1';
  t.deepEqual(read(`not ok 7 - ${title}\n\n1..7\n# fail 1`), [
    { outcome: 'failed', title, details: [] },
  ]);
});
