// A stage of the test run ends in time and takes everything it started with it.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { runCommand } from '../../../scripts/testing/commandStage.js';

/** False also for a zombie: who reaps an orphan, and when, is up to the machine. */
function isRunning(pid: number): boolean {
  try {
    const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

test('gives the exit status and every line of both outputs', async (t) => {
  const lines: string[] = [];
  const end = await runCommand(['sh', '-c', 'echo one; echo two >&2; printf three; exit 3'], {
    timeoutMs: 10_000,
    line: (text, from) => lines.push(`${from} ${text}`),
  });
  t.deepEqual(end, { kind: 'exited', code: 3 });
  t.deepEqual(lines.sort(), ['stderr two', 'stdout one', 'stdout three']);
});

test('says which signal ended the command', async (t) => {
  const end = await runCommand(['sh', '-c', 'kill -9 $$'], {
    timeoutMs: 10_000,
    line: () => undefined,
  });
  t.deepEqual(end, { kind: 'killed', signal: 'SIGKILL' });
});

test('ends a command that takes too long, together with its children', async (t) => {
  const lines: string[] = [];
  const end = await runCommand(['sh', '-c', 'sleep 100 & echo $!; wait'], {
    timeoutMs: 300,
    line: (text) => lines.push(text),
  });
  t.is(end.kind, 'timedOut');
  t.false(isRunning(Number(lines[0])));
});

test('ends children that outlive the command and hold its output open', async (t) => {
  const lines: string[] = [];
  const end = await runCommand(['sh', '-c', 'sleep 100 & echo $!'], {
    timeoutMs: 10_000,
    line: (text) => lines.push(text),
  });
  t.is(end.kind, 'exited');
  t.false(isRunning(Number(lines[0])));
});

test('rejects a command that cannot be started', async (t) => {
  await t.throwsAsync(
    runCommand(['/nonexistent/command'], { timeoutMs: 1_000, line: () => undefined }),
    { code: 'ENOENT' },
  );
});
