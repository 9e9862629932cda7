// Small programs that the namespace tests run inside namespaces.
//
//   netnsTool receive <address> <port>                      one TCP connection to its end
//   netnsTool send <address> <port> <bytes> <bytesPerS>     pseudo-random bytes; 0: at full speed
//
//   netnsTool count <address> <port> <idleMs>               numbered datagrams, until none comes
//   netnsTool number <address> <port> <count> <perS> <bytes>  sends them, each of that many bytes
//
// `receive` and `send` end with the same line: byte count and SHA-256 of what went through (`send`
// says before it how long that took); `count`
// ends with how many came, how many of them were different, how many after a later one, and how many
// with other bytes than were sent.
import { createCipheriv, createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function receive([address, port]: readonly string[]): Promise<void> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(Number(port), address);
  await once(server, 'listening');
  print('listening');
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  socket.end();
  print(`${bytes} ${hash.digest('hex')}`);
}

const CHUNK_BYTES = 64 * 1024;

async function send([address, port, bytesText, rateText]: readonly string[]): Promise<void> {
  const [bytes, bytesPerS] = [Number(bytesText), Number(rateText)];
  const socket = connect({ host: address!, port: Number(port) });
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.resume();
  const keystream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
  const hash = createHash('sha256');
  const startMs = performance.now();
  for (let sent = 0; sent < bytes;) {
    const chunk = keystream.update(Buffer.alloc(Math.min(CHUNK_BYTES, bytes - sent)));
    hash.update(chunk);
    sent += chunk.length;
    if (!socket.write(chunk)) await once(socket, 'drain');
    if (bytesPerS > 0) {
      const aheadMs = (sent / bytesPerS) * 1000 - (performance.now() - startMs);
      if (aheadMs > 1) await delay(aheadMs);
    }
  }
  // The other end closes when it has read everything.
  socket.end();
  await closed;
  print(`${(performance.now() - startMs) / 1000} s`);
  print(`${bytes} ${hash.digest('hex')}`);
}

async function count([address, port, idleText]: readonly string[]): Promise<void> {
  const socket = createSocket({
    type: address!.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
  });
  socket.bind(Number(port), address);
  await once(socket, 'listening');
  print('listening');
  const seen = new Set<number>();
  let [received, last, late, damaged] = [0, -1, 0, 0];
  await new Promise<void>((resolve) => {
    let idle: NodeJS.Timeout | undefined;
    socket.on('message', (bytes) => {
      received++;
      const number = bytes.readUInt32BE(0);
      seen.add(number);
      if (!bytes.equals(numbered(number, bytes.length))) damaged++;
      if (number < last) late++;
      else last = number;
      clearTimeout(idle);
      idle = setTimeout(resolve, Number(idleText));
    });
  });
  socket.close();
  print(`${received} ${seen.size} ${late} ${damaged}`);
}

/** The number, then its hash over and over. */
function numbered(number: number, byteLength: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(number);
  const rest = Buffer.alloc(
    Math.max(0, byteLength - 4),
    createHash('sha256').update(head).digest(),
  );
  return Buffer.concat([head, rest]);
}

async function number([
  address,
  port,
  countText,
  rateText,
  size,
]: readonly string[]): Promise<void> {
  const socket = createSocket(address!.includes(':') ? 'udp6' : 'udp4');
  const startMs = performance.now();
  for (let sent = 0; sent < Number(countText); sent++) {
    const bytes = numbered(sent, Number(size));
    const out = new Promise<void>((done) => {
      socket.send(bytes, Number(port), address, () => done());
    });
    // Only a socket that stays open until then sends its last datagrams.
    if (sent === Number(countText) - 1) await out;
    const aheadMs = (sent / Number(rateText)) * 1000 - (performance.now() - startMs);
    if (aheadMs > 1) await delay(aheadMs);
  }
  socket.close();
}

const [program, ...args] = process.argv.slice(2);
switch (program) {
  case 'receive':
    await receive(args);
    break;
  case 'send':
    await send(args);
    break;
  case 'count':
    await count(args);
    break;
  case 'number':
    await number(args);
    break;
  default:
    throw new Error(`no such program: ${program}`);
}
