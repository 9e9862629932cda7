import test from 'ava';
import { verifyCredential } from '../../../src/identity/credential.js';
import { keyOfAttempt } from '../../../src/rotation/rotationEvents.js';
import { at, BOOT, confirmed, Harness, HOUR_MS } from './rotationHarness.js';

const OTHER_BOOT = BOOT.map(() => 2);

test('the first key is drawn, signed and written before it is used', (t) => {
  const harness = new Harness();
  harness.handle({ kind: 'started' }, at(0));
  t.deepEqual(harness.take(), ['drawn', 'signed', 'announced', 'activated', 'use 1']);
  t.is(harness.saved.current!.epoch, harness.inUse[0]!);
  const verdict = verifyCredential(harness.saved.current!.credential, at(0).wall);
  t.is(verdict.kind, 'verified');
});

test('the next key is announced an hour before, and follows 22 to 24 hours after the last', (t) => {
  const harness = confirmed();
  const dueHours = harness.saved.current!.dueAt / HOUR_MS;
  t.true(dueHours > 22 && dueHours <= 24, String(dueHours));
  harness.runUntil(dueHours - 1.01);
  t.deepEqual(harness.take(), []);
  harness.runUntil(dueHours - 0.99);
  t.deepEqual(harness.take(), ['drawn', 'signed', 'announced']);
  t.deepEqual(harness.rotation.announcement, harness.announced);
  harness.runUntil(dueHours);
  t.deepEqual(harness.take(), ['activated', 'use 2']);
  t.is(harness.rotation.announcement, null);
});

test('an old key ends 28 hours after it became current, to the millisecond', (t) => {
  const harness = confirmed();
  const [old] = harness.inUse;
  harness.runUntil(28 - 1 / HOUR_MS);
  t.true(harness.inUse.includes(old!));
  harness.runUntil(28);
  t.false(harness.inUse.includes(old!));
  t.is(harness.inUse.length, 1);
});

test('a new key that no peer takes is rolled back after half an hour, and another one follows', (t) => {
  const harness = confirmed();
  const [old] = harness.inUse;
  harness.runUntil(24);
  const activatedHours = harness.saved.current!.endsAt / HOUR_MS - 28;
  harness.handle({ kind: 'handshakeFailed', epoch: harness.inUse[0]! }, at(24.01));
  harness.take();
  harness.runUntil(activatedHours + 0.49);
  t.deepEqual(harness.take(), []);
  harness.runUntil(activatedHours + 0.5);
  t.deepEqual(harness.take().slice(0, 2), ['rolledBack', 'rolledBack on']);
  t.deepEqual(harness.inUse, [old!]);
  harness.runUntil(activatedHours + 1.5);
  t.is(harness.inUse.length, 2);
  harness.handle({ kind: 'handshakeCompleted', epoch: harness.inUse[0]! }, at(26));
  t.deepEqual(harness.take().slice(-2), ['confirmed', 'rolledBack off']);
});

test('one handshake that completes is enough; none at all speaks against nothing', (t) => {
  const taken = confirmed();
  taken.runUntil(24);
  const [current] = taken.inUse;
  taken.handle({ kind: 'handshakeFailed', epoch: current! }, at(24.01));
  taken.handle({ kind: 'handshakeCompleted', epoch: current! }, at(24.02));
  taken.handle({ kind: 'handshakeFailed', epoch: current! }, at(24.03));
  taken.runUntil(26);
  t.is(taken.inUse[0], current);
  const alone = confirmed();
  alone.runUntil(26);
  t.false(alone.take().includes('rolledBack'));
});

test('old keys end even if no new one is ever taken, and there is always one in use', (t) => {
  const harness = confirmed();
  const firstUse = new Map<bigint, number>();
  for (let hours = 0; hours < 24 * 10; hours += 0.1) {
    harness.runUntil(hours);
    t.not(harness.inUse.length, 0, `hour ${hours}`);
    for (const epoch of harness.inUse) {
      const first = firstUse.get(epoch) ?? hours;
      firstUse.set(epoch, first);
      if (hours - first > 28.1) t.fail(`key ${epoch} after ${hours - first} hours`);
      harness.handle({ kind: 'handshakeFailed', epoch }, at(hours));
    }
  }
  t.true(harness.take().includes('unconfirmed on'));
});

test('after days of sleep one rotation makes up for all that were missed', (t) => {
  const harness = confirmed();
  const [old] = harness.inUse;
  const now = at(24 * 9);
  harness.handle({ kind: 'handshakeFailed', epoch: 0n }, now);
  t.deepEqual(harness.take().filter((word) => word === 'activated').length, 1);
  t.false(harness.inUse.includes(old!));
  t.is(harness.inUse.length, 1);
});

test('a restart in the same boot goes on as if nothing had been', (t) => {
  const harness = confirmed();
  harness.runUntil(24);
  const { disk, inUse, saved } = harness;
  const again = new Harness({ disk });
  again.handle({ kind: 'started' }, at(24.1));
  t.deepEqual(again.inUse, inUse);
  again.runUntil(27.9);
  t.is(again.inUse.length, 2);
  again.runUntil(28);
  t.deepEqual(again.inUse, [saved.current!.epoch]);
});

test('an announced key is announced again after a restart, and taken when it is due', (t) => {
  const harness = confirmed();
  const dueHours = harness.saved.current!.dueAt / HOUR_MS;
  harness.runUntil(dueHours - 0.5);
  const again = new Harness({ disk: harness.disk });
  again.handle({ kind: 'started' }, at(dueHours - 0.4));
  t.deepEqual(again.announced, harness.announced);
  again.runUntil(dueHours);
  t.is(again.saved.current!.credential.toString(), harness.announced!.toString());
});

test('another boot rotates at once; the old key serves for what the wall clock leaves of it', (t) => {
  for (const [awayHours, leftHours] of [
    [1, 4],
    [25, 3],
    [29, 0],
    [-1, 4],
    [24 * 40, 4],
  ] as const) {
    const { disk, inUse } = confirmed();
    const again = new Harness({ disk, bootId: OTHER_BOOT });
    again.handle({ kind: 'started' }, at(0, awayHours));
    t.is(again.inUse.length, leftHours > 0 ? 2 : 1, `away ${awayHours}`);
    again.runUntil(leftHours - 0.01, awayHours);
    t.is(again.inUse.includes(inUse[0]!), leftHours > 0, `away ${awayHours}`);
    again.runUntil(leftHours, awayHours);
    t.false(again.inUse.includes(inUse[0]!), `away ${awayHours}`);
  }
});

test('a signer that fails is asked again, with an alert that ends when it works', (t) => {
  const harness = confirmed();
  harness.signer = 'fails';
  harness.runUntil(24);
  t.deepEqual(harness.take().slice(0, 3), ['drawn', 'discarded', 'signing on']);
  harness.runUntil(28);
  t.deepEqual(harness.inUse, []);
  t.true(harness.take().includes('noKey on'));
  harness.signer = 'works';
  harness.runUntil(28 + 1 / 60);
  t.is(harness.inUse.length, 1);
  const words = harness.take();
  t.true(words.includes('signing off') && words.includes('noKey off'));
});

test('a signer that never answers is asked again after a minute; its late answer is ignored', (t) => {
  const harness = new Harness();
  harness.signer = 'isSilent';
  harness.handle({ kind: 'started' }, at(0));
  harness.runUntil(1.1 / 60);
  t.deepEqual(harness.take(), ['drawn', 'discarded', 'signing on']);
  const late = new Uint8Array(64);
  harness.handle({ kind: 'signed', request: 1, signature: late }, at(1.1 / 60));
  t.deepEqual(harness.take(), []);
});

test('a signature that is wrong in one bit, or has another size, counts as a failure', (t) => {
  const harness = new Harness();
  harness.signer = 'liesInOneBit';
  harness.handle({ kind: 'started' }, at(0));
  t.deepEqual(harness.take(), ['drawn', 'discarded', 'signing on']);
  harness.signer = 'isSilent';
  harness.runUntil(6 / 3600);
  harness.handle({ kind: 'signed', request: 2, signature: new Uint8Array(63) }, at(7 / 3600));
  t.deepEqual(harness.take(), ['drawn', 'discarded']);
});

test('a key is neither announced nor used before its write has ended', (t) => {
  const harness = confirmed();
  harness.store = 'isSilent';
  harness.runUntil(23.99 - 1);
  const written = harness.saved.current!.dueAt / HOUR_MS;
  harness.runUntil(written - 0.999);
  t.is(harness.announced!.toString(), harness.saved.current!.credential.toString());
  t.is(harness.inUse.length, 1);
});

test('where nothing can be written, a key is used when it is due, with an alert, unannounced', (t) => {
  const harness = confirmed();
  const announcedBefore = harness.announced;
  harness.store = 'fails';
  harness.runUntil(24.1);
  t.is(harness.inUse.length, 2);
  const words = harness.take();
  t.true(words.includes('store on'));
  t.false(words.includes('announced'));
  t.deepEqual(harness.announced, announcedBefore);
  harness.store = 'works';
  harness.runUntil(24.2);
  t.deepEqual(harness.take(), ['store off']);
});

test('answers that nobody waits for change nothing', (t) => {
  const harness = confirmed();
  const before = harness.disk;
  const now = at(1);
  harness.handle({ kind: 'stored', write: 99 }, now);
  harness.handle({ kind: 'storeFailed', write: 0 }, now);
  harness.handle({ kind: 'signed', request: 1, signature: new Uint8Array(64) }, now);
  harness.handle({ kind: 'signFailed', request: 7 }, now);
  harness.handle({ kind: 'handshakeCompleted', epoch: 5n }, now);
  harness.handle({ kind: 'handshakeFailed', epoch: harness.inUse[0]! }, now);
  t.deepEqual(harness.take(), []);
  t.is(harness.disk, before);
});

test('the operator can ask for another key', (t) => {
  const harness = confirmed();
  harness.handle({ kind: 'rotateRequested' }, at(3));
  t.deepEqual(harness.take(), ['drawn', 'signed', 'announced', 'activated', 'use 2']);
});

test('an identity that was replaced takes none of its predecessor’s keys', (t) => {
  const { disk } = confirmed();
  const wrong = disk!.slice();
  // The first bytes of the current key's credential: behind the head, the epoch, the key, the size.
  wrong[1 + 16 + 8 + 16 + 2 + 8 + 32 + 2 + 130]! ^= 1;
  const again = new Harness({ disk: wrong });
  again.handle({ kind: 'started' }, at(1));
  const words = again.take();
  t.is(words[0], 'unusable');
  t.true(words.includes('activated'));
});

test('epochs grow, even if the wall clock goes back for years', (t) => {
  const harness = confirmed();
  let last = harness.inUse[0]!;
  for (const [hours, offset] of [
    [30, 0],
    [60, -500],
    [90, -400_000],
    [120, 100_000],
    [150, 0],
  ] as const) {
    harness.runUntil(hours, offset);
    t.true(harness.inUse[0]! > last);
    last = harness.inUse[0]!;
    harness.handle({ kind: 'handshakeCompleted', epoch: last }, at(hours, offset));
  }
});

test('every pair of two ends’ keys has its turn', (t) => {
  const pairs = new Set<string>();
  for (let attempt = 0; attempt < 4; attempt++) {
    pairs.add(`${keyOfAttempt('initiator', attempt, 2)} ${keyOfAttempt('responder', attempt, 2)}`);
  }
  t.is(pairs.size, 4);
  t.is(keyOfAttempt('initiator', 7, 1), 0);
});

test('keys that ended are zeroed, and destroy zeroes the others', (t) => {
  const harness = confirmed();
  const [old] = harness.keys;
  harness.runUntil(27);
  const { keys } = harness;
  t.is(keys.length, 2);
  t.false(old!.privateKey.destroyed);
  harness.runUntil(28);
  t.true(old!.privateKey.destroyed);
  t.false(keys[0]!.privateKey.destroyed);
  harness.rotation.destroy();
  t.true(keys[0]!.privateKey.destroyed);
});
