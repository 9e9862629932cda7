// Somebody between a TPM and the processor: sees every command and response, and may change them.
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { Swtpm } from './swtpm.js';

/** Sizes are bytes 2 to 5 of commands and responses (TPM 2.0 Library, Part 1, 18). */
const HEADER_BYTES = 10;

export interface Exchange {
  readonly command: Buffer;
  readonly response: Buffer;
}

export interface TpmProxy {
  readonly tcti: string;
  readonly exchanges: readonly Exchange[];
  close(): Promise<void>;
}

/** `change` sees the command and gives the response that the processor gets. */
export async function startProxy(
  swtpm: Swtpm,
  change: (exchange: Exchange) => Buffer = ({ response }) => response,
): Promise<TpmProxy> {
  const path = `${swtpm.socket}.proxy`;
  const exchanges: Exchange[] = [];
  const sockets = new Set<Socket>();
  const servers = [
    createServer((client) => relay(client, swtpm.socket)),
    createServer((client) => pass(client, `${swtpm.socket}.ctrl`)),
  ];
  await listen(servers[0]!, path);
  await listen(servers[1]!, `${path}.ctrl`);
  return {
    tcti: `swtpm:path=${path}`,
    exchanges,
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    },
  };

  function pass(client: Socket, to: string): void {
    const tpm = connect(to);
    for (const socket of [client, tpm]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(tpm).pipe(client);
  }

  function relay(client: Socket, to: string): void {
    const tpm = connect(to);
    let command: Buffer = Buffer.alloc(0);
    for (const socket of [client, tpm]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('end', () => tpm.end());
    whole(client, (bytes) => {
      command = bytes;
      tpm.write(bytes);
    });
    whole(tpm, (response) => {
      exchanges.push({ command, response });
      client.write(change({ command, response }));
    });
  }
}

function whole(socket: Socket, take: (message: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= HEADER_BYTES && pending.length >= pending.readUInt32BE(2)) {
      const size = pending.readUInt32BE(2);
      take(pending.subarray(0, size));
      pending = pending.subarray(size);
    }
  });
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((ready, failed) => server.once('error', failed).listen(path, ready));

/** Command code of a command: bytes 6 to 9. */
export const codeOf = (command: Buffer): number => command.readUInt32BE(6);
export const READ_PUBLIC = 0x173;
export const NV_READ = 0x14e;
