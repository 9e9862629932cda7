// Running tools: how they fail, and that no shell is between.
import test from 'ava';
import {
  CommandError,
  findExecutable,
  runCommand,
  toolPath,
} from '../../../src/platform/network/command.js';

const reason = async (run: Promise<string>): Promise<string> => {
  const error: unknown = await run.then(
    () => null,
    (e: unknown) => e,
  );
  return error instanceof CommandError ? error.reason : 'none';
};

test('arguments are not looked at by a shell', async (t) => {
  t.is(await runCommand('printf', ['%s', '$HOME; `id`']), '$HOME; `id`');
});

test('input is given, and a tool that does not read it is judged by its status', async (t) => {
  t.is(await runCommand('cat', [], { input: 'text' }), 'text');
  t.is(await runCommand('true', [], { input: 'x'.repeat(1_000_000) }), '');
});

test('a missing tool, a failing one and a slow one are told apart', async (t) => {
  t.is(await reason(runCommand('beam-no-such-tool', [])), 'missing');
  t.is(await reason(runCommand('false', [])), 'failed');
  t.is(await reason(runCommand('sleep', ['5'], { timeoutMs: 50 })), 'timeout');
});

test("an error carries the tool's last word", async (t) => {
  await t.throwsAsync(runCommand('sh', ['-c', 'echo first >&2; echo last >&2; exit 1']), {
    message: /last$/,
  });
});

test('tools are found in the system folders although PATH does not name them', (t) => {
  t.true(toolPath({ PATH: '/opt' }).split(':').includes('/usr/sbin'));
  t.is(
    toolPath({ PATH: '/usr/bin:/usr/bin' })
      .split(':')
      .filter((p) => p === '/usr/bin').length,
    1,
  );
  t.not(findExecutable('sh'), null);
  t.is(findExecutable('beam-no-such-tool'), null);
});
