import test from 'ava';
import {
  MAX_FAILED_OPENS,
  beamLimits,
  failedOpensPerSecond,
} from '../../../src/session/beamLimits.js';
import { wireGuardLimits } from '../../../src/session/limits.js';

const gcm = (largestPacketBytes: number) =>
  beamLimits({ role: 'initiator', suite: 'aes-256-gcm', largestPacketBytes });

test('AES-GCM seals 2^28 packets up to 2,048 bytes, and fewer larger ones', (t) => {
  for (const [bytes, packets] of [
    [0, 2n ** 28n],
    [68, 2n ** 28n],
    [1420, 2n ** 28n],
    [2048, 2n ** 28n],
    [2049, 2n ** 35n / 129n],
    [8920, 2n ** 35n / 558n],
    [65_535, 2n ** 23n],
  ] as const) {
    t.is(gcm(bytes).rejectAfterMessages, packets, `${bytes} bytes`);
  }
});

test('new keys are asked for an eighth before the end, so that packets go on meanwhile', (t) => {
  const { rekeyAfterMessages, rejectAfterMessages } = gcm(1420);
  t.is(rekeyAfterMessages, 2n ** 28n - 2n ** 25n);
  t.true(rekeyAfterMessages < rejectAfterMessages);
  t.true(gcm(65_535).rekeyAfterMessages < gcm(65_535).rejectAfterMessages);
});

test('times are WireGuard’s, and so is all of ChaCha20-Poly1305', (t) => {
  for (const role of ['initiator', 'responder'] as const) {
    const wireGuard = wireGuardLimits(role);
    const largestPacketBytes = 1420;
    t.deepEqual(beamLimits({ role, suite: 'chacha20-poly1305', largestPacketBytes }), wireGuard);
    const { rekeyAfterMs, rekeyOnReceiveAfterMs, rejectAfterMs } = beamLimits({
      role,
      suite: 'aes-256-gcm',
      largestPacketBytes,
    });
    t.deepEqual(
      [rekeyAfterMs, rekeyOnReceiveAfterMs, rejectAfterMs],
      [wireGuard.rekeyAfterMs, wireGuard.rekeyOnReceiveAfterMs, wireGuard.rejectAfterMs],
    );
  }
});

test('no link of 100 Gbit/s reaches the limit of failed opens before a session’s time is over', (t) => {
  // The smallest Ethernet frame with preamble and gap: 84 bytes.
  const framesPerSecond = 100e9 / 8 / 84;
  t.true(failedOpensPerSecond('chacha20-poly1305') > 2.5 * framesPerSecond);
  t.true(MAX_FAILED_OPENS['aes-256-gcm'] > MAX_FAILED_OPENS['chacha20-poly1305']);
});
