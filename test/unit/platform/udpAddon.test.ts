import test from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import type { Path, ReceivedDatagram } from '../../../src/ports/udp.js';
import { IO_CONSTANTS, type IoAddon, type UdpHandle } from '../../../src/platform/addon.js';
import { AddonUdpSockets } from '../../../src/platform/udpAddon.js';
import { encodePath } from '../../../src/platform/udpPath.js';

const [EPERM, EADDRINUSE, EAFNOSUPPORT, EMSGSIZE] = [1, 98, 97, 90];
const C = IO_CONSTANTS;

interface FakeSocket {
  readonly family: 4 | 6;
  readonly port: number;
  readonly records: Buffer;
  readonly buffer: Buffer;
  readonly onDatagrams: (count: number) => void;
  mark: number;
  isOpen: boolean;
}

/** The kernel's side as the addon shows it: ports, and errors that a test asks for. */
class FakeAddon {
  readonly sockets: FakeSocket[] = [];
  /** Asked before each open; an errno refuses it. */
  refuse: (family: 4 | 6, port: number) => number = () => 0;
  sendOutcome = 0;
  markOutcome = 0;
  #nextPort = 40_000;

  get open(): FakeSocket[] {
    return this.sockets.filter(({ isOpen }) => isOpen);
  }

  asAddon(): IoAddon {
    const socketOf = (handle: UdpHandle): FakeSocket => handle as unknown as FakeSocket;
    return {
      udpOpen: (
        family: 4 | 6,
        port: number,
        mark: number,
        buffer: Buffer,
        records: Buffer,
        onDatagrams: (count: number) => void,
      ) => {
        const bound = port === 0 ? this.#nextPort++ : port;
        const taken = this.open.some((open) => open.family === family && open.port === bound);
        const errno = taken ? EADDRINUSE : this.refuse(family, bound);
        if (errno !== 0) return -errno;
        const socket = { family, port: bound, records, buffer, onDatagrams, mark, isOpen: true };
        this.sockets.push(socket);
        return socket as unknown as UdpHandle;
      },
      udpPort: (handle: UdpHandle) => socketOf(handle).port,
      udpSetMark: (handle: UdpHandle, mark: number) => {
        if (this.markOutcome === 0) socketOf(handle).mark = mark;
        return this.markOutcome;
      },
      udpSend: () => this.sendOutcome,
      udpClose: (handle: UdpHandle) => (socketOf(handle).isOpen = false),
    } as unknown as IoAddon;
  }
}

function fixture(): { fake: FakeAddon; sockets: AddonUdpSockets; seen: ReceivedDatagram[] } {
  const fake = new FakeAddon();
  const seen: ReceivedDatagram[] = [];
  const sockets = new AddonUdpSockets(fake.asAddon(), {
    datagrams: (batch) => seen.push(...batch),
  });
  return { fake, sockets, seen };
}

const pathTo = (family: 4 | 6): Path => ({
  remote: { family, address: family === 4 ? '192.0.2.1' : '2001:db8::1', port: 9, scopeId: 0 },
  local: null,
});

test('port 0 gives one port for both families', (t) => {
  const { fake, sockets } = fixture();
  const port = sockets.bind(0);
  t.deepEqual(
    fake.open.map((socket) => [socket.family, socket.port]),
    [
      [4, port],
      [6, port],
    ],
  );
  t.deepEqual(sockets.families, [4, 6]);
});

test('port 0 tries on while the port is taken in IPv6, and leaves nothing open', (t) => {
  const { fake, sockets } = fixture();
  fake.refuse = (family, port) => (family === 6 && port < 40_005 ? EADDRINUSE : 0);
  t.is(sockets.bind(0), 40_005);
  t.is(fake.open.length, 2);
});

test('port 0 gives up after a hundred tries', (t) => {
  const { fake, sockets } = fixture();
  fake.refuse = (family) => (family === 6 ? EADDRINUSE : 0);
  const error = t.throws(() => sockets.bind(0), { instanceOf: OperatorError });
  t.is(error.code, 'E_BIND');
  t.is(fake.sockets.length, 100);
  t.is(fake.open.length, 0);
});

test('a port that is asked for by number is tried once', (t) => {
  const { fake, sockets } = fixture();
  fake.refuse = (family) => (family === 6 ? EADDRINUSE : 0);
  t.throws(() => sockets.bind(51_820), { message: /51820.*EADDRINUSE/ });
  t.is(fake.sockets.length, 1);
  t.is(fake.open.length, 0);
});

test('a refused bind leaves the old sockets open', (t) => {
  const { fake, sockets } = fixture();
  const port = sockets.bind(0);
  fake.refuse = (_family, asked) => (asked === 51_820 ? EADDRINUSE : 0);
  t.throws(() => sockets.bind(51_820), { instanceOf: OperatorError });
  t.deepEqual(
    fake.open.map((socket) => socket.port),
    [port, port],
  );
});

for (const [family, other] of [
  [4, 6],
  [6, 4],
] as const) {
  test(`without IPv${family} it opens IPv${other} alone, and takes the rest later`, (t) => {
    const { fake, sockets } = fixture();
    fake.refuse = (asked) => (asked === family ? EAFNOSUPPORT : 0);
    const port = sockets.bind(0);
    t.deepEqual(sockets.families, [other]);
    t.deepEqual(sockets.send(pathTo(family), Buffer.alloc(1), 0), {
      failure: 'ENOSOCK',
      localStale: false,
    });
    t.is(sockets.bind(port), port);
    t.deepEqual(sockets.families, [other], 'still not there');
    fake.refuse = () => 0;
    t.is(sockets.bind(port), port);
    t.deepEqual(sockets.families, [4, 6]);
    t.is(fake.open.length, 2);
  });
}

test('with neither family it is an error', (t) => {
  const { fake, sockets } = fixture();
  fake.refuse = () => EAFNOSUPPORT;
  t.throws(() => sockets.bind(0), { instanceOf: OperatorError, message: /EAFNOSUPPORT/ });
});

test('the mark is on sockets that are open and on those that come', (t) => {
  const { fake, sockets } = fixture();
  sockets.bind(0);
  sockets.setMark(0xca6c);
  t.deepEqual(
    fake.open.map(({ mark }) => mark),
    [0xca6c, 0xca6c],
  );
  sockets.bind(7000);
  t.deepEqual(
    fake.open.map(({ mark }) => mark),
    [0xca6c, 0xca6c],
  );
  fake.markOutcome = -EPERM;
  t.throws(() => sockets.setMark(7), { instanceOf: OperatorError, message: /E_MARK.*EPERM/s });
});

test('what sending answers is told apart', (t) => {
  const { fake, sockets } = fixture();
  sockets.bind(0);
  const outcome = (answer: number): unknown => {
    fake.sendOutcome = answer;
    return sockets.send(pathTo(4), Buffer.alloc(1), 0);
  };
  t.deepEqual(outcome(0), { failure: null, localStale: false });
  t.deepEqual(outcome(C.localStaleFlag), { failure: null, localStale: true });
  t.deepEqual(outcome(EMSGSIZE), { failure: 'EMSGSIZE', localStale: false });
  t.deepEqual(outcome(C.localStaleFlag | EMSGSIZE), { failure: 'EMSGSIZE', localStale: true });
});

test('a batch becomes datagrams that share their path', (t) => {
  const { fake, sockets, seen } = fixture();
  sockets.bind(0);
  const { records, buffer, onDatagrams } = fake.open[1]!;
  const put = (slot: number, text: string, isSame: boolean, trafficClass: number): void => {
    const start = slot * C.recordBytes;
    const words = new Uint32Array(records.buffer, records.byteOffset + start, 16);
    records.fill(0, start, start + C.recordBytes);
    if (!isSame) records.set(encodePath(pathTo(6)), start);
    words[C.recordOffset / 4] = slot * C.udpSlotBytes;
    words[C.recordLength / 4] = text.length;
    records[start + C.recordTrafficClass] = trafficClass;
    records[start + C.recordSamePath] = Number(isSame);
    buffer.write(text, slot * C.udpSlotBytes);
  };
  put(0, 'one', false, 0x8b);
  put(1, 'second', true, 0x02);
  put(2, '', false, 0xfc);
  onDatagrams(3);
  t.deepEqual(
    seen.map(({ bytes, ecn }) => [Buffer.from(bytes).toString(), ecn]),
    [
      ['one', 3],
      ['second', 2],
      ['', 0],
    ],
  );
  t.deepEqual(seen[0]!.path, pathTo(6));
  t.true(seen[1]!.path === seen[0]!.path && seen[2]!.path === seen[0]!.path);
});

test('after close nothing is open and binding is a bug', (t) => {
  const { fake, sockets } = fixture();
  sockets.bind(0);
  sockets.close();
  sockets.close();
  t.is(fake.open.length, 0);
  t.throws(() => sockets.bind(0), { message: /bind after close/ });
});
