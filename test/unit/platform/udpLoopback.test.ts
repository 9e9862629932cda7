// Both UDP adapters over loopback, without any privilege.
import test, { type ExecutionContext } from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import type { IpFamily } from '../../../src/base/ip.js';
import type { Path, UdpSockets } from '../../../src/ports/udp.js';
import { loadIoAddon, type IoAddon } from '../../../src/platform/addon.js';
import { openUdpSockets } from '../../../src/platform/udp.js';
import { skip } from '../../support/skip.js';

interface Seen {
  readonly text: string;
  readonly path: Path;
}

class End {
  readonly sockets: UdpSockets;
  readonly #seen: Seen[] = [];
  #wake: () => void = () => undefined;

  constructor(addon: IoAddon | null) {
    this.sockets = openUdpSockets(
      {
        datagrams: (batch) => {
          for (const { bytes, path } of batch) {
            this.#seen.push({ text: Buffer.from(bytes).toString(), path });
          }
          this.#wake();
        },
      },
      { addon },
    );
  }

  async receive(): Promise<Seen> {
    while (this.#seen.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#seen.shift()!;
  }
}

const loopback = (family: IpFamily, port: number): Path => ({
  remote: { family, address: family === 4 ? '127.0.0.1' : '::1', port, scopeId: 0 },
  local: null,
});

/** Tries the claim with the addon, where it is built, and without it. */
function bothTest(
  claim: string,
  body: (t: ExecutionContext, addon: IoAddon | null) => Promise<void>,
): void {
  test(`with the addon ${claim}`, async (t) => {
    const load = loadIoAddon();
    if (load.addon === null) skip(t, load.reason);
    else await body(t, load.addon);
  });
  test(`without the addon ${claim}`, (t) => body(t, null));
}

bothTest('datagrams come from where they say, and can be answered there', async (t, addon) => {
  const [a, b] = [new End(addon), new End(addon)];
  const [portOfA, portOfB] = [a.sockets.bind(0), b.sockets.bind(0)];
  t.not(portOfA, portOfB);
  for (const family of a.sockets.families) {
    for (const text of ['first', 'second']) {
      a.sockets.send(loopback(family, portOfB), Buffer.from(text), 0);
      const there = await b.receive();
      t.is(there.text, text);
      t.deepEqual(there.path.remote, loopback(family, portOfA).remote);
      b.sockets.send(there.path, Buffer.from('answer'), 0);
      t.is((await a.receive()).text, 'answer');
    }
  }
  a.sockets.close();
  b.sockets.close();
});

bothTest('the bytes that were sent are those of the call', async (t, addon) => {
  const end = new End(addon);
  const path = loopback(4, end.sockets.bind(0));
  const reused = Buffer.from('before');
  end.sockets.send(path, reused, 0);
  reused.write('after!');
  t.is((await end.receive()).text, 'before');
  end.sockets.close();
});

bothTest("a taken port is an operator's error, and the old one stays", async (t, addon) => {
  const [a, b] = [new End(addon), new End(addon)];
  const taken = a.sockets.bind(0);
  const port = b.sockets.bind(0);
  const error = t.throws(() => b.sockets.bind(taken), { instanceOf: OperatorError });
  t.is(error.code, 'E_BIND');
  t.is(error.details.found, 'EADDRINUSE');
  a.sockets.send(loopback(4, port), Buffer.from('still here'), 0);
  t.is((await b.receive()).text, 'still here');
  t.is(b.sockets.bind(port), port);
  a.sockets.close();
  b.sockets.close();
});

test('without the addon a mark is refused, no mark is fine', (t) => {
  const { sockets } = new End(null);
  sockets.setMark(0);
  const error = t.throws(() => sockets.setMark(0xca6c), { instanceOf: OperatorError });
  t.is(error.code, 'E_MARK');
  t.deepEqual(sockets.features, { stickySource: false, ecn: false, mark: false });
});

test('nothing is open before bind and after unbind', (t) => {
  const { sockets } = new End(null);
  t.deepEqual(sockets.families, []);
  t.is(sockets.send(loopback(4, 9), Buffer.alloc(1), 0).failure, 'ENOSOCK');
  sockets.bind(0);
  sockets.unbind();
  sockets.unbind();
  t.deepEqual(sockets.families, []);
  t.is(sockets.send(loopback(4, 9), Buffer.alloc(1), 0).failure, 'ENOSOCK');
  sockets.close();
});
