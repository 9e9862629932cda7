// A flood from many addresses, run inside a namespace that owns 10.66.0.0/16 on its loopback.
//
//   netnsFlood <kind> <address> <port> <publicKey> <seconds> <perS> <sources> <seed>
//
// Kinds: `junk` is every type and size with random bytes; `initiations` are messages of type 1 with
// a valid mac1 (so that they pass the first check) and random contents. Ends after its time or on
// SIGTERM, with one line of JSON.
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { blake2s } from '@noble/hashes/blake2.js';

export interface FloodResult {
  readonly sent: number;
  readonly sources: number;
  /** Datagrams that came back, by message type. */
  readonly replies: Readonly<Record<string, number>>;
}

/** xorshift32. */
function generator(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

const INITIATION_BYTES = 148;
const MAC1_AT = 116;
const MAC_BYTES = 16;
const MAX_JUNK_BYTES = 1_472;
/** The sizes that a parser looks at, and their neighbours. */
const TELLING_SIZES = [0, 1, 3, 4, 15, 16, 31, 32, 33, 63, 64, 65, 91, 92, 93, 147, 148, 149];

function junk(random: () => number): Buffer {
  const fromList = random() % 4 === 0;
  const size = fromList
    ? TELLING_SIZES[random() % TELLING_SIZES.length]!
    : random() % (MAX_JUNK_BYTES + 1);
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = random();
  // Most of it gets past the first look at the type.
  if (size >= 4 && random() % 8 !== 0) bytes.writeUInt32LE(random() % 6, 0);
  return bytes;
}

/** SPEC.md: mac1 = keyed BLAKE2s-128 over what comes before it, key HASH("mac1----" ‖ public key). */
function initiation(random: () => number, mac1Key: Uint8Array): Buffer {
  const bytes = Buffer.alloc(INITIATION_BYTES);
  for (let i = 4; i < MAC1_AT; i++) bytes[i] = random();
  bytes.writeUInt32LE(1, 0);
  bytes.set(blake2s(bytes.subarray(0, MAC1_AT), { key: mac1Key, dkLen: MAC_BYTES }), MAC1_AT);
  return bytes;
}

async function main(args: readonly string[]): Promise<FloodResult> {
  const [kind, address, port, publicKey, seconds, perS, sources, seed] = args;
  const random = generator(Number(seed));
  const label = new TextEncoder().encode('mac1----');
  const mac1Key = blake2s(Buffer.concat([label, Buffer.from(publicKey!, 'base64')]));
  const make = kind === 'junk' ? () => junk(random) : () => initiation(random, mac1Key);
  // Made ahead, so that the flood costs this machine little more than the sending.
  const pool = Array.from({ length: 4096 }, make);

  const replies: Record<string, number> = {};
  const sockets: Socket[] = [];
  for (let i = 0; i < Number(sources); i++) {
    const socket = createSocket('udp4');
    socket.on('message', (bytes) => {
      const type = String(bytes[0] ?? 'empty');
      replies[type] = (replies[type] ?? 0) + 1;
    });
    socket.on('error', () => undefined);
    socket.bind(0, `10.66.${i >> 8}.${i & 255}`);
    await once(socket, 'listening');
    sockets.push(socket);
  }

  let sent = 0;
  const startMs = performance.now();
  const endMs = startMs + Number(seconds) * 1000;
  const stop = { told: false };
  process.once('SIGTERM', () => {
    stop.told = true;
  });
  while (performance.now() < endMs && !stop.told) {
    const due = ((performance.now() - startMs) / 1000) * Number(perS);
    for (let burst = 0; sent < due && burst < 256; burst++, sent++) {
      sockets[sent % sockets.length]!.send(pool[sent % pool.length]!, Number(port), address);
    }
    await delay(1);
  }
  await delay(200);
  for (const socket of sockets) socket.close();
  return { sent, sources: sockets.length, replies };
}

process.stdout.write(`${JSON.stringify(await main(process.argv.slice(2)))}\n`);
