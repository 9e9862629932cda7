// The tunnel's UDP sockets by node:dgram, where there is no addon: no sticky source, TOS or mark.
// A send's failure is only known after the call, so the next send in that family reports it.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { BugError } from '../base/assert.js';
import { formatAddress, parseAddress, type Endpoint, type IpFamily } from '../base/ip.js';
import type {
  Path,
  SendFailure,
  SendOutcome,
  UdpEvents,
  UdpFeatures,
  UdpSockets,
} from '../ports/udp.js';
import { bindError, markError } from './udpErrors.js';

/** As wireguard-go asks for; the system's limit (net.core.rmem_max) may give less. */
const SOCKET_BUFFER_BYTES = 7 * 1024 * 1024;
const FREE_PORT_TRIES = 100;
const NO_FAMILY = new Set(['EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EADDRNOTAVAIL']);

interface OpenSocket {
  readonly socket: Socket;
  readonly port: number;
  /** What the last send met after it had returned. */
  pendingFailure: SendFailure | null;
}
type Sockets = Readonly<Partial<Record<IpFamily, OpenSocket>>>;

export class DgramUdpSockets implements UdpSockets {
  readonly features: UdpFeatures = { stickySource: false, ecn: false, mark: false };
  readonly #events: UdpEvents;
  #sockets: Sockets = {};
  #closed = false;

  constructor(events: UdpEvents) {
    this.#events = events;
  }

  get families(): readonly IpFamily[] {
    return ([4, 6] as const).filter((family) => this.#sockets[family] !== undefined);
  }

  bind(port: number): number {
    if (this.#closed) throw new BugError('bind after close');
    const current = this.#sockets[4] ?? this.#sockets[6];
    if (current !== undefined && current.port === port) return this.#bindMissing(port);
    const opened = this.#openBoth(port);
    this.unbind();
    this.#sockets = opened;
    return (opened[4] ?? opened[6]!).port;
  }

  /** The port is ours already: only a family that has come up since is opened. */
  #bindMissing(port: number): number {
    for (const family of [4, 6] as const) {
      if (this.#sockets[family] !== undefined) continue;
      const opened = this.#open(family, port);
      if (typeof opened !== 'string') this.#sockets = { ...this.#sockets, [family]: opened };
    }
    return port;
  }

  #openBoth(port: number): Sockets {
    for (let tries = 1; ; tries++) {
      const v4 = this.#open(4, port);
      if (typeof v4 === 'string' && !NO_FAMILY.has(v4)) throw bindError(port, v4);
      const v6 = this.#open(6, typeof v4 === 'string' ? port : v4.port);
      if (typeof v6 !== 'string') return typeof v4 === 'string' ? { 6: v6 } : { 4: v4, 6: v6 };
      if (typeof v4 !== 'string') {
        if (NO_FAMILY.has(v6)) return { 4: v4 };
        v4.socket.close();
        if (port === 0 && v6 === 'EADDRINUSE' && tries < FREE_PORT_TRIES) continue;
      }
      throw bindError(port, v6);
    }
  }

  /** An open socket, or an errno name. */
  #open(family: IpFamily, port: number): OpenSocket | string {
    if (family === 6 && isIpv6Off()) return 'EAFNOSUPPORT';
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      lookup: lookupLiteral,
    });
    // With a lookup that answers at once, bind has succeeded or failed when it returns.
    let failure: string | null = null;
    const opening = (error: NodeJS.ErrnoException): void => {
      failure = error.code ?? error.message;
    };
    socket.on('error', opening);
    let listening = false;
    socket.once('listening', () => (listening = true));
    socket.bind({ port, address: family === 4 ? '0.0.0.0' : '::', exclusive: true });
    // TypeScript doesn't see that the calls above may have set them.
    const outcome = { failure: failure as string | null, listening: listening as boolean };
    if (!outcome.listening) {
      socket.close();
      return outcome.failure ?? 'EAGAIN';
    }
    return this.#start(family, socket);
  }

  #start(family: IpFamily, socket: Socket): OpenSocket {
    const open: OpenSocket = { socket, port: socket.address().port, pendingFailure: null };
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
    socket.removeAllListeners('error');
    // Errors of single datagrams (ICMP, a route that is gone) leave the socket usable.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      open.pendingFailure = error.code ?? error.message;
    });
    const read = pathReader(family);
    socket.on('message', (bytes, info) => {
      if (this.#sockets[family] !== open) return;
      this.#events.datagrams([{ bytes, path: read(info), ecn: 0 }]);
    });
    return open;
  }

  unbind(): void {
    for (const { socket } of Object.values(this.#sockets)) socket.close();
    this.#sockets = {};
  }

  setMark(mark: number): void {
    if (mark === 0) return;
    const remedy = 'build it (scripts/buildNative.sh needs a C++ compiler), or set no FwMark';
    throw markError(mark, 'no native/beam_io, and Node.js alone cannot set it', remedy);
  }

  send(path: Path, bytes: Uint8Array): SendOutcome {
    const open = this.#sockets[path.remote.family];
    const localStale = path.local !== null;
    if (open === undefined) return { failure: 'ENOSOCK', localStale: false };
    const failure = open.pendingFailure;
    open.pendingFailure = null;
    // Node copies nothing and may send later; the caller reuses its buffer.
    const copy = Buffer.from(bytes);
    open.socket.send(copy, path.remote.port, zonedAddress(path.remote), (error) => {
      if (error !== null) open.pendingFailure = (error as NodeJS.ErrnoException).code ?? 'EIO';
    });
    return { failure, localStale };
  }

  close(): void {
    this.unbind();
    this.#closed = true;
  }
}

/** As native/sys/udp.cc: the sysctl says so and no address is left, not even ::1. */
function isIpv6Off(): boolean {
  try {
    const setting = readFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'latin1');
    return setting.startsWith('1') && readFileSync('/proc/net/if_inet6', 'latin1') === '';
  } catch {
    // Without /proc, or without IPv6 in the kernel, opening the socket tells.
    return false;
  }
}

/** All addresses here are literals: nothing is looked up, and the answer is there at once. */
function lookupLiteral(
  hostname: string,
  _options: unknown,
  callback: (error: Error | null, address: string, family: number) => void,
): void {
  callback(null, hostname, hostname.includes(':') ? 6 : 4);
}

/** Makes a path of a datagram's source; the same object while the source stays the same. */
function pathReader(family: IpFamily): (info: RemoteInfo) => Path {
  let address = '';
  let port = -1;
  let path: Path;
  return (info) => {
    if (info.port !== port || info.address !== address) {
      ({ address, port } = info);
      path = { remote: { family, port, ...splitZone(address) }, local: null };
    }
    return path;
  };
}

function splitZone(text: string): Pick<Endpoint, 'address' | 'scopeId'> {
  const [bare = '', zone] = text.split('%');
  const parsed = parseAddress(bare);
  const address = parsed === null ? bare : formatAddress(parsed);
  return { address, scopeId: zone === undefined ? 0 : scopeIdOf(zone) };
}

/** Node names zones by interface; the port's endpoints by index. */
function scopeIdOf(zone: string): number {
  const scoped = networkInterfaces()[zone]?.find(
    (entry) => entry.family === 'IPv6' && entry.scopeid > 0,
  );
  return scoped?.family === 'IPv6' ? scoped.scopeid : 0;
}

function zonedAddress(remote: Endpoint): string {
  if (remote.scopeId === 0) return remote.address;
  for (const [name, entries = []] of Object.entries(networkInterfaces())) {
    const scoped = entries.some(
      (entry) => entry.family === 'IPv6' && entry.scopeid === remote.scopeId,
    );
    if (scoped) return `${remote.address}%${name}`;
  }
  return remote.address;
}
