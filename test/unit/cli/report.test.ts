// How a command ends, as its standard error and its status have it. SPEC.md 9.4.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';

const REPORT = new URL('../../../src/cli/report.js', import.meta.url).href;
const ERRORS = new URL('../../../src/base/errors.js', import.meta.url).href;
const MAIN = join(process.cwd(), 'dist/src/cli/main.js');

/** What `report(…)` prints and returns, in a process of its own. */
function reported(expression: string, env: NodeJS.ProcessEnv = {}) {
  const program = `
    const report = await import('${REPORT}');
    const { OperatorError } = await import('${ERRORS}');
    const one = (code, found) =>
      new OperatorError({ code, place: 'here', expected: 'a', found, remedy: 'mend it' });
    process.exitCode = report.reportFailure(${expression});`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program],
    { encoding: 'utf8', env: { ...process.env, LOG_LEVEL: '', ...env } },
  );
  return { status, stdout, stderr };
}

test('an operator error is its message on standard error, status 1', (t) => {
  t.deepEqual(reported(`one('E_A', 'b')`), {
    status: 1,
    stdout: '',
    stderr: 'E_A here: expected a, found b\n  remedy: mend it\n',
  });
});

test('of several errors each is told, in their order', (t) => {
  const { status, stderr } = reported(`new AggregateError([one('E_A', 'b'), one('E_B', 'c')])`);
  t.is(status, 1);
  t.deepEqual(stderr.match(/^E_\w+/gm), ['E_A', 'E_B']);
});

test('a wrong command line is status 2', (t) => {
  t.is(reported(`one('E_USAGE', 'b')`).status, 2);
});

for (const [what, expression] of [
  ['an Error', `new TypeError('x is undefined')`],
  ['several errors with a bug among them', `new AggregateError([one('E_A', 'b'), new Error('y')])`],
  ['a thrown string', `'text'`],
  ['a thrown nothing', `undefined`],
] as const) {
  test(`${what} is a bug: status 70, and what to do, without a stack`, (t) => {
    const { status, stderr } = reported(expression);
    t.is(status, 70);
    t.regex(stderr, /^E_BUG beam: .*\n {2}remedy: .*\n$/);
  });
}

test('the stack of a bug is shown to who asks for it', (t) => {
  const { stderr } = reported(`new Error('x')`, { LOG_LEVEL: 'debug' });
  t.regex(stderr, /^E_BUG beam: Error: x\n {4}at /);
});

test('text from elsewhere does not steer the terminal', (t) => {
  const { stderr } = reported(`one('E_A', 'b\\x1b[2J\\x07\\x9bc\\rd\\x00e\\x7f Büro 東京 🔑')`);
  t.is(stderr, 'E_A here: expected a, found b?[2J??c?d?e? Büro 東京 🔑\n  remedy: mend it\n');
});

test('names on the command line do not either', (t) => {
  const commands = [
    ['a\x1b[2J', 'x'],
    ['config', 'check', 'a\x1b[2J.conf'],
    ['up', 'a\x1b[2J'],
    ['-f', 'a\x1b[2J:'],
  ];
  for (const args of commands) {
    const { stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
    t.not(stderr, '');
    t.false(stderr.includes('\x1b'), JSON.stringify(stderr));
  }
});
