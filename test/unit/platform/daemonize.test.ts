// Going to the background: with children that work, that fail, and that die. SPEC.md 9.2.
import { execFile, spawn } from 'node:child_process';
import test from 'ava';
import { daemonize, keepsStderr, type DaemonStart } from '../../../src/platform/daemonize.js';
import {
  parseReadyMessage,
  readinessFromEnvironment,
  type ReadyMessage,
} from '../../../src/platform/daemonizeReadiness.js';

const READINESS = new URL('../../../src/platform/daemonizeReadiness.js', import.meta.url).href;
const DAEMONIZE = new URL('../../../src/platform/daemonize.js', import.meta.url).href;

interface Started {
  readonly start: DaemonStart;
  readonly messages: readonly ReadyMessage[];
}

/** Runs `body` as the daemon, with `readiness` at hand. */
async function daemon(body: string): Promise<Started> {
  const program = `
    const { readinessFromEnvironment } = await import('${READINESS}');
    const readiness = readinessFromEnvironment(process.env);
    ${body}`;
  const messages: ReadyMessage[] = [];
  const start = await daemonize({
    command: process.execPath,
    args: ['--input-type=module', '-e', program],
    env: process.env,
    inherited: new Map(),
    keepStderr: false,
    onMessage: (message) => messages.push(message),
  });
  return { start, messages };
}

const details = {
  code: 'E_TEST',
  place: 'here',
  expected: 'one',
  found: 'two',
  remedy: 'mend it',
} as const;

test('a daemon that is ready goes on in a session of its own', async (t) => {
  const { start } = await daemon(`readiness.ready(); setInterval(() => undefined, 1000);`);
  if (start.kind !== 'ready') {
    t.fail(start.kind);
    return;
  }
  t.teardown(() => process.kill(start.pid, 'SIGKILL'));
  const session = await new Promise<string>((resolve) => {
    execFile('ps', ['-o', 'sid=,tty=', '-p', String(start.pid)], (_, out) => resolve(out));
  });
  t.is(session.trim().split(/\s+/)[0], String(start.pid));
});

test('steps and warnings arrive in order before the verdict', async (t) => {
  const { start, messages } = await daemon(`
    readiness.step('ip link add');
    readiness.warning('no DNS tool');
    readiness.step('more\\nlines');
    readiness.ready();
    readiness.step('too late');`);
  t.is(start.kind, 'ready');
  t.deepEqual(messages, [
    { kind: 'step', text: 'ip link add' },
    { kind: 'warning', text: 'no DNS tool' },
    { kind: 'step', text: 'more\nlines' },
  ]);
});

test('a daemon that fails hands its errors over and is waited for', async (t) => {
  const { start } = await daemon(`
    readiness.failed([${JSON.stringify(details)}]);
    process.exit(1);`);
  t.deepEqual(start, { kind: 'failed', errors: [details] });
});

for (const [what, body, expected] of [
  ['exits without a word', 'process.exit(9);', { exitCode: 9, signal: null }],
  ['is killed', `process.kill(process.pid, 'SIGKILL');`, { exitCode: null, signal: 'SIGKILL' }],
  ['throws', `throw new Error('broken');`, { exitCode: 1, signal: null }],
  [
    'writes nonsense for a verdict',
    `(await import('node:fs')).writeSync(3, 'ready\\n{"kind":"up"}\\n'); process.exit(0);`,
    { exitCode: 0, signal: null },
  ],
  [
    'writes a line without an end',
    `const { writeSync } = await import('node:fs');
     try { for (;;) writeSync(3, 'x'.repeat(65536)); } catch { process.exit(4); }`,
    { exitCode: 4, signal: null },
  ],
] as const) {
  test(`a daemon that ${what} is told from one that works`, async (t) => {
    const { start } = await daemon(body);
    t.deepEqual(start, { kind: 'ended', ...expected });
  });
}

test('a program that is not there is an error', async (t) => {
  const missing = daemonize({
    command: '/nonexistent/program',
    args: [],
    env: {},
    inherited: new Map(),
    keepStderr: false,
    onMessage: () => undefined,
  });
  await t.throwsAsync(missing, { code: 'ENOENT' });
});

test('descriptors are handed on under the numbers that the variables say', async (t) => {
  const body = `
    const { readlinkSync } = await import('node:fs');
    const { WG_TUN_FD: tun, WG_UAPI_FD: uapi } = process.env;
    for (const fd of [tun, uapi]) readiness.step(readlinkSync('/proc/self/fd/' + fd));
    readiness.ready();`;
  const { openSync, closeSync } = await import('node:fs');
  const fd = openSync('/dev/null', 'r');
  t.teardown(() => closeSync(fd));
  const messages: ReadyMessage[] = [];
  await daemonize({
    command: process.execPath,
    args: [
      '--input-type=module',
      '-e',
      `const { readinessFromEnvironment } = await import('${READINESS}');
       const readiness = readinessFromEnvironment(process.env);${body}`,
    ],
    env: process.env,
    inherited: new Map([
      ['WG_TUN_FD', fd],
      ['WG_UAPI_FD', fd],
    ]),
    keepStderr: false,
    onMessage: (message) => messages.push(message),
  });
  t.deepEqual(
    messages.map((message) => ('text' in message ? message.text : '')),
    ['/dev/null', '/dev/null'],
  );
});

test('hooks print to the command that waits, and the pipe is not held open afterwards', async (t) => {
  const body = `
    const { spawnSync } = await import('node:child_process');
    spawnSync('echo', ['from the hook'], { stdio: ['ignore', readiness.outputFd, 'ignore'] });
    readiness.ready();
    setInterval(() => undefined, 1000);`;
  const program = `
    const { daemonize } = await import('${DAEMONIZE}');
    const start = await daemonize({ command: process.execPath, args: ['--input-type=module', '-e',
      process.argv[1]], env: process.env, inherited: new Map(), keepStderr: false,
      onMessage: () => undefined });
    process.stdout.write(String(start.pid));`;
  const daemonProgram = `const { readinessFromEnvironment } = await import('${READINESS}');
    const readiness = readinessFromEnvironment(process.env);${body}`;
  const waiting = spawn(process.execPath, ['--input-type=module', '-e', program, daemonProgram]);
  let out = '';
  let err = '';
  waiting.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  waiting.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  // 'close' comes when every holder of the pipes is gone: the daemon must not be one.
  await new Promise((resolve) => waiting.once('close', resolve));
  process.kill(Number(out), 'SIGKILL');
  t.is(err, 'from the hook\n');
});

test('a signal for the waiting command is passed on, and the daemon undoes its work', async (t) => {
  const program = `
    const { daemonize } = await import('${DAEMONIZE}');
    const start = await daemonize({ command: process.execPath, args: ['--input-type=module', '-e',
      process.argv[1]], env: process.env, inherited: new Map(), keepStderr: false,
      onMessage: ({ text }) => process.stdout.write(text + '\\n') });
    process.stdout.write(JSON.stringify(start));`;
  const daemonProgram = `const { readinessFromEnvironment } = await import('${READINESS}');
    const readiness = readinessFromEnvironment(process.env);
    process.on('SIGTERM', () => { readiness.step('undone'); process.exit(0); });
    readiness.step('begun');
    setInterval(() => undefined, 1000);`;
  const waiting = spawn(process.execPath, ['--input-type=module', '-e', program, daemonProgram]);
  let out = '';
  waiting.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (out === 'begun\n') waiting.kill('SIGINT');
  });
  await new Promise((resolve) => waiting.once('close', resolve));
  t.is(out, 'begun\nundone\n{"kind":"interrupted","signal":"SIGINT"}');
});

test('the variables are taken out of the environment', (t) => {
  const env: NodeJS.ProcessEnv = { BEAM_READY_FD: '97', BEAM_OUTPUT_FD: '98', OTHER: 'stays' };
  t.is(readinessFromEnvironment(env)?.outputFd, 98);
  t.deepEqual(env, { OTHER: 'stays' });
});

test('descriptors that are not open do no harm', (t) => {
  const readiness = readinessFromEnvironment({ BEAM_READY_FD: '99998', BEAM_OUTPUT_FD: '99999' });
  t.notThrows(() => {
    readiness?.step('lost');
    readiness?.ready();
  });
});

for (const text of ['', '-1', '3.5', 'three', '0x3', '99999999999']) {
  test(`BEAM_READY_FD=${text || '(empty)'} is nobody who waits`, (t) => {
    t.is(readinessFromEnvironment({ BEAM_READY_FD: text }), null);
  });
}

for (const line of ['', '{', 'null', '[]', '{"kind":"step"}', '{"kind":"failed","errors":1}']) {
  test(`${line || 'an empty line'} is no message`, (t) => {
    t.is(parseReadyMessage(line), null);
  });
}

test('a daemon keeps standard error only if its log was asked for', (t) => {
  t.false(keepsStderr({}));
  t.false(keepsStderr({ LOG_LEVEL: '' }));
  t.false(keepsStderr({ LOG_LEVEL: 'silent' }));
  t.true(keepsStderr({ LOG_LEVEL: 'verbose' }));
  t.false(keepsStderr({ JOURNAL_STREAM: '1:1' }), 'another stream is the journal');
  t.false(keepsStderr({ JOURNAL_STREAM: 'nonsense' }));
});
