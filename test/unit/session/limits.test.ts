// The protocol's numbers, written out once more.
import test from 'ava';
import * as limits from '../../../src/session/limits.js';

test('the limits are those of the protocol', (t) => {
  t.is(limits.REKEY_AFTER_MESSAGES, 1_152_921_504_606_846_976n);
  t.is(limits.REJECT_AFTER_MESSAGES, 18_446_744_073_709_543_423n);
  t.is(limits.MAX_HANDSHAKE_RETRIES, 18);
  t.is(limits.NEW_HANDSHAKE_AFTER_MS, 15_000);
  t.is(limits.REKEY_ON_RECEIVE_AFTER_MS, 165_000);
  t.is(limits.ZERO_KEYS_AFTER_MS, 540_000);
  t.is(limits.INITIATION_INTERVAL_MS, 20);
});

test('only the initiator renews keys by time', (t) => {
  t.like(limits.wireGuardLimits('initiator'), {
    rekeyAfterMs: 120_000,
    rekeyOnReceiveAfterMs: 165_000,
    rejectAfterMs: 180_000,
  });
  t.like(limits.wireGuardLimits('responder'), {
    rekeyAfterMs: null,
    rekeyOnReceiveAfterMs: null,
    rejectAfterMs: 180_000,
  });
});
