// The UAPI's socket: framing under hostile input, several clients, and its own deletion. What the
// requests mean is tested elsewhere. SPEC.md 6.1, 9.2 and 9.3.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MAX_LINE_BYTES } from '../../../src/config/uapi/requestLimits.js';
import { listUapiSockets, uapiGet } from '../../../src/platform/uapiClient.js';
import {
  startUapiServer,
  uapiSocketPath,
  type UapiServer,
} from '../../../src/platform/uapiServer.js';
import { connectUnix } from '../../../src/platform/unixSocket.js';

const NAME = 'wg0';
const OK = 'errno=0\n\n';

interface Served {
  readonly folder: string;
  readonly server: UapiServer;
  readonly requests: string[];
  readonly deleted: Promise<void>;
}

async function serve(t: ExecutionContext, answer = OK): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  const requests: string[] = [];
  let onDeleted: () => void = () => undefined;
  const deleted = new Promise<void>((resolve) => (onDeleted = resolve));
  const server = await startUapiServer({
    interfaceName: NAME,
    folder,
    onDeleted,
    handle: (request) => {
      requests.push(request);
      return answer;
    },
  });
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, server, requests, deleted };
}

/** Sends pieces one by one; everything that comes back until `enough`, or until the end. */
async function converse(
  folder: string,
  pieces: readonly (string | Buffer)[],
  enough: (text: string) => boolean,
): Promise<{ readonly text: string; readonly closed: boolean }> {
  const socket = await connectUnix(uapiSocketPath(NAME, folder), 1_000);
  const outcome = new Promise<{ text: string; closed: boolean }>((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (enough(text)) resolve({ text, closed: false });
    });
    socket.on('close', () => resolve({ text, closed: true }));
    socket.on('error', () => undefined);
  });
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const result = await outcome;
  socket.destroy();
  return result;
}

const untilAnswers =
  (count: number) =>
  (text: string): boolean =>
    text.split('errno=').length > count && text.endsWith('\n\n');

test('get is handed on and answered; only root may connect', async (t) => {
  const { folder, requests, server } = await serve(t, `listen_port=5\n${OK}`);
  t.is(await uapiGet(NAME, { timeoutMs: 1_000, folder }), 'listen_port=5\nerrno=0\n');
  t.deepEqual(requests, ['get=1\n']);
  t.is(statSync(server.path).mode & 0o777, 0o600);
  t.deepEqual(await listUapiSockets(folder), [NAME]);
});

test('a request is the same however the stream is cut', async (t) => {
  const { folder, requests } = await serve(t);
  const set = 'set=1\nlisten_port=1\n\n';
  await converse(folder, [set], untilAnswers(1));
  await converse(folder, set.split(''), untilAnswers(1));
  await converse(folder, ['set=1\nlisten_port=1\n', '\n'], untilAnswers(1));
  t.deepEqual(requests, Array<string>(3).fill('set=1\nlisten_port=1\n'));
});

test('several requests in one piece are answered one after the other', async (t) => {
  const { folder, requests } = await serve(t);
  const { text } = await converse(
    folder,
    ['get=1\n\nset=1\nfwmark=1\n\nget=1\n\n'],
    untilAnswers(3),
  );
  t.is(text, OK.repeat(3));
  t.deepEqual(requests, ['get=1\n', 'set=1\nfwmark=1\n', 'get=1\n']);
});

test('carriage returns before line ends are taken off', async (t) => {
  const { folder, requests } = await serve(t);
  await converse(folder, ['set=1\nfwmark=1\r\n\r', '\n'], untilAnswers(1));
  t.deepEqual(requests, ['set=1\nfwmark=1\n']);
});

for (const [what, bytes] of [
  ['an unknown operation', 'put=1\n'],
  ['an empty line', '\n'],
  ['an operation in capitals', 'GET=1\n'],
  ['an operation with a carriage return', 'get=1\r\n\r\n'],
  ['binary noise', Buffer.from([0, 255, 10, 10, 13])],
  ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
] as const) {
  test(`${what} closes the connection unanswered`, async (t) => {
    const { folder, requests } = await serve(t);
    t.deepEqual(await converse(folder, [bytes], () => false), { text: '', closed: true });
    t.deepEqual(requests, []);
  });
}

test('a line past its limit is answered with EIO and ends the connection', async (t) => {
  const { folder, requests } = await serve(t);
  const line = 'x'.repeat(MAX_LINE_BYTES + 1);
  const outcome = await converse(folder, [`set=1\n${line}\n\n`], () => false);
  t.deepEqual(outcome, { text: 'errno=-5\n\n', closed: true });
  t.deepEqual(requests, []);
});

test('a request without its end is not handed on', async (t) => {
  const { folder, requests } = await serve(t);
  const socket = await connectUnix(uapiSocketPath(NAME, folder), 1_000);
  socket.end('set=1\nfwmark=1\n');
  await new Promise((resolve) => socket.once('close', resolve));
  await uapiGet(NAME, { timeoutMs: 1_000, folder });
  t.deepEqual(requests, ['get=1\n']);
});

test('65,000 allowed-IPs in one request arrive whole', async (t) => {
  const { folder, requests } = await serve(t);
  const lines = Array.from(
    { length: 65_000 },
    (_, i) => `allowed_ip=10.${i >> 8}.${i & 255}.0/24\n`,
  );
  const request = `set=1\npublic_key=${'0'.repeat(64)}\n${lines.join('')}`;
  t.is((await converse(folder, [`${request}\n`], untilAnswers(1))).text, OK);
  t.is(requests[0], request);
});

test('a client that does not read its answer holds up nobody', async (t) => {
  const { folder } = await serve(t, `${'x=1\n'.repeat(500_000)}${OK}`);
  const deaf = await connectUnix(uapiSocketPath(NAME, folder), 1_000);
  deaf.pause();
  deaf.write('get=1\n\n'.repeat(50));
  const text = await uapiGet(NAME, { timeoutMs: 5_000, folder });
  t.true(text.endsWith('errno=0\n'));
  deaf.destroy();
});

test('deleting the socket is noticed at once', async (t) => {
  const { server, deleted } = await serve(t);
  unlinkSync(server.path);
  await t.notThrowsAsync(deleted);
});

test('a socket that takes the place of ours counts as deletion, and is left alone', async (t) => {
  const { server, deleted } = await serve(t);
  unlinkSync(server.path);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(server.path, resolve));
  t.teardown(() => other.close());
  await deleted;
  await server.close();
  t.true(statSync(server.path).isSocket());
});

test('other files of the folder come and go unnoticed', async (t) => {
  const { folder, deleted, server } = await serve(t);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(join(folder, 'wg1.sock'), resolve));
  await new Promise((resolve) => other.close(resolve));
  await uapiGet(NAME, { timeoutMs: 1_000, folder });
  const verdict = await Promise.race([deleted.then(() => 'deleted'), Promise.resolve('there')]);
  t.is(verdict, 'there');
  await server.close();
});

test('an inherited listening socket is served, and its deletion noticed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = uapiSocketPath(NAME, folder);
  const module = new URL('../../../src/platform/uapiServer.js', import.meta.url).href;
  const serving = `
    const { startUapiServer } = await import('${module}');
    await startUapiServer({ interfaceName: '${NAME}', folder: '${folder}', inheritedFd: 3,
      onDeleted: () => process.exit(7), handle: () => 'fwmark=7\\nerrno=0\\n\\n' });
    process.stdout.write('up');`;
  // Waits in a call that blocks, so that it accepts no connection itself.
  const handingOn = `
    import { createServer } from 'node:net';
    import { spawnSync } from 'node:child_process';
    const server = createServer().listen('${path}', () => {
      const args = ['--input-type=module', '-e', process.argv[1]];
      const stdio = ['ignore', 'inherit', 'inherit', server._handle.fd];
      process.exit(spawnSync(process.execPath, args, { stdio }).status);
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', handingOn, serving], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await Promise.race([ended, new Promise((resolve) => child.stdout.once('data', resolve))]);
  t.is(await uapiGet(NAME, { timeoutMs: 5_000, folder }), 'fwmark=7\nerrno=0\n');
  unlinkSync(path);
  t.is(await ended, 7);
});
