// The control socket with clients that behave, that crowd, and that mean ill. SPEC.md 9.3.
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { askDaemon, listControlSockets } from '../../../src/platform/controlClient.js';
import {
  CONTROL_REQUEST_BYTES,
  controlSocketPath,
  startControlServer,
  type ControlHandler,
} from '../../../src/platform/controlServer.js';
import { connectUnix } from '../../../src/platform/unixSocket.js';
import type { ControlAnswer } from '../../../src/ports/control.js';

const DONE: ControlAnswer = { ok: true, result: { kind: 'done' } };
const NAME = 'wg0';

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(t: ExecutionContext, handle: ControlHandler): Promise<string> {
  const folder = folderFor(t);
  const server = await startControlServer({ interfaceName: NAME, handle, folder });
  t.teardown(() => server.close());
  return folder;
}

/** What the server sends until it closes, or until `lines` lines have come. */
async function converse(folder: string, bytes: string | Buffer, lines: number): Promise<string> {
  const socket = await connectUnix(controlSocketPath(NAME, folder), 1_000);
  socket.write(bytes);
  return readLines(socket, lines);
}

function readLines(socket: Socket, lines: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.split('\n').length > lines) finish();
    });
    socket.on('close', finish);
    socket.on('error', finish);
  });
}

const ask = (folder: string): Promise<ControlAnswer> =>
  askDaemon(NAME, { method: 'save' }, { timeoutMs: 5_000, folder });

test('a request is answered, and the socket is for its owner alone', async (t) => {
  const folder = await serve(t, () => Promise.resolve(DONE));
  t.deepEqual(await ask(folder), DONE);
  t.is(statSync(controlSocketPath(NAME, folder)).mode & 0o777, 0o600);
  t.is(statSync(folder).mode & 0o777, 0o700);
  t.deepEqual(await listControlSockets(folder), [NAME]);
});

test('clients are served side by side: a slow request holds up nobody else', async (t) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const folder = await serve(t, async ({ method }) => {
    if (method === 'down') await held;
    return DONE;
  });
  const down = { method: 'down', force: false, session: null } as const;
  const slow = askDaemon(NAME, down, { timeoutMs: 5_000, folder });
  t.deepEqual(await Promise.all([ask(folder), ask(folder), ask(folder)]), [DONE, DONE, DONE]);
  release();
  t.deepEqual(await slow, DONE);
});

test('requests of one client are answered in order, one at a time', async (t) => {
  let underWay = 0;
  let most = 0;
  const folder = await serve(t, async () => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    return DONE;
  });
  const request = `${JSON.stringify({ method: 'save' })}\n`;
  t.is(await converse(folder, request.repeat(5), 5), `${JSON.stringify(DONE)}\n`.repeat(5));
  t.is(most, 1);
});

test('an answer is whole although its request came a byte at a time', async (t) => {
  const folder = await serve(t, () => Promise.resolve(DONE));
  const socket = await connectUnix(controlSocketPath(NAME, folder), 1_000);
  const answer = readLines(socket, 1);
  for (const character of '{"method":"save"}\n') {
    socket.write(character);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(await answer, `${JSON.stringify(DONE)}\n`);
});

for (const [what, line] of [
  ['what is no JSON', 'status'],
  ['an empty line', ''],
  ['JSON that is no object', '"status"'],
  ['null', 'null'],
  ['an array', '[{"method":"status"}]'],
  ['a method that does not exist', '{"method":"stauts"}'],
  ['a method of an inherited name', '{"method":"constructor"}'],
  ['a missing field', '{"method":"reload"}'],
  ['a field of the wrong type', '{"method":"reload","force":1,"session":null}'],
  ['an unknown field', '{"method":"status","more":true}'],
  ['a session without a server', '{"method":"down","force":true,"session":{"client":"::1"}}'],
  [
    'a session at port 0',
    '{"method":"down","force":true,"session":{"client":"::1","server":"::1","serverPort":0}}',
  ],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
] as const) {
  test(`refuses ${what}, and goes on serving`, async (t) => {
    const handled: unknown[] = [];
    const folder = await serve(t, (request) => {
      handled.push(request);
      return Promise.resolve(DONE);
    });
    const bytes = Buffer.concat([Buffer.from(line), Buffer.from('\n')]);
    t.regex(await converse(folder, bytes, 1), /"ok":false.*E_CONTROL_REQUEST/);
    t.deepEqual(handled, []);
    t.deepEqual(await ask(folder), DONE);
  });
}

test('a line past its limit is answered once and ends the connection', async (t) => {
  const folder = await serve(t, () => Promise.resolve(DONE));
  const flood = Buffer.alloc(CONTROL_REQUEST_BYTES + 2, 'x');
  const text = await converse(folder, flood, 99);
  t.regex(text, /^\{"ok":false.*E_CONTROL_REQUEST.*\n$/);
  t.deepEqual(await ask(folder), DONE);
});

test('a client that leaves in the middle of its request harms nobody', async (t) => {
  const folder = await serve(t, () => Promise.resolve(DONE));
  const socket = await connectUnix(controlSocketPath(NAME, folder), 1_000);
  socket.write('{"method":');
  socket.destroy();
  t.deepEqual(await ask(folder), DONE);
});

test('a client that leaves before its answer harms nobody', async (t) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let first = true;
  const folder = await serve(t, async () => {
    if (first) {
      first = false;
      await held;
    }
    return DONE;
  });
  const socket = await connectUnix(controlSocketPath(NAME, folder), 1_000);
  socket.write('{"method":"save"}\n');
  const second = ask(folder);
  socket.destroy();
  release();
  t.deepEqual(await second, DONE);
});

test('no more than 64 clients are served; the place of one that leaves is free again', async (t) => {
  const folder = await serve(t, () => Promise.resolve(DONE));
  const crowd = await Promise.all(
    Array.from({ length: 64 }, () => connectUnix(controlSocketPath(NAME, folder), 1_000)),
  );
  await t.throwsAsync(ask(folder), { code: 'E_DAEMON_SILENT' });
  for (const socket of crowd) socket.destroy();
  await Promise.all(crowd.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(await ask(folder), DONE);
});

const details = {
  code: 'E_TEST',
  place: 'here',
  expected: 'one',
  found: 'two',
  remedy: 'mend it',
} as const;

test('operator errors come back as they are, also several of them', async (t) => {
  const error = new OperatorError(details);
  const one = await serve(t, () => Promise.reject(error));
  t.deepEqual(await ask(one), { ok: false, errors: [details] });
  const two = await serve(t, () => Promise.reject(new AggregateError([error, error])));
  t.deepEqual(await ask(two), { ok: false, errors: [details, details] });
});

test('a bug in the handler is answered as one, and the server lives', async (t) => {
  let calls = 0;
  const folder = await serve(t, () =>
    calls++ === 0 ? Promise.reject(new Error('broken')) : Promise.resolve(DONE),
  );
  const answer = await ask(folder);
  t.is(answer.ok ? null : answer.errors[0]?.code, 'E_BUG');
  t.deepEqual(await ask(folder), DONE);
});

test('a socket that somebody answers at is not taken over', async (t) => {
  const folder = await serve(t, () => Promise.resolve(DONE));
  const second = startControlServer({
    interfaceName: NAME,
    handle: () => Promise.resolve(DONE),
    folder,
  });
  await t.throwsAsync(second, { code: 'E_ALREADY_RUNNING' });
  t.deepEqual(await ask(folder), DONE, 'the first one still serves');
});

test('the socket of a dead daemon is replaced', async (t) => {
  const folder = folderFor(t);
  const path = controlSocketPath(NAME, folder);
  // As after kill -9: the file is there and nobody listens.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(`${path}.old`, resolve));
  renameSync(`${path}.old`, path);
  await new Promise((resolve) => dead.close(resolve));
  await t.throwsAsync(ask(folder), { code: 'E_NO_DAEMON' });
  const server = await startControlServer({
    interfaceName: NAME,
    handle: () => Promise.resolve(DONE),
    folder,
  });
  t.deepEqual(await ask(folder), DONE);
  await server.close();
  t.deepEqual(await listControlSockets(folder), []);
});

test('closing leaves a file alone that took the place of ours', async (t) => {
  const folder = folderFor(t);
  const server = await startControlServer({
    interfaceName: NAME,
    handle: () => Promise.resolve(DONE),
    folder,
  });
  rmSync(server.path);
  writeFileSync(server.path, 'another');
  await server.close();
  t.is(statSync(server.path).size, 'another'.length);
});

test('closing lets the answer under way go out', async (t) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let started: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (started = resolve));
  const folder = folderFor(t);
  const server = await startControlServer({
    interfaceName: NAME,
    folder,
    handle: async () => {
      started();
      await held;
      return DONE;
    },
  });
  const answer = ask(folder);
  await begun;
  const closed = server.close();
  release();
  t.deepEqual(await answer, DONE);
  await closed;
});

test('nobody there is E_NO_DAEMON', async (t) => {
  await t.throwsAsync(ask(folderFor(t)), { code: 'E_NO_DAEMON' });
});

for (const [what, reply, code] of [
  ['what is no JSON', 'hello\n', 'E_CONTROL_ANSWER'],
  ['JSON of another shape', '{"ok":"yes"}\n', 'E_CONTROL_ANSWER'],
  ['an end without an answer', '', 'E_DAEMON_SILENT'],
] as const) {
  test(`the client tells ${what} from an answer`, async (t) => {
    const folder = folderFor(t);
    const server = createServer((socket) => socket.end(reply));
    await new Promise<void>((resolve) => server.listen(controlSocketPath(NAME, folder), resolve));
    t.teardown(() => server.close());
    await t.throwsAsync(ask(folder), { code });
  });
}
