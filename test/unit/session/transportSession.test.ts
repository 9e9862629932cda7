// One session: what it seals, what it opens, and when it stops doing either.
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { gcm } from '@noble/ciphers/aes.js';
import test from 'ava';
import { BugError } from '../../../src/base/assert.js';
import { instant } from '../../../src/base/time.js';
import type { SessionKeys, SessionLimits, Suite } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import { wireGuardLimits } from '../../../src/session/limits.js';
import { TransportSession } from '../../../src/session/transportSession.js';

const BIRTH = instant(1_000);
const KEY_A = new Uint8Array(32).fill(0xa1);
const KEY_B = new Uint8Array(32).fill(0xb2);
const SUITES: readonly Suite[] = ['chacha20-poly1305', 'aes-256-gcm'];

function keys(change: Partial<SessionKeys> = {}): SessionKeys {
  return {
    peer: peerId(0),
    role: 'initiator',
    localIndex: 0x01020304,
    remoteIndex: 0xfefdfcfb,
    suite: 'chacha20-poly1305',
    sendKey: KEY_A.slice(),
    receiveKey: KEY_B.slice(),
    createdAt: BIRTH,
    limits: wireGuardLimits('initiator'),
    ...change,
  };
}

function pair(change: Partial<SessionKeys> = {}): [TransportSession, TransportSession] {
  const here = new TransportSession(keys(change));
  const there = new TransportSession(
    keys({ ...change, sendKey: KEY_B.slice(), receiveKey: KEY_A.slice(), role: 'responder' }),
  );
  return [here, there];
}

function seal(session: TransportSession, packet: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(packet.length + 32);
  datagram.set(packet, 16);
  session.seal(datagram, datagram.subarray(16, 16 + packet.length), datagram.subarray(16));
  return datagram;
}

function open(session: TransportSession, datagram: Uint8Array, at = BIRTH): Uint8Array | string {
  const packet = new Uint8Array(datagram.length - 32);
  return session.open(packet, datagram, at) ?? packet;
}

const withLimits = (limits: Partial<SessionLimits>): Partial<SessionKeys> => ({
  limits: { ...wireGuardLimits('initiator'), ...limits },
});

for (const suite of SUITES) {
  test(`${suite}: opens at the other end, once`, (t) => {
    const [here, there] = pair({ suite });
    const packet = new Uint8Array(64).fill(7);
    const datagram = seal(here, packet);
    t.deepEqual(open(there, datagram), packet);
    t.is(open(there, datagram), 'replayed');
    t.deepEqual(open(there, seal(here, new Uint8Array(0))), new Uint8Array(0));
  });

  test(`${suite}: any flipped bit is forged, and does not use the counter up`, (t) => {
    const [here, there] = pair({ suite });
    const datagram = seal(here, new Uint8Array(16).fill(9));
    for (let i = 8; i < datagram.length; i++) {
      const bent = datagram.slice();
      bent[i]! ^= 0x40;
      t.is(open(there, bent), 'forged', `byte ${i}`);
    }
    t.not(open(there, datagram), 'replayed');
  });

  test(`${suite}: the datagram is what another implementation makes of the same numbers`, (t) => {
    const [here] = pair({ suite });
    seal(here, new Uint8Array(0));
    const packet = Uint8Array.from({ length: 32 }, (_, i) => i);
    const datagram = seal(here, packet);
    const header = Uint8Array.of(4, 0, 0, 0, 0xfb, 0xfc, 0xfd, 0xfe, 1, 0, 0, 0, 0, 0, 0, 0);
    const nonce = new Uint8Array(12);
    nonce[suite === 'aes-256-gcm' ? 11 : 4] = 1;
    const cipher = suite === 'aes-256-gcm' ? gcm(KEY_A, nonce) : chacha20poly1305(KEY_A, nonce);
    t.deepEqual(datagram.subarray(0, 16), header);
    t.deepEqual(datagram.slice(16), cipher.encrypt(packet));
  });

  test(`${suite}: opens a counter of 64 bits`, (t) => {
    const [, there] = pair({ suite });
    const counter = 0x0123_4567_89ab_cdefn;
    const nonce = new DataView(new ArrayBuffer(12));
    nonce.setBigUint64(4, counter, suite === 'chacha20-poly1305');
    const bytes = new Uint8Array(nonce.buffer);
    const cipher = suite === 'aes-256-gcm' ? gcm(KEY_A, bytes) : chacha20poly1305(KEY_A, bytes);
    const datagram = new Uint8Array(48);
    datagram[0] = 4;
    new DataView(datagram.buffer).setBigUint64(8, counter, true);
    datagram.set(cipher.encrypt(new Uint8Array(16).fill(5)), 16);
    t.deepEqual(open(there, datagram), new Uint8Array(16).fill(5));
  });
}

test('zeroes the arrays that the keys came in', (t) => {
  const given = keys();
  new TransportSession(given);
  t.deepEqual(given.sendKey, new Uint8Array(32));
  t.deepEqual(given.receiveKey, new Uint8Array(32));
});

test('neither sends nor receives from 180 s on', (t) => {
  const [here, there] = pair();
  const datagram = seal(here, new Uint8Array(16));
  const last = instant(BIRTH + 179_999);
  const over = instant(BIRTH + 180_000);
  t.true(here.canSend(last));
  t.is(open(there, datagram, over), 'expired');
  t.not(open(there, datagram, last), 'expired');
  t.false(here.canSend(over));
  t.false(here.canSend(last), 'it does not come back');
});

test('sends and receives exactly rejectAfterMessages packets', (t) => {
  const [here] = pair(withLimits({ rejectAfterMessages: 3n }));
  const [unbounded] = pair();
  const there = pair(withLimits({ rejectAfterMessages: 3n }))[1];
  for (let i = 0; i < 3; i++) {
    t.true(here.canSend(BIRTH));
    seal(here, new Uint8Array(16));
  }
  t.false(here.canSend(BIRTH));
  t.throws(() => seal(here, new Uint8Array(16)), { instanceOf: BugError });
  const outcomes = Array.from({ length: 4 }, () => open(there, seal(unbounded, new Uint8Array(0))));
  const nothing = new Uint8Array(0);
  t.deepEqual(outcomes, [nothing, nothing, nothing, 'expired']);
});

test('asks for new keys after more than rekeyAfterMessages packets, whoever initiated', (t) => {
  const limits = { ...wireGuardLimits('responder'), rekeyAfterMessages: 2n };
  const [session] = pair({ limits });
  seal(session, new Uint8Array(0));
  seal(session, new Uint8Array(0));
  t.false(session.rekeyDueOnSend(BIRTH));
  seal(session, new Uint8Array(0));
  t.true(session.rekeyDueOnSend(BIRTH));
});

test('the initiator asks for new keys when it sends at 120 s, and once when it receives at 165 s', (t) => {
  const [session] = pair();
  t.false(session.rekeyDueOnSend(instant(BIRTH + 119_999)));
  t.true(session.rekeyDueOnSend(instant(BIRTH + 120_000)));
  t.false(session.rekeyDueOnReceive(instant(BIRTH + 164_999)));
  t.true(session.rekeyDueOnReceive(instant(BIRTH + 165_000)));
  t.false(session.rekeyDueOnReceive(instant(BIRTH + 166_000)));
});

test('the responder never asks by time', (t) => {
  const [session] = pair({ role: 'responder', limits: wireGuardLimits('responder') });
  t.false(session.rekeyDueOnSend(instant(BIRTH + 179_000)));
  t.false(session.rekeyDueOnReceive(instant(BIRTH + 179_000)));
});

test('an expired session still receives', (t) => {
  const [here, there] = pair();
  const datagram = seal(here, new Uint8Array(16));
  there.expireSending();
  t.false(there.canSend(BIRTH));
  t.false(there.rekeyDueOnSend(instant(BIRTH + 130_000)), 'what asks is the packet that waits');
  t.deepEqual(open(there, datagram), new Uint8Array(16));
});

test('a destroyed session can do nothing', (t) => {
  const [here] = pair();
  here.destroy();
  t.false(here.canSend(BIRTH));
  t.throws(() => seal(here, new Uint8Array(0)), { instanceOf: BugError });
});
