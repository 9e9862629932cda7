// What a service manager is told, by the addon or by systemd-notify. SPEC.md 9.6, sd_notify(3).
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadIoAddon } from '../../../src/platform/addon.js';
import { serviceManager, type SendUnixDatagram } from '../../../src/platform/systemd.js';
import { skip } from '../../support/skip.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-notify-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** A sender that keeps what it is given and answers with `result`. */
function recorder(result = 0): { send: SendUnixDatagram; sent: [string, string][] } {
  const sent: [string, string][] = [];
  return {
    sent,
    send: (path, text) => {
      sent.push([path, text]);
      return result;
    },
  };
}

test('without a service manager nothing is said to anybody', async (t) => {
  for (const env of [{}, { NOTIFY_SOCKET: '' }]) {
    const { send, sent } = recorder();
    const manager = serviceManager(env, send);
    t.false(manager.present);
    await manager.ready('up');
    await manager.reloading();
    await manager.stopping();
    t.deepEqual(sent, []);
  }
});

test('the socket is taken out of the environment, so that hooks cannot speak for the service', (t) => {
  const env = { NOTIFY_SOCKET: '/run/notify', PATH: '/bin' };
  t.true(serviceManager(env, recorder().send).present);
  t.deepEqual(env, { PATH: '/bin' } as typeof env);
});

test('each event is one datagram of the protocol', async (t) => {
  const { send, sent } = recorder();
  const manager = serviceManager({ NOTIFY_SOCKET: '/run/notify' }, send);
  const before = process.hrtime.bigint() / 1000n;
  await manager.ready('beam0 is up, 1 peer');
  await manager.reloading();
  await manager.status('2 peers');
  await manager.stopping();
  const after = process.hrtime.bigint() / 1000n;
  t.true(sent.every(([path]) => path === '/run/notify'));
  const [ready, reloading, ...others] = sent.map(([, text]) => text);
  t.is(ready, 'READY=1\nSTATUS=beam0 is up, 1 peer');
  const monotonicUs = BigInt(/^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading!)![1]!);
  t.true(before <= monotonicUs && monotonicUs <= after);
  t.deepEqual(others, ['STATUS=2 peers', 'STOPPING=1']);
});

test('a status of several lines cannot smuggle an assignment in', async (t) => {
  const { send, sent } = recorder();
  await serviceManager({ NOTIFY_SOCKET: '/run/notify' }, send).ready('up\r\nMAINPID=1\nx');
  t.is(sent[0]![1], 'READY=1\nSTATUS=up MAINPID=1 x');
});

test('an address that begins with @ is in the abstract namespace', async (t) => {
  const { send, sent } = recorder();
  await serviceManager({ NOTIFY_SOCKET: '@org/x' }, send).stopping();
  t.is(sent[0]![0], '\0org/x');
});

test('ready must be heard; the rest is best effort', async (t) => {
  const ECONNREFUSED = -111;
  const manager = serviceManager({ NOTIFY_SOCKET: '/run/notify' }, recorder(ECONNREFUSED).send);
  await t.throwsAsync(manager.ready('up'), { code: 'E_NOTIFY', message: /errno 111/ });
  await t.notThrowsAsync(manager.reloading());
  await t.notThrowsAsync(manager.status('up'));
  await t.notThrowsAsync(manager.stopping());
});

test.serial(
  'without the addon systemd-notify is run with the socket and a word a line',
  async (t) => {
    const log = join(folder, 'log');
    const program = join(folder, 'systemd-notify');
    writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$NOTIFY_SOCKET" "$@" > '${log}'\n`);
    chmodSync(program, 0o755);
    const path = process.env['PATH'];
    process.env['PATH'] = `${folder}:${path ?? ''}`;
    t.teardown(() => (process.env['PATH'] = path));
    await serviceManager({ NOTIFY_SOCKET: '/run/notify' }, null).ready('two words');
    t.is(readFileSync(log, 'utf8'), '/run/notify\nREADY=1\nSTATUS=two words\n');
  },
);

test.serial('without the addon and systemd-notify the start fails with words', async (t) => {
  const path = process.env['PATH'];
  process.env['PATH'] = join(folder, 'nothing');
  t.teardown(() => (process.env['PATH'] = path));
  const manager = serviceManager({ NOTIFY_SOCKET: '/run/notify' }, null);
  await t.throwsAsync(manager.ready('up'), { code: 'E_NOTIFY', message: /systemd-notify/ });
  await t.notThrowsAsync(manager.stopping());
});

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', '\\0', 1))
print('bound', flush=True)
print(s.recv(65536).decode(), flush=True)
`;

for (const [what, address] of [
  ['a path', join(folder, 'notify.sock')],
  ['an abstract address', `@beam-notify-${process.pid}`],
] as const) {
  test(`the addon's datagram arrives at ${what}`, async (t) => {
    const { addon } = loadIoAddon();
    if (addon === null) { skip(t, 'the native addon is not built'); return; }
    if (spawnSync('python3', ['--version']).status !== 0) {
      skip(t, 'python3, which receives, is not installed'); return;
    }
    const receiver = spawn('python3', ['-c', RECEIVER, address], { timeout: 10_000 });
    let heard = '';
    receiver.stdout.setEncoding('utf8').on('data', (text: string) => (heard += text));
    await new Promise((resolve) => receiver.stdout.once('data', resolve));
    const send: SendUnixDatagram = (path, text) =>
      addon.sendUnixDatagram(Buffer.from(path), Buffer.from(text));
    await serviceManager({ NOTIFY_SOCKET: address }, send).ready('käse');
    await new Promise((resolve) => receiver.once('close', resolve));
    t.is(heard, 'bound\nREADY=1\nSTATUS=käse\n');
  });
}

test('a socket that nobody has is an errno, not an exception', (t) => {
  const { addon } = loadIoAddon();
  if (addon === null) { skip(t, 'the native addon is not built'); return; }
  const ENOENT = -2;
  t.is(addon.sendUnixDatagram(Buffer.from(join(folder, 'none')), Buffer.from('x')), ENOENT);
  t.true(addon.sendUnixDatagram(Buffer.from('x'.repeat(200)), Buffer.from('x')) < 0);
  t.true(addon.sendUnixDatagram(Buffer.from(''), Buffer.from('x')) < 0);
});
