import test from 'ava';
import fc from 'fast-check';
import { monotonicWithSuspend, systemClock } from '../../../src/platform/clock.js';
import { systemEntropy } from '../../../src/platform/entropy.js';
import { loadIoAddon } from '../../../src/platform/addon.js';

/** A machine whose fine clock stops in suspend and whose coarse one counts hundredths of a second. */
class Machine {
  fineMs = 5_000;
  bootMs = 60_000;
  run(ms: number): void {
    this.fineMs += ms;
    this.bootMs += ms;
  }
  suspend(ms: number): void {
    this.bootMs += ms;
  }
  clock = (): (() => number) =>
    monotonicWithSuspend(
      () => this.fineMs,
      () => Math.floor(this.bootMs / 10) * 10,
    );
}

test('without the addon, boot time is fine and counts a suspend within a second', (t) => {
  const machine = new Machine();
  const now = machine.clock();
  t.is(now(), 60_000);
  machine.run(0.25);
  t.is(now(), 60_000.25);
  machine.suspend(3_600_000);
  machine.run(1000);
  t.true(Math.abs(now() - machine.bootMs) <= 10);
});

test('without the addon, boot time never steps back and stays near the truth', (t) => {
  const step = fc.record({
    runMs: fc.double({ min: 0, max: 5000, noNaN: true }),
    suspendMs: fc.nat(5000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const machine = new Machine();
      const now = machine.clock();
      let last = now();
      for (const { runMs, suspendMs } of steps) {
        machine.suspend(suspendMs);
        machine.run(runMs);
        const current = now();
        if (current < last || current > machine.bootMs + 1e-6) return false;
        if (runMs >= 1000 && machine.bootMs - current > 10 + 1e-6) return false;
        last = current;
      }
      return true;
    }),
  );
  t.pass();
});

test('with and without the addon the clocks agree', (t) => {
  const { addon } = loadIoAddon();
  const without = systemClock({ addon: null });
  const clock = systemClock({ addon });
  // Hundredths of a second, and the time between the two readings.
  t.true(Math.abs(clock.now() - without.now()) < 500);
  t.true(Math.abs(clock.wallNow() - Date.now()) < 500);
  const first = clock.now();
  t.true(clock.now() >= first);
});

test('a timer never fires before its time', async (t) => {
  const clock = systemClock();
  const delaysMs = Array.from({ length: 40 }, (_, i) => i / 7);
  const waits = delaysMs.map(
    (delayMs) =>
      new Promise<number>((resolve) => {
        const startMs = clock.now();
        clock.setTimer(delayMs, () => resolve(clock.now() - startMs - delayMs));
      }),
  );
  for (const lateMs of await Promise.all(waits)) t.true(lateMs >= 0, `${lateMs} ms`);
});

test('a timer calls once, a cancelled one never', async (t) => {
  const clock = systemClock();
  const calls: string[] = [];
  const cancelled = clock.setTimer(0, () => calls.push('cancelled'));
  cancelled.cancel();
  cancelled.cancel();
  await new Promise<void>((resolve) => {
    clock.setTimer(-5, () => calls.push('past'));
    clock.setTimer(1, () => {
      calls.push('later');
      resolve();
    });
  });
  t.deepEqual(calls, ['past', 'later']);
  // Longer than setTimeout can wait: it must not fire at once.
  const far = clock.setTimer(1e12, () => calls.push('far'));
  await new Promise((resolve) => setImmediate(resolve));
  far.cancel();
  t.is(calls.length, 2);
});

test('entropy has the length asked for, and its own memory', (t) => {
  t.is(systemEntropy(0).length, 0);
  const a = systemEntropy(32);
  t.is(a.length, 32);
  t.is(a.buffer.byteLength, 32);
  t.notDeepEqual(a, systemEntropy(32));
});
