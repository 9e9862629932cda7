// Hook commands: shell, environment, end. SPEC.md 8.5.
import { mkdtempSync, openSync, readFileSync, closeSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { hookEnvironment, runHook, type Hook } from '../../../src/platform/network/hooks.js';

const hook = (command: string): Hook => ({
  name: 'PostUp',
  command,
  interfaceName: 'wg0',
  position: '1 of 1',
});

async function output(t: ExecutionContext, command: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'beam-hook-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'out');
  const fd = openSync(file, 'w');
  try {
    await runHook(hook(command), fd);
  } finally {
    closeSync(fd);
  }
  return readFileSync(file, 'utf8');
}

test('a hook is a shell command whose output and errors go where it is told', async (t) => {
  t.is(await output(t, 'echo out; echo err >&2; [[ a == a ]] && echo bash'), 'out\nerr\nbash\n');
});

test('a hook reads nothing', async (t) => {
  t.is(await output(t, 'cat; echo end'), 'end\n');
});

test('a hook that fails is an error without its text, which may hold a key', async (t) => {
  const error = await t.throwsAsync(runHook(hook('echo topsecret >/dev/null; exit 3'), 'ignore'));
  t.regex(error.message, /E_HOOK wg0 PostUp 1 of 1: .*status 3/);
  t.notRegex(error.message, /topsecret/);
  await t.throwsAsync(runHook(hook('kill -9 $$'), 'ignore'), { message: /SIGKILL/ });
});

test('what a hook leaves in the background holds nothing up', async (t) => {
  t.timeout(3_000);
  t.is(await output(t, 'sleep 4 & echo started'), 'started\n');
});

test('the environment holds what is documented and nothing else', (t) => {
  const environment = hookEnvironment(hook('true'), {
    PATH: '/opt/bin',
    HOME: '/root',
    WG_HIDE_KEYS: 'never',
    BEAM_PRIVATE_KEY: 'secret',
    NOTIFY_SOCKET: '/run/systemd/notify',
    LC_ALL: 'de_DE',
  });
  t.deepEqual(Object.keys(environment).sort(), [
    'HOME',
    'LC_ALL',
    'PATH',
    'WG_HIDE_KEYS',
    'WG_HOOK',
    'WG_INTERFACE',
  ]);
  t.is(environment['LC_ALL'], 'C');
  t.true(environment['PATH']!.startsWith('/opt/bin:'));
  t.is(environment['WG_HOOK'], 'PostUp');
});

test('a hook that hangs is ended with all that it waits for', async (t) => {
  t.timeout(3_000);
  const abort = new AbortController();
  const running = runHook(hook('sleep 60 | sleep 60; true'), 'ignore', abort.signal);
  setImmediate(() => abort.abort());
  await t.throwsAsync(running, { message: /SIGTERM/ });
});
