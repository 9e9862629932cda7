// What a service manager is told, up to datagrams that another process receives. SPEC.md 9.6.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadIoAddon } from '../../../src/platform/addon.js';
import { serviceManager, type SendUnixDatagram } from '../../../src/platform/systemd.js';
import { skip } from '../../support/skip.js';

/** A manager at `socket`, and what was sent. */
function managed(socket: string, result = 0) {
  const sent: [path: string, text: string][] = [];
  const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: socket, OTHER: 'stays' };
  const manager = serviceManager(env, (path, text) => {
    sent.push([path, text]);
    return result;
  });
  return { manager, sent, env };
}

test('the variable is taken out of the environment: hooks cannot speak for the service', (t) => {
  t.deepEqual(managed('/run/notify').env, { OTHER: 'stays' });
});

for (const env of [{}, { NOTIFY_SOCKET: '' }]) {
  test(`without a service manager (${JSON.stringify(env)}) nothing is sent`, async (t) => {
    const manager = serviceManager({ ...env }, () => {
      throw new Error('sent');
    });
    t.false(manager.present);
    await manager.ready('up');
    await manager.reloading();
    await manager.stopping();
    await manager.status('up');
  });
}

test('each call is one datagram in the words of sd_notify', async (t) => {
  const { manager, sent } = managed('/run/systemd/notify');
  t.true(manager.present);
  await manager.ready('wg0: 3 peers');
  await manager.status('2 peers');
  await manager.stopping();
  t.deepEqual(sent, [
    ['/run/systemd/notify', 'READY=1\nSTATUS=wg0: 3 peers'],
    ['/run/systemd/notify', 'STATUS=2 peers'],
    ['/run/systemd/notify', 'STOPPING=1'],
  ]);
});

test('a reload says when it began, in microseconds of the monotonic clock', async (t) => {
  const { manager, sent } = managed('/run/systemd/notify');
  const before = process.hrtime.bigint() / 1000n;
  await manager.reloading();
  const after = process.hrtime.bigint() / 1000n;
  const at = BigInt(/^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(sent[0]![1])![1]!);
  t.true(before <= at && at <= after);
});

test('a status with line breaks cannot say anything else', async (t) => {
  const { manager, sent } = managed('/run/systemd/notify');
  await manager.ready('up\nSTOPPING=1\r\nMAINPID=1');
  await manager.status('\n\nERRNO=5');
  t.deepEqual(
    sent.map(([, text]) => text),
    ['READY=1\nSTATUS=up STOPPING=1 MAINPID=1', 'STATUS= ERRNO=5'],
  );
});

test('@ begins a name in the abstract namespace', async (t) => {
  const { manager, sent } = managed('@/org/systemd/notify');
  await manager.stopping();
  t.is(sent[0]![0], '\0/org/systemd/notify');
});

test('ready fails where it cannot be sent, what is only news does not', async (t) => {
  const { manager } = managed('/run/gone', -2);
  const error = await t.throwsAsync(manager.ready('up'), { code: 'E_NOTIFY' });
  t.regex(error.message, /NOTIFY_SOCKET=\/run\/gone/);
  await manager.reloading();
  await manager.status('up');
  await manager.stopping();
});

/** Binds a datagram socket and prints each datagram as a line; systemd-notify adds barriers. */
const RECEIVER = `
  use strict; use Socket; use IO::Handle; STDOUT->autoflush(1);
  my $path = $ARGV[0]; $path =~ s/^\\@/\\0/;
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
  bind($s, pack_sockaddr_un($path)) or die "bind: $!";
  print "bound\\n";
  while (defined recv($s, my $text, 65536, 0)) {
    next if $text =~ /^BARRIER=/;
    $text =~ s/\\n/|/g;
    print "$text\\n";
  }`;

const havePerl = spawnSync('perl', ['-e', 'use Socket']).status === 0;
const { addon } = loadIoAddon();
const sendDatagram: SendUnixDatagram | null =
  addon === null
    ? null
    : (path, text) => addon.sendUnixDatagram(Buffer.from(path), Buffer.from(text));

/** Resolves once it is bound; `lines` resolves with the next `count` datagrams. */
async function receiver(t: ExecutionContext, socket: string) {
  const child = spawn('perl', ['-e', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  let arrived: () => void = () => undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    arrived();
  });
  child.once('exit', () => arrived());
  const lines = async (count: number): Promise<string[]> => {
    while (text.split('\n').length <= count && child.exitCode === null) {
      await new Promise<void>((resolve) => (arrived = resolve));
    }
    const all = text.split('\n');
    text = all.slice(count).join('\n');
    return all.slice(0, count);
  };
  t.deepEqual(await lines(1), ['bound']);
  return lines;
}

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beam-t-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

for (const kind of ['path', 'abstract'] as const) {
  test(`datagrams arrive at a socket with ${kind === 'path' ? 'a path' : 'an abstract name'}`, async (t) => {
    if (!havePerl) {
      skip(t, 'perl is not installed');
      return;
    }
    if (sendDatagram === null) {
      skip(t, 'native/beam_io is not built');
      return;
    }
    const socket = kind === 'path' ? join(folderFor(t), 'notify') : `@beam-t-${process.pid}`;
    const lines = await receiver(t, socket);
    const manager = serviceManager({ NOTIFY_SOCKET: socket }, sendDatagram);
    await manager.ready('wg0: up');
    await manager.status('Büro');
    await manager.stopping();
    t.deepEqual(await lines(3), ['READY=1|STATUS=wg0: up', 'STATUS=Büro', 'STOPPING=1']);
  });
}

test('a socket that nobody receives at is E_NOTIFY', async (t) => {
  if (sendDatagram === null) {
    skip(t, 'native/beam_io is not built');
    return;
  }
  const folder = folderFor(t);
  for (const socket of [join(folder, 'missing'), folder, `@beam-t-${process.pid}-none`]) {
    const manager = serviceManager({ NOTIFY_SOCKET: socket }, sendDatagram);
    await t.throwsAsync(manager.ready('up'), { code: 'E_NOTIFY' }, socket);
    await t.notThrowsAsync(manager.stopping());
  }
});

for (const [what, socket] of [
  ['longer than a socket address holds', `/${'n'.repeat(108)}`],
  ['an abstract name longer than a socket address holds', `@${'n'.repeat(108)}`],
] as const) {
  test(`a path ${what} is E_NOTIFY and not cut off`, async (t) => {
    if (sendDatagram === null) {
      skip(t, 'native/beam_io is not built');
      return;
    }
    const manager = serviceManager({ NOTIFY_SOCKET: socket }, sendDatagram);
    await t.throwsAsync(manager.ready('up'), { code: 'E_NOTIFY' });
  });
}

test('without the addon systemd-notify says the same', async (t) => {
  if (!havePerl) {
    skip(t, 'perl is not installed');
    return;
  }
  if (spawnSync('systemd-notify', ['--version']).status !== 0) {
    skip(t, 'systemd-notify is not installed');
    return;
  }
  const socket = join(folderFor(t), 'notify');
  const lines = await receiver(t, socket);
  const manager = serviceManager({ NOTIFY_SOCKET: socket }, null);
  await manager.ready('wg0: up');
  await manager.stopping();
  t.deepEqual(await lines(2), ['READY=1|STATUS=wg0: up', 'STOPPING=1']);
});

test('systemd-notify is run with the socket and an argument for each assignment', async (t) => {
  const folder = folderFor(t);
  const log = join(folder, 'log');
  const program = `#!/bin/sh\nprintf '%s\\n' "$NOTIFY_SOCKET" "$@" > '${log}'\n`;
  writeFileSync(join(folder, 'systemd-notify'), program, { mode: 0o755 });
  const manager = serviceManager({ NOTIFY_SOCKET: '/run/notify' }, null);
  await withPath(`${folder}:/usr/bin:/bin`, () => manager.ready('two words'));
  t.is(readFileSync(log, 'utf8'), '/run/notify\nREADY=1\nSTATUS=two words\n');
});

test('without addon and systemd-notify ready is E_NOTIFY with a way out', async (t) => {
  const manager = serviceManager({ NOTIFY_SOCKET: '/run/notify' }, null);
  const empty = folderFor(t);
  const failed = withPath(empty, () => manager.ready('up'));
  const error = await t.throwsAsync(failed, { code: 'E_NOTIFY' });
  t.regex(error.message, /systemd-notify/);
  t.regex(error.message, /remedy: .*npm run setup/);
  await t.notThrowsAsync(withPath(empty, () => manager.stopping()));
});

/** The environment is read when the call is made: other tests never see this PATH. */
function withPath(path: string, call: () => Promise<void>): Promise<void> {
  const old = process.env['PATH'];
  process.env['PATH'] = path;
  try {
    return call();
  } finally {
    process.env['PATH'] = old;
  }
}

test('the addon answers with an errno, whatever the path', (t) => {
  if (sendDatagram === null) {
    skip(t, 'native/beam_io is not built');
    return;
  }
  const ENOENT = 2;
  t.is(sendDatagram(join(folderFor(t), 'none'), 'x'), -ENOENT);
  for (const path of ['', '\0', '/a\0b']) t.true(sendDatagram(path, 'x') < 0, JSON.stringify(path));
});
