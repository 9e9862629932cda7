// What the control socket and the UAPI have in common: clients that close their half, that say
// nothing, that don't read. SPEC.md 9.3.
import { mkdtempSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  startRequestServer,
  type RequestFraming,
  type RequestServerOptions,
} from '../../../src/platform/unixServer.js';
import {
  connectUnix,
  isAnswered,
  removeDeadSocket,
  removeSocket,
} from '../../../src/platform/unixSocket.js';

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Requests are lines. */
function lines(): RequestFraming {
  let text = '';
  return {
    push: (chunk) => {
      text += chunk.toString('latin1');
    },
    next: () => {
      const end = text.indexOf('\n');
      if (end < 0) return null;
      const request = text.slice(0, end);
      text = text.slice(end + 1);
      return { kind: 'request', text: request };
    },
  };
}

async function serve(
  t: ExecutionContext,
  options: Partial<RequestServerOptions> = {},
): Promise<string> {
  const path = join(folderFor(t), 'wg0.sock');
  const server = await startRequestServer({
    path,
    folderMode: 0o700,
    ownFolder: true,
    inheritedFd: null,
    maxClients: 8,
    idleMs: 60_000,
    framing: lines,
    answer: (request) => Promise.resolve(`${request}!\n`),
    ...options,
  });
  t.teardown(() => server.close());
  return path;
}

/** Everything that comes until the server closes. */
function untilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

const halfOpen = (path: string): Socket => createConnection({ path, allowHalfOpen: true });

/** Lets everything that is due happen, a few times over. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('who closes its half after the request gets the answers, as with nc -N', async (t) => {
  const path = await serve(t);
  const socket = halfOpen(path);
  socket.end('one\ntwo\n');
  const text = await untilClosed(socket.on('end', () => socket.destroy()));
  t.is(text, 'one!\ntwo!\n');
});

test('also when the answer takes its time, and is large', async (t) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const large = 'x'.repeat(3_000_000);
  let called: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (called = resolve));
  const path = await serve(t, {
    answer: async () => {
      called();
      await held;
      return large;
    },
  });
  const socket = halfOpen(path);
  socket.end('one\n');
  const text = untilClosed(socket.on('end', () => socket.destroy()));
  await begun;
  await settle();
  release();
  t.is((await text).length, large.length);
});

test('a client that says nothing is let go after a while', async (t) => {
  const path = await serve(t, { idleMs: 20 });
  const silent = await connectUnix(path, 1_000);
  t.is(await untilClosed(silent), '');
  const half = await connectUnix(path, 1_000);
  half.write('no end');
  t.is(await untilClosed(half), '');
});

test('one whose request is being carried out is not silent', async (t) => {
  const idleMs = 20;
  let calls = 0;
  const path = await serve(t, {
    idleMs,
    answer: async () => {
      calls++;
      // Other clients that say nothing are let go meanwhile.
      for (let i = 0; i < 3; i++) await untilClosed(await connectUnix(path, 1_000));
      return 'done\n';
    },
  });
  const socket = await connectUnix(path, 1_000);
  socket.write('one\n');
  t.is(await untilClosed(socket), 'done\n');
  t.is(calls, 1);
});

test('a client that does not read its answer is let go after a while', async (t) => {
  const path = await serve(t, { idleMs: 50, answer: () => Promise.resolve('x'.repeat(3_000_000)) });
  const deaf = await connectUnix(path, 1_000);
  deaf.pause();
  deaf.write('one\n'.repeat(20));
  // Each of these is let go after the same while.
  for (let i = 0; i < 5; i++) await untilClosed(await connectUnix(path, 1_000));
  deaf.resume();
  const { length } = await untilClosed(deaf);
  t.true(length < 20 * 3_000_000, 'it did not get all');
});

test('bytes after a refusal are not served', async (t) => {
  const answered: string[] = [];
  const path = await serve(t, {
    framing: () => {
      const framing = lines();
      return {
        push: (chunk) => framing.push(chunk),
        next: () => {
          const next = framing.next();
          const bad = next?.kind === 'request' && next.text === 'bad';
          return bad ? { kind: 'refused', answer: 'no\n' } : next;
        },
      };
    },
    answer: (request) => {
      answered.push(request);
      return Promise.resolve(`${request}!\n`);
    },
  });
  const socket = await connectUnix(path, 1_000);
  socket.write('good\nbad\nworse\n');
  t.is(await untilClosed(socket), 'good!\nno\n');
  t.deepEqual(answered, ['good']);
});

test('a path longer than a socket address holds is refused and leaves nothing', async (t) => {
  const path = join(folderFor(t), `${'n'.repeat(120)}.sock`);
  const options = { folderMode: 0o700, ownFolder: true, inheritedFd: null, maxClients: 1 };
  const failed = startRequestServer({
    ...{ ...options, path, idleMs: 1_000, framing: lines },
    answer: () => Promise.resolve(''),
  });
  await t.throwsAsync(failed, { code: 'E_SOCKET' });
  t.false(existsSync(path));
});

test('a folder that is a file is refused with words', async (t) => {
  const file = join(folderFor(t), 'file');
  writeFileSync(file, '');
  const failed = startRequestServer({
    ...{ path: join(file, 'wg0.sock'), folderMode: 0o700, ownFolder: true, inheritedFd: null },
    ...{ maxClients: 1, idleMs: 1_000, framing: lines, answer: () => Promise.resolve('') },
  });
  await t.throwsAsync(failed, { code: 'E_SOCKET', message: /remedy: / });
});

test('a descriptor that is no listening socket is refused', async (t) => {
  const failed = startRequestServer({
    ...{ path: join(folderFor(t), 'wg0.sock'), folderMode: 0o700, ownFolder: true },
    ...{ inheritedFd: 0x7fff, maxClients: 1, idleMs: 1_000, framing: lines },
    answer: () => Promise.resolve(''),
  });
  await t.throwsAsync(failed, { code: 'E_SOCKET' });
});

test('only a socket that nobody answers at is removed as dead', async (t) => {
  const path = await serve(t);
  await removeDeadSocket(path);
  t.true(await isAnswered(path));
  await removeDeadSocket(join(folderFor(t), 'none.sock'));
  await removeSocket({ path, device: 0n, inode: 0n });
  t.true(existsSync(path), 'another file of the same name stays');
});

test('a socket whose backlog is full counts as answered', async (t) => {
  const path = join(folderFor(t), 'wg0.sock');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, 0, resolve));
  t.teardown(() => server.close());
  t.true(await isAnswered(path));
  const file = join(folderFor(t), 'file');
  writeFileSync(file, '');
  t.false(await isAnswered(file), 'a plain file is nobody');
});
