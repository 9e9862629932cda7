// A peer's timers, event by event.
import test from 'ava';
import { instant } from '../../../src/base/time.js';
import type { PeerActivity } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';
import type { TimerAction } from '../../../src/peer/timers.js';
import { PeerTimers } from '../../../src/peer/timers.js';

const START = 1_000_000;
const at = (seconds: number): ReturnType<typeof instant> => instant(START + seconds * 1000);

function running(jitterMs = 0): PeerTimers {
  const timers = new PeerTimers({ jitterMs: () => jitterMs, changed: () => undefined });
  timers.started(at(0));
  return timers;
}

/** What is done until `seconds`, with the time of each; `react` may answer an action. */
function runUntil(
  timers: PeerTimers,
  seconds: number,
  react: (action: TimerAction, now: number) => void = () => undefined,
): string[] {
  const done: string[] = [];
  for (let next = timers.nextDeadline(); next !== null && next <= at(seconds);) {
    const action = timers.expire(next);
    if (action === null) throw new Error('nothing was due at the deadline');
    const now = (next - START) / 1000;
    done.push(`${now} ${action}`);
    react(action, now);
    next = timers.nextDeadline();
  }
  return done;
}

function activity(change: Partial<PeerActivity>): PeerActivity {
  return {
    kind: 'activity',
    peer: peerId(0),
    dataSentAt: null,
    authenticatedSentAt: null,
    dataReceivedAt: null,
    authenticatedReceivedAt: null,
    ...change,
  };
}

test('an unanswered initiation is retried every 5 s, 20 in all, then given up', (t) => {
  const timers = running();
  timers.handshakeRequested();
  timers.handshakeInitiated(at(0));
  const done = runUntil(timers, 1000, (action, now) => {
    if (action === 'retryHandshake') timers.handshakeInitiated(at(now));
  });
  const retries = Array.from({ length: 19 }, (_, i) => `${(i + 1) * 5} retryHandshake`);
  t.deepEqual(done, [...retries, '100 giveUp', '640 zeroKeys']);
});

test('retries carry the jitter that is drawn', (t) => {
  const timers = running(333);
  timers.handshakeInitiated(at(0));
  t.is(timers.nextDeadline(), at(5.333));
});

test('a completed handshake ends the retries and starts the count anew', (t) => {
  const timers = running();
  timers.handshakeInitiated(at(0));
  t.is(timers.expire(at(5)), 'retryHandshake');
  t.is(timers.retries, 1);
  timers.handshakeInitiated(at(5));
  t.true(timers.handshakePending);
  timers.handshakeCompleted();
  t.false(timers.handshakePending);
  t.is(timers.retries, 0);
  t.is(timers.nextDeadline(), null);
});

test('a new request starts the count anew', (t) => {
  const timers = running();
  timers.handshakeInitiated(at(0));
  timers.expire(at(5));
  timers.handshakeRequested();
  t.is(timers.retries, 0);
});

test('giving up does not put off the zeroing of keys that is set already', (t) => {
  const timers = running();
  timers.sessionDerived(at(-100));
  timers.handshakeInitiated(at(0));
  const done = runUntil(timers, 1000, (action, now) => {
    if (action === 'retryHandshake') timers.handshakeInitiated(at(now));
  });
  t.deepEqual(done.slice(-2), ['100 giveUp', '440 zeroKeys']);
});

test('giving up ends the wait for a keepalive', (t) => {
  const timers = running();
  timers.handshakeInitiated(at(0));
  for (let i = 1; i <= 19; i++) {
    t.is(timers.expire(at(5 * i)), 'retryHandshake');
    timers.handshakeInitiated(at(5 * i));
  }
  timers.dataReceived(at(99));
  t.is(timers.expire(at(100)), 'giveUp');
  t.is(timers.deadline('keepalive'), null);
});

test('data received and nothing sent brings one keepalive after 10 s', (t) => {
  const timers = running();
  timers.dataReceived(at(0));
  t.deepEqual(runUntil(timers, 100), ['10 sendKeepalive']);
});

test('anything sent makes the keepalive unnecessary', (t) => {
  const timers = running();
  timers.dataReceived(at(0));
  timers.authenticatedSent(at(9));
  t.deepEqual(runUntil(timers, 100), []);
});

test('a keepalive received asks for no keepalive', (t) => {
  const timers = running();
  timers.authenticatedReceived(at(0));
  t.is(timers.nextDeadline(), null);
});

test('data received while a keepalive is due brings another one', (t) => {
  const timers = running();
  timers.dataReceived(at(0));
  timers.dataReceived(at(5));
  t.deepEqual(runUntil(timers, 100), ['10 sendKeepalive', '20 sendKeepalive']);
});

test('data sent and nothing heard asks for a handshake after 15 s and jitter', (t) => {
  const timers = running(200);
  timers.dataSent(at(0));
  timers.dataSent(at(7));
  t.deepEqual(runUntil(timers, 100), ['15.2 newHandshake']);
});

test('anything authentic received ends the wait, and data sent later starts it again', (t) => {
  const timers = running();
  timers.dataSent(at(0));
  timers.authenticatedReceived(at(14));
  t.is(timers.nextDeadline(), null);
  timers.dataSent(at(20));
  t.deepEqual(runUntil(timers, 100), ['35 newHandshake']);
});

test('keepalives sent ask for no answer', (t) => {
  const timers = running();
  timers.authenticatedSent(at(0));
  t.is(timers.nextDeadline(), null);
});

test('keys are zeroed 540 s after the last were made', (t) => {
  const timers = running();
  timers.sessionDerived(at(0));
  timers.sessionDerived(at(100));
  t.deepEqual(runUntil(timers, 1000), ['640 zeroKeys']);
});

test('a persistent keepalive follows silence in both directions, again and again', (t) => {
  const timers = running();
  timers.persistentKeepaliveChanged(25_000, at(0));
  timers.authenticatedSent(at(10));
  timers.authenticatedReceived(at(20));
  t.deepEqual(runUntil(timers, 100), ['45 sendKeepalive', '70 sendKeepalive', '95 sendKeepalive']);
});

test('a persistent keepalive of 0 stops it, and another interval replaces it', (t) => {
  const timers = running();
  timers.persistentKeepaliveChanged(25_000, at(0));
  timers.persistentKeepaliveChanged(10_000, at(5));
  t.is(timers.nextDeadline(), at(15));
  timers.persistentKeepaliveChanged(0, at(6));
  t.is(timers.nextDeadline(), null);
});

test('while the link is down nothing is set, and going down stops everything', (t) => {
  const timers = new PeerTimers({ jitterMs: () => 0, changed: () => undefined });
  timers.persistentKeepaliveChanged(25_000, at(0));
  timers.handshakeInitiated(at(0));
  timers.dataReceived(at(0));
  timers.sessionDerived(at(0));
  t.is(timers.nextDeadline(), null);
  timers.started(at(1));
  t.is(timers.nextDeadline(), at(26), 'the persistent keepalive starts with the link');
  timers.dataSent(at(2));
  timers.stopped();
  t.is(timers.nextDeadline(), null);
});

test('a report is taken in the order of its times', (t) => {
  const sentFirst = running();
  sentFirst.report(
    activity({ dataSentAt: at(1), authenticatedSentAt: at(1), authenticatedReceivedAt: at(2) }),
  );
  t.is(sentFirst.deadline('newHandshake'), null, 'the answer came after the packet');
  const receivedFirst = running();
  receivedFirst.report(
    activity({ dataSentAt: at(2), authenticatedSentAt: at(2), authenticatedReceivedAt: at(1) }),
  );
  t.is(receivedFirst.deadline('newHandshake'), at(17));
});

test('at equal times receiving comes before sending', (t) => {
  const timers = running();
  timers.report(
    activity({
      dataReceivedAt: at(3),
      authenticatedReceivedAt: at(3),
      dataSentAt: at(3),
      authenticatedSentAt: at(3),
    }),
  );
  t.is(timers.deadline('keepalive'), null, 'the packet sent answers the one received');
  t.is(timers.deadline('newHandshake'), at(18));
});

test('a late wake-up brings each timer once, the earliest first', (t) => {
  const timers = running();
  timers.sessionDerived(at(0));
  timers.dataReceived(at(0));
  timers.dataSent(at(0));
  timers.persistentKeepaliveChanged(30_000, at(0));
  const woken = at(10_000);
  const done: (string | null)[] = [];
  for (let action = timers.expire(woken); action !== null; action = timers.expire(woken))
    done.push(action);
  t.deepEqual(done, ['sendKeepalive', 'newHandshake', 'sendKeepalive', 'zeroKeys']);
});

test('a handshake that is put off waits in the retransmit timer, unless that is set', (t) => {
  const timers = running(100);
  timers.handshakePutOff(at(5));
  t.is(timers.deadline('retransmit'), at(5.1));
  timers.handshakePutOff(at(9));
  t.is(timers.deadline('retransmit'), at(5.1));
});

test('tells about every change of the next deadline', (t) => {
  let changes = 0;
  const timers = new PeerTimers({ jitterMs: () => 0, changed: () => changes++ });
  timers.started(at(0));
  timers.dataReceived(at(0));
  t.is(changes, 1);
  timers.authenticatedSent(at(1));
  t.is(changes, 2);
  timers.authenticatedSent(at(2));
  t.is(changes, 2);
});
