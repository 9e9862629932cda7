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

test('AES-256-GCM seals no more blocks under a key than RFC 9001 lets it', (t) => {
  const sealed = (mtuBytes: number): bigint =>
    limits.sessionLimits({ role: 'initiator', suite: 'aes-256-gcm', mtuBytes }).sendAtMostMessages;
  for (const mtuBytes of [576, 1280, 1420, 2048]) t.is(sealed(mtuBytes), 2n ** 28n);
  t.is(sealed(65_536), 2n ** 23n);
  for (const mtuBytes of [2049, 9000, 34_816, 65_535]) {
    const blocks = BigInt(Math.ceil(mtuBytes / 16));
    t.true(sealed(mtuBytes) * blocks <= 2n ** 35n, `${mtuBytes}`);
    t.true((sealed(mtuBytes) + 1n) * blocks > 2n ** 35n, `${mtuBytes}`);
  }
});

test('AES-256-GCM asks for keys at half of what it may seal, and takes what others seal', (t) => {
  for (const mtuBytes of [1420, 34_816]) {
    const { rekeyAfterMessages, sendAtMostMessages, rejectAfterMessages } = limits.sessionLimits({
      role: 'responder',
      suite: 'aes-256-gcm',
      mtuBytes,
    });
    t.is(rekeyAfterMessages, sendAtMostMessages / 2n);
    t.is(rejectAfterMessages, limits.REJECT_AFTER_MESSAGES);
  }
});

test('forged datagrams are borne up to RFC 9001’s integrity limits', (t) => {
  const borne = (suite: 'aes-256-gcm' | 'chacha20-poly1305'): bigint =>
    limits.sessionLimits({ role: 'initiator', suite, mtuBytes: 1420 }).dropAfterForgeries;
  t.is(borne('aes-256-gcm'), 4_503_599_627_370_496n);
  t.is(borne('chacha20-poly1305'), 68_719_476_736n);
  t.is(limits.wireGuardLimits('initiator').sendAtMostMessages, limits.REJECT_AFTER_MESSAGES);
  t.is(limits.wireGuardLimits('initiator').rekeyAfterMessages, limits.REKEY_AFTER_MESSAGES);
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
