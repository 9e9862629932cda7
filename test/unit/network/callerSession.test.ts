// Who sits at the far end: SSH_CONNECTION and /proc/net/tcp. SPEC.md 8.7.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'ava';
import {
  findCallerSession,
  parseSshConnection,
  parseTcpTable,
} from '../../../src/platform/network/callerSession.js';

test('SSH_CONNECTION names both ends', (t) => {
  t.deepEqual(parseSshConnection('203.0.113.7 50022 192.0.2.1 22'), {
    client: '203.0.113.7',
    server: '192.0.2.1',
    serverPort: 22,
  });
  t.deepEqual(parseSshConnection('2001:DB8::7 1 2001:db8::1 2222')?.client, '2001:db8::7');
});

test('IPv4 in IPv6 form and zones are taken off', (t) => {
  t.is(parseSshConnection('::ffff:203.0.113.7 1 ::ffff:192.0.2.1 22')?.server, '192.0.2.1');
  t.is(parseSshConnection('fe80::1%eth0 1 fe80::2%eth0 22')?.client, 'fe80::1');
});

for (const text of [
  undefined,
  '',
  'UNKNOWN 65535 UNKNOWN 65535',
  '203.0.113.7 1',
  '203.0.113.7 1 192.0.2.1 port',
  'a b c d',
])
  test(`${text === undefined ? 'no variable' : JSON.stringify(text)} is no session`, (t) => {
    t.is(parseSshConnection(text), null);
  });

test('/proc/net/tcp is read in both families, established connections only', (t) => {
  const head =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const rows = [
    '   0: 010200C0:0016 077100CB:C366 01 00000000:00000000 00:00000000 00000000     0        0 31337 1 0 20 4',
    '   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20 4',
    '   2: B80D0120000000000000000001000000:0016 0000000000000000FFFF0000077100CB:C366 01 0:0 0:0 0 0 0 6 1',
    '   3: garbage',
  ];
  t.deepEqual(parseTcpTable(head + rows.join('\n')), [
    { client: '203.0.113.7', server: '192.0.2.1', serverPort: 22, inode: '31337' },
    { client: '203.0.113.7', server: '2001:db8::1', serverPort: 22, inode: '6' },
  ]);
});

test('the own environment comes first', (t) => {
  const environment = { SSH_CONNECTION: '203.0.113.7 50022 192.0.2.1 22' };
  t.is(findCallerSession(environment, process.pid)?.client, '203.0.113.7');
});

test("an ancestor's environment is looked at where the own one was cleared, as sudo does", async (t) => {
  const script = 'env -i sleep 5 & echo $!; wait';
  const shell = spawn('sh', ['-c', script], {
    env: { ...process.env, SSH_CONNECTION: '203.0.113.8 50022 192.0.2.1 22' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    t.is(findCallerSession({}, Number(line.toString()))?.client, '203.0.113.8');
  } finally {
    const ended = once(shell, 'exit');
    process.kill(shell.pid!);
    await ended;
  }
});

test('a connection that an ancestor named like an SSH server holds is the session', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = spawn('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}; read -r <&3`]);
  const [socket] = await accepted;
  const before = process.title;
  try {
    t.is(findCallerSession({}, process.pid), null);
    const child = spawn('sleep', ['5'], { env: {} });
    process.title = 'sshd';
    t.deepEqual(findCallerSession({}, child.pid!), {
      client: '127.0.0.1',
      server: '127.0.0.1',
      serverPort: port,
    });
    child.kill();
  } finally {
    process.title = before;
    client.kill();
    socket.destroy();
    server.close();
  }
});
