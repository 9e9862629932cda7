// The relay itself (see netnsRelay.ts): one socket towards clients, one towards the target for each
// client, and a generator with a seed that decides what happens to each datagram.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { FAITHFUL } from './netnsRelay.js';
import type {
  Direction,
  RecordedDatagram,
  RelayCommand,
  RelayOptions,
  RelayRules,
} from './netnsRelay.js';

const options = JSON.parse(process.argv[2]!) as RelayOptions;
const family = options.listen.address.includes(':') ? 'udp6' : 'udp4';

let rules: RelayRules = FAITHFUL;
const recorded: RecordedDatagram[] = [];
const counts = { forwarded: 0, lost: 0, duplicated: 0, corrupted: 0, delayed: 0, injected: 0 };

/** xorshift32: 0 inclusive to 1 exclusive. */
let state = options.seed >>> 0 || 1;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state / 2 ** 32;
}

type Send = (bytes: Buffer) => void;

/** Every datagram takes the same number of throws, so that a seed means the same losses. */
function relay(direction: Direction, bytes: Buffer, send: Send): void {
  if (options.record) recorded.push({ direction, bytes: Buffer.from(bytes) });
  const [lose, duplicate, corrupt, delay, bit] = Array.from({ length: 5 }, random);
  if (lose! < rules.lose) {
    counts.lost++;
    return;
  }
  let out = bytes;
  if (corrupt! < rules.corrupt && bytes.length > 0) {
    counts.corrupted++;
    out = Buffer.from(bytes);
    const position = Math.floor(bit! * out.length * 8);
    out[position >> 3]! ^= 1 << (position & 7);
  }
  counts.forwarded++;
  if (delay! < rules.delay) {
    counts.delayed++;
    setTimeout(() => send(out), rules.delayMs);
  } else {
    send(out);
  }
  if (duplicate! < rules.duplicate) {
    counts.duplicated++;
    send(out);
  }
}

interface Client {
  readonly address: string;
  readonly port: number;
  readonly toTarget: Send;
  readonly toClient: Send;
}

const clients = new Map<string, Client>();
let latest: Client | null = null;
const downstream = createSocket({ type: family, recvBufferSize: 4 * 1024 * 1024 });

function clientOf(address: string, port: number): Client {
  const key = `${address} ${port}`;
  const known = clients.get(key);
  if (known !== undefined) return known;
  const upstream = createSocket({ type: family, recvBufferSize: 4 * 1024 * 1024 });
  const client: Client = {
    address,
    port,
    toTarget: (bytes) => upstream.send(bytes, options.target.port, options.target.address),
    toClient: (bytes) => downstream.send(bytes, port, address),
  };
  upstream.on('message', (bytes) => relay('toClient', bytes, client.toClient));
  upstream.on('error', () => undefined);
  clients.set(key, client);
  return client;
}

downstream.on('message', (bytes, { address, port }) => {
  latest = clientOf(address, port);
  relay('toTarget', bytes, latest.toTarget);
});
downstream.on('error', () => undefined);

const stranger = createSocket(family);
stranger.on('error', () => undefined);

function injectOne(direction: Direction, from: 'relay' | 'stranger', bytes: Buffer): void {
  if (latest === null) return;
  if (from === 'relay') latest[direction](bytes);
  else if (direction === 'toTarget') {
    stranger.send(bytes, options.target.port, options.target.address);
  } else {
    stranger.send(bytes, latest.port, latest.address);
  }
}

process.on('message', (command: RelayCommand) => {
  switch (command.kind) {
    case 'rules':
      rules = command.rules;
      break;
    case 'inject':
      counts.injected += command.datagrams.length;
      for (const bytes of command.datagrams) injectOne(command.direction, command.from, bytes);
      break;
    case 'counts':
      process.send!(counts);
      break;
    case 'recorded':
      process.send!(recorded);
  }
});
process.on('disconnect', () => process.exit(0));

downstream.bind(options.listen.port, options.listen.address);
await once(downstream, 'listening');
process.stdout.write('listening\n');
