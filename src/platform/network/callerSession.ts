// Finds the SSH session that a command is called from, and all others, in the environment and in
// /proc. SPEC.md 8.7.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { formatAddress, parseAddress, type IpAddress } from '../../base/ip.js';

/** A TCP connection that somebody sits at the far end of. */
export interface Session {
  readonly client: string;
  readonly server: string;
  readonly serverPort: number;
}

const SSH_PORT = 22;
const SSH_SERVERS = /^(sshd|sshd-session|dropbear|tinysshd)$/;
/** A chain of ancestors longer than this is not one. */
const MAX_ANCESTORS = 64;

/**
 * The session that process `pid` was started from: SSH_CONNECTION of `environment`, then of its
 * ancestors, then a connection that one of them holds. null if there is none.
 */
export function findCallerSession(environment: NodeJS.ProcessEnv, pid: number): Session | null {
  const own = parseSshConnection(environment['SSH_CONNECTION']);
  if (own !== null) return own;
  const chain = ancestors(pid);
  for (const ancestor of chain) {
    const session = parseSshConnection(environmentOf(ancestor)['SSH_CONNECTION']);
    if (session !== null) return session;
  }
  const connections = establishedConnections();
  for (const ancestor of chain) {
    const isServer = SSH_SERVERS.test(nameOf(ancestor));
    const sockets = socketsOf(ancestor);
    const held = connections.find(
      (entry) => sockets.has(entry.inode) && (isServer || entry.serverPort === SSH_PORT),
    );
    if (held !== undefined) return plainSession(held);
  }
  return null;
}

/** Everybody who is connected to the SSH port now. */
export const sshSessions = (): Session[] =>
  establishedConnections()
    .filter(({ serverPort }) => serverPort === SSH_PORT)
    .map(plainSession);

const plainSession = ({ client, server, serverPort }: Session): Session => ({
  client,
  server,
  serverPort,
});

/** `client-address client-port server-address server-port`, as sshd(8) writes it. */
export function parseSshConnection(text: string | undefined): Session | null {
  const [client = '', , server = '', serverPort = ''] = (text ?? '').split(' ');
  const clientAddress = parseAddress(withoutZone(client));
  const serverAddress = parseAddress(withoutZone(server));
  if (clientAddress === null || serverAddress === null || !/^\d{1,5}$/.test(serverPort))
    return null;
  return {
    client: unmapped(clientAddress),
    server: unmapped(serverAddress),
    serverPort: Number(serverPort),
  };
}

const withoutZone = (text: string): string => text.split('%')[0]!;

/** IPv4 in its IPv6 form (RFC 4291 section 2.5.5.2) is IPv4. */
function unmapped(address: IpAddress): string {
  const { bytes } = address;
  const mapped =
    address.family === 6 &&
    bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff;
  return formatAddress(mapped ? { family: 4, bytes: bytes.subarray(12) } : address);
}

interface Connection extends Session {
  readonly inode: string;
}

function establishedConnections(): Connection[] {
  return ['tcp', 'tcp6'].flatMap((table) => parseTcpTable(readText(`/proc/net/${table}`)));
}

/** TCP_ESTABLISHED of linux/include/net/tcp_states.h. */
const ESTABLISHED = '01';

/** proc(5), /proc/net/tcp: addresses as 32-bit words in host order. */
export function parseTcpTable(text: string): Connection[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const server = parseHexAddress(local);
      const client = parseHexAddress(remote);
      if (state !== ESTABLISHED || server === null || client === null) return [];
      return [{ client: client.address, server: server.address, serverPort: server.port, inode }];
    });
}

function parseHexAddress(text: string): { readonly address: string; readonly port: number } | null {
  const [hex = '', port = ''] = text.split(':');
  if (!/^([0-9A-F]{8}|[0-9A-F]{32})$/.test(hex) || !/^[0-9A-F]{4}$/.test(port)) return null;
  const words = Uint32Array.from(hex.match(/.{8}/g)!, (word) => parseInt(word, 16));
  const bytes = new Uint8Array(words.buffer);
  const family = bytes.length === 4 ? 4 : 6;
  return { address: unmapped({ family, bytes }), port: parseInt(port, 16) };
}

/** The process's parents, the nearest first, without pid 1. */
function ancestors(pid: number): number[] {
  const chain: number[] = [];
  let current = parentOf(pid);
  while (current > 1 && chain.length < MAX_ANCESTORS) {
    chain.push(current);
    current = parentOf(current);
  }
  return chain;
}

function parentOf(pid: number): number {
  const text = readText(`/proc/${pid}/stat`);
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

const nameOf = (pid: number): string => readText(`/proc/${pid}/comm`).trim();

function environmentOf(pid: number): NodeJS.ProcessEnv {
  const entries = readText(`/proc/${pid}/environ`).split('\0');
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** The inode numbers of the sockets that a process holds. */
function socketsOf(pid: number): Set<string> {
  const folder = `/proc/${pid}/fd`;
  return new Set(
    listFolder(folder).flatMap((name) => {
      const target = readLink(`${folder}/${name}`);
      return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
    }),
  );
}

/** Processes end while one looks at them, and others' may not be looked at: that is no session. */
function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

const readText = (path: string): string => unlessGone(() => readFileSync(path, 'utf8'), '');
const readLink = (path: string): string => unlessGone(() => readlinkSync(path), '');
const listFolder = (path: string): string[] => unlessGone(() => readdirSync(path), []);
