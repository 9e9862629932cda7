// The client of the handshake bench, run inside a namespace that owns 10.66.0.0/16: one socket and
// one address for each identity, a window of open handshakes, answers counted.
//
//   handshakeClient <address> <port> <publicKey> <file of private keys in hex>
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { instant, wallTime } from '../src/base/time.js';
import { CookieStamper } from '../src/handshake/cookie.js';
import { tai64n } from '../src/handshake/timestamp.js';
import {
  createInitiation,
  createRemoteIdentity,
  createStaticIdentity,
} from '../src/handshake/wireguard.js';

const WINDOW = 16;
const RESEND_MS = 500;
const GIVE_UP_MS = 20_000;
const RESPONSE_TYPE = 2;
const COOKIE_TYPE = 3;

const [address = '', portText = '', publicKeyText = '', file = ''] = process.argv.slice(2);
const port = Number(portText);
const publicKey = Buffer.from(publicKeyText, 'base64');
const now = (): ReturnType<typeof instant> => instant(performance.now());

interface Attempt {
  send(): void;
  readonly answered: () => boolean;
}

let answered = 0;
let next = 0;
const attempts: Attempt[] = [];

async function prepare(privateKey: Uint8Array, index: number): Promise<Attempt> {
  const local = createStaticIdentity(privateKey);
  const remote = createRemoteIdentity(local, publicKey, null);
  const stamper = new CookieStamper(publicKey);
  const { message } = createInitiation({
    local,
    remote,
    localIndex: index,
    timestamp: tai64n(wallTime(Date.now())),
    entropy: (byteLength) => randomBytes(byteLength),
  })!;
  stamper.stamp(message, now());
  const socket = createSocket('udp4');
  socket.bind(0, `10.66.${index >> 8}.${index & 255}`);
  await once(socket, 'listening');
  let isAnswered = false;
  const send = (): void => socket.send(message, port, address);
  socket.on('message', (bytes) => {
    if (bytes[0] === COOKIE_TYPE && stamper.consumeReply(bytes, now())) {
      stamper.stamp(message, now());
      send();
    } else if (bytes[0] === RESPONSE_TYPE && !isAnswered) {
      isAnswered = true;
      answered++;
      socket.close();
      startNext();
    }
  });
  return { send, answered: () => isAnswered };
}

function startNext(): void {
  const attempt = attempts[next];
  if (attempt === undefined) return;
  next++;
  attempt.send();
}

const keys = readFileSync(file, 'utf8').split('\n');
for (const [index, key] of keys.entries()) {
  attempts.push(await prepare(Buffer.from(key, 'hex'), index));
}
const startMs = performance.now();
for (let i = 0; i < WINDOW; i++) startNext();
const resend = setInterval(() => {
  for (const attempt of attempts.slice(0, next)) if (!attempt.answered()) attempt.send();
}, RESEND_MS);
while (answered < attempts.length && performance.now() - startMs < GIVE_UP_MS) {
  await new Promise((resume) => setTimeout(resume, 1));
}
clearInterval(resend);
const seconds = (performance.now() - startMs) / 1_000;
process.stdout.write(`${JSON.stringify({ answered, seconds })}\n`);
process.exit(0);
