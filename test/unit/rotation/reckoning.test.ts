import test from 'ava';
import type { WallTime } from '../../../src/base/time.js';
import { wallTime } from '../../../src/base/time.js';
import { signEd25519 } from '../../../src/crypto/signature.js';
import { credentialSignatureInput, encodeCredential } from '../../../src/identity/credential.js';
import {
  dateCredential,
  reckonedWall,
  verifyAtPossibleTimes,
} from '../../../src/rotation/reckoning.js';
import { at, DAY_MS, HOUR_MS, IDENTITY, SEED, WALL_MS } from './rotationHarness.js';

const reference = at(0);

function credential(notBefore: WallTime, lifetimeMs = 31 * DAY_MS): Uint8Array {
  const notAfter = wallTime(notBefore + lifetimeMs);
  const tunnelKey = new Uint8Array(32).fill(7);
  const fields = { identity: IDENTITY, tunnelKey, epoch: 1n, notBefore, notAfter };
  return encodeCredential(fields, signEd25519(SEED, credentialSignatureInput(fields)));
}

test('the reckoned time follows boot time, whatever the wall clock says', (t) => {
  t.is(reckonedWall(reference, at(5, 1000)), wallTime(WALL_MS + 5 * HOUR_MS));
});

test('a credential begins an hour before the earlier clock, in whole seconds', (t) => {
  const start = (offsetHours: number): number =>
    (dateCredential(reference, at(10, offsetHours), 0).notBefore - WALL_MS) / HOUR_MS;
  t.is(start(0), 9);
  t.is(start(3), 9);
  t.is(start(-3), 6);
  t.is(start(21 * 24), 9);
  t.is(start(-21 * 24), 9 - 21 * 24);
  t.is(dateCredential(reference, at(10.0001), 0).notBefore % 1000, 0);
});

test('clocks more than 21 days apart take turns', (t) => {
  for (const offset of [21 * 24 + 0.001, -21 * 24 - 0.001, 400_000]) {
    const now = at(10, offset);
    t.is(dateCredential(reference, now, 0).wall, now.wall);
    t.is(dateCredential(reference, now, 1).wall, wallTime(WALL_MS + 10 * HOUR_MS));
    t.is(dateCredential(reference, now, 2).wall, now.wall);
  }
});

test('no wall clock is too wrong to date by', (t) => {
  for (const wall of [-1e15, -1, 0, 1, 1e18]) {
    const { notBefore } = dateCredential(reference, { boot: at(1).boot, wall: wallTime(wall) }, 0);
    t.true(Number.isSafeInteger(notBefore) && notBefore >= 0, String(wall));
  }
});

test('a peer’s credential is accepted at the wall time, the reckoned time, or 31 days later', (t) => {
  const bytes = credential(wallTime(WALL_MS));
  const kind = (wallOffsetHours: number, hours = 1): string => {
    const verdict = verifyAtPossibleTimes(bytes, reference, at(hours, wallOffsetHours));
    return verdict.kind === 'refused' ? verdict.reason : verdict.kind;
  };
  t.is(kind(0), 'verified');
  t.is(kind(-400_000), 'verified');
  t.is(kind(400_000), 'verified');
  t.is(kind(0, 31 * 24), 'expired');
  t.is(kind(-32 * 24, 32 * 24), 'verified', 'the wall clock, set back, still decides');
});

test('what was made while the device was off is accepted for 31 days of it, and not before', (t) => {
  for (const [days, kind] of [
    [1, 'verified'],
    [30.9, 'verified'],
    [31.1, 'refused'],
  ] as const) {
    const bytes = credential(wallTime(WALL_MS + days * DAY_MS));
    t.is(verifyAtPossibleTimes(bytes, reference, at(0, -1)).kind, kind, `${days} days`);
  }
});

test('what isn’t a matter of time is refused at any time', (t) => {
  const bytes = credential(wallTime(WALL_MS));
  bytes[100]! ^= 1;
  t.is(verifyAtPossibleTimes(bytes, reference, at(1)).kind, 'refused');
  t.is(verifyAtPossibleTimes(new Uint8Array(0), reference, at(1)).kind, 'refused');
});
