// As many small packets as one core makes, run inside a namespace: 64-byte datagrams that look like
// transport messages with an index that is nobody's.
//
//   netnsPackets <address> <port> <seconds>
//
// Ends with how many were sent.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { setImmediate as afterPolling } from 'node:timers/promises';

const [address, port, seconds] = process.argv.slice(2);
const socket = createSocket({ type: 'udp4', sendBufferSize: 1024 * 1024 });
socket.on('error', () => undefined);
socket.connect(Number(port), address);
await new Promise((resolve) => socket.once('connect', resolve));
const datagrams = Array.from({ length: 64 }, () => {
  const bytes = randomBytes(64);
  bytes.writeUInt32LE(4, 0);
  return bytes;
});
let sent = 0;
const done = (error: Error | null): void => {
  if (error === null) sent++;
};
const endMs = performance.now() + Number(seconds) * 1000;
while (performance.now() < endMs) {
  for (const bytes of datagrams) socket.send(bytes, done);
  await afterPolling();
}
socket.close();
process.stdout.write(`${sent}\n`);
