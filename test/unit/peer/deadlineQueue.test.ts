// The heap of deadlines against a list that is sorted.
import test from 'ava';
import fc from 'fast-check';
import { instant } from '../../../src/base/time.js';
import { DeadlineQueue } from '../../../src/peer/deadlineQueue.js';

test('gives the earliest first, wherever deadlines are moved', (t) => {
  const moves = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 20 }), fc.option(fc.integer({ min: 0, max: 50 }))),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(moves, (list) => {
      const queue = new DeadlineQueue<number>();
      const twin = new Map<number, number>();
      for (const [item, deadline] of list) {
        queue.set(item, deadline === null ? null : instant(deadline));
        if (deadline === null) twin.delete(item);
        else twin.set(item, deadline);
        const earliest = twin.size === 0 ? null : Math.min(...twin.values());
        if (queue.next() !== earliest) return false;
      }
      while (twin.size > 0) {
        const next = queue.next();
        const item = queue.due(next!);
        if (item === null || twin.get(item) !== next) return false;
        twin.delete(item);
        queue.set(item, null);
      }
      return queue.next() === null;
    }),
  );
  t.pass();
});

test('nothing is due before its deadline', (t) => {
  const queue = new DeadlineQueue<string>();
  queue.set('a', instant(10));
  t.is(queue.due(instant(9.9)), null);
  t.is(queue.due(instant(10)), 'a');
});
