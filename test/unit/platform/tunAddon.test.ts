import test from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { instant, wallTime } from '../../../src/base/time.js';
import type { Clock } from '../../../src/ports/clock.js';
import type { LinkState } from '../../../src/ports/tun.js';
import { IO_CONSTANTS, type IoAddon, type TunHandle } from '../../../src/platform/addon.js';
import { openTunByAddon } from '../../../src/platform/tunAddon.js';
import { isInterfaceName } from '../../../src/platform/tunErrors.js';

const [EPERM, EINVAL, EBUSY] = [1, 22, 16];

class FakeTun {
  buffer = Buffer.alloc(0);
  spans = new Uint32Array();
  onPackets: (count: number) => void = () => undefined;
  onLink: (up: boolean, mtu: number, watched: boolean) => void = () => undefined;
  onClosed: () => void = () => undefined;
  openOutcome = 0;
  mtuOutcome = 0;
  writeOutcome = 0;
  link = { up: false, mtu: 1500 };
  linkOutcome = 0;
  isWatched = true;
  closedTimes = 0;

  asAddon(): IoAddon {
    return {
      tunOpen: (
        _source: string | number,
        buffer: Buffer,
        spans: Uint32Array,
        onPackets: (count: number) => void,
        onLink: (up: boolean, mtu: number, watched: boolean) => void,
        onClosed: () => void,
      ) => {
        Object.assign(this, { buffer, spans, onPackets, onLink, onClosed });
        return this.openOutcome === 0 ? ({} as TunHandle) : this.openOutcome;
      },
      tunName: () => 'tun7',
      tunWrite: () => this.writeOutcome,
      tunLink: () => this.linkOutcome || 2 * this.link.mtu + Number(this.link.up),
      tunWatched: () => this.isWatched,
      tunSetMtu: () => this.mtuOutcome,
      tunClose: () => this.closedTimes++,
    } as unknown as IoAddon;
  }
}

/** Time that moves when it is told. */
class HandClock implements Clock {
  nowMs = 0;
  timers: { atMs: number; callback: () => void }[] = [];
  now = () => instant(this.nowMs);
  wallNow = () => wallTime(this.nowMs);
  setTimer(delayMs: number, callback: () => void): { cancel: () => void } {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.timers.push(timer);
    return { cancel: () => (this.timers = this.timers.filter((other) => other !== timer)) };
  }
  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.timers = this.timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { callback } of due) callback();
  }
}

function fixture(fake = new FakeTun()) {
  const clock = new HandClock();
  const packets: string[][] = [];
  const links: LinkState[] = [];
  const counts = { closed: 0 };
  const open = (mtu: number | null = null) =>
    openTunByAddon(
      fake.asAddon(),
      { name: 'tun7', mtu },
      {
        packets: (batch) => packets.push(batch.map((packet) => Buffer.from(packet).toString())),
        link: (state) => links.push(state),
        closed: () => counts.closed++,
      },
      clock,
    );
  return { fake, clock, packets, links, counts, open };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the link is told once after opening, then only when it differs', async (t) => {
  const { fake, links, open } = fixture();
  open();
  t.deepEqual(links, []);
  await nextTurn();
  t.deepEqual(links, [{ up: false, mtu: 1500 }]);
  fake.onLink(false, 1500, true);
  fake.onLink(true, 1500, true);
  fake.onLink(true, 65_535, true);
  fake.onLink(true, 65_535, true);
  t.deepEqual(links.slice(1), [
    { up: true, mtu: 1500 },
    { up: true, mtu: 65_535 },
  ]);
});

test('where the link is not watched it is asked for every second, until it is', async (t) => {
  const { fake, clock, links, open } = fixture();
  const tun = open();
  await nextTurn();
  t.is(clock.timers.length, 0);
  t.is(tun.features.link, 'netlink');
  fake.isWatched = false;
  fake.onLink(false, 1500, false);
  t.is(tun.features.link, 'polled');
  fake.link = { up: true, mtu: 1280 };
  clock.advance(1000);
  t.deepEqual(links.at(-1), { up: true, mtu: 1280 });
  // A moment in which it can't be asked changes nothing.
  fake.linkOutcome = -EINVAL;
  clock.advance(1000);
  fake.linkOutcome = 0;
  fake.link = { up: false, mtu: 1280 };
  clock.advance(1000);
  t.deepEqual(links.at(-1), { up: false, mtu: 1280 });
  fake.isWatched = true;
  clock.advance(1000);
  t.is(clock.timers.length, 0);
  t.is(links.length, 3);
});

test('packets are slices of the buffer, in order', (t) => {
  const { fake, packets, open } = fixture();
  open();
  fake.buffer.write('first', 0);
  fake.buffer.write('second', 16);
  fake.spans.set([0, 5, 16, 6]);
  fake.onPackets(2);
  t.deepEqual(packets, [['first', 'second']]);
  t.true(fake.spans.length >= 2 * IO_CONSTANTS.tunBatchPackets);
  t.true(fake.buffer.length >= IO_CONSTANTS.tunPacketBytes);
});

test('a device that is gone is closed, told once, and takes no packets', async (t) => {
  const { fake, clock, links, counts, open } = fixture();
  const tun = open();
  fake.onClosed();
  fake.onClosed();
  t.deepEqual([counts.closed, fake.closedTimes], [1, 1]);
  t.false(tun.write(Buffer.alloc(20)));
  t.is(tun.features.link, 'polled');
  t.throws(() => tun.setMtu(1400), { instanceOf: OperatorError });
  await nextTurn();
  t.deepEqual([links.length, clock.timers.length], [0, 0]);
});

test('closing tells nothing', async (t) => {
  const { fake, counts, clock, links, open } = fixture();
  const tun = open();
  fake.isWatched = false;
  fake.onLink(true, 1500, false);
  tun.close();
  tun.close();
  t.deepEqual([counts.closed, clock.timers.length], [0, 0]);
  await nextTurn();
  t.is(links.length, 1);
});

test('a packet that the kernel refuses is false', (t) => {
  const { fake, open } = fixture();
  const tun = open();
  t.true(tun.write(Buffer.alloc(20)));
  fake.writeOutcome = -EINVAL;
  t.false(tun.write(Buffer.alloc(20)));
});

test('opening fails with errno and remedy, and closes what it opened', (t) => {
  const busy = fixture();
  busy.fake.openOutcome = -EBUSY;
  const error = t.throws(() => busy.open(), { instanceOf: OperatorError });
  t.is(error.code, 'E_TUN');
  t.deepEqual([error.details.place, error.details.found], ['tun7', 'EBUSY']);

  const small = fixture();
  small.fake.mtuOutcome = -EPERM;
  t.throws(() => small.open(1420), { instanceOf: OperatorError, message: /E_TUN_MTU.*EPERM/s });
  t.is(small.fake.closedTimes, 1);
});

test('interface names are what the kernel takes', (t) => {
  for (const name of ['a', 'wg0', 'beam-office.1', 'fifteen-charact', '…', '.a']) {
    t.true(isInterfaceName(name), name);
  }
  for (const name of [
    '',
    '.',
    '..',
    'a b',
    'a/b',
    'a:b',
    'wg%d',
    'a\0',
    'sixteencharacter',
    '……………x',
  ]) {
    t.false(isInterfaceName(name), name);
  }
});
