// Who gives way to whom among previous, current and next.
import test from 'ava';
import { Keyring } from '../../../src/session/keyring.js';

interface Named {
  readonly name: string;
  readonly role: 'initiator' | 'responder';
}

function setUp(): {
  keyring: Keyring<Named>;
  slots: () => string[];
  dropped: string[];
  initiated: (name: string) => Named;
  responded: (name: string) => Named;
} {
  const dropped: string[] = [];
  const keyring = new Keyring<Named>(({ name }) => dropped.push(name));
  const install = (session: Named): Named => {
    keyring.install(session);
    return session;
  };
  return {
    keyring,
    dropped,
    slots: () => [keyring.previous, keyring.current, keyring.next].map((s) => s?.name ?? '-'),
    initiated: (name) => install({ name, role: 'initiator' }),
    responded: (name) => install({ name, role: 'responder' }),
  };
}

test('an initiated session is current at once and the old one previous', (t) => {
  const { initiated, slots, dropped } = setUp();
  initiated('a');
  t.deepEqual(slots(), ['-', 'a', '-']);
  initiated('b');
  t.deepEqual(slots(), ['a', 'b', '-']);
  initiated('c');
  t.deepEqual(slots(), ['b', 'c', '-']);
  t.deepEqual(dropped, ['a']);
});

test('a session that we answered waits as next and pushes previous out', (t) => {
  const { initiated, responded, slots, dropped } = setUp();
  initiated('a');
  initiated('b');
  responded('c');
  t.deepEqual(slots(), ['-', 'b', 'c']);
  responded('d');
  t.deepEqual(slots(), ['-', 'b', 'd']);
  t.deepEqual(dropped, ['a', 'c']);
});

test('the first packet under next makes it current, once', (t) => {
  const { keyring, initiated, responded, slots, dropped } = setUp();
  const a = initiated('a');
  const b = responded('b');
  t.false(keyring.confirm(a));
  t.deepEqual(slots(), ['-', 'a', 'b']);
  t.true(keyring.confirm(b));
  t.deepEqual(slots(), ['a', 'b', '-']);
  t.false(keyring.confirm(b));
  const c = responded('c');
  t.deepEqual(slots(), ['-', 'b', 'c']);
  t.true(keyring.confirm(c));
  t.deepEqual(slots(), ['b', 'c', '-']);
  t.deepEqual(dropped, ['a']);
});

test('a packet under previous changes nothing', (t) => {
  const { keyring, initiated, slots } = setUp();
  const a = initiated('a');
  initiated('b');
  t.false(keyring.confirm(a));
  t.deepEqual(slots(), ['a', 'b', '-']);
});

test('an initiated session demotes an unconfirmed one to previous and drops the current', (t) => {
  const { initiated, responded, slots, dropped } = setUp();
  initiated('a');
  initiated('b');
  responded('c');
  initiated('d');
  t.deepEqual(slots(), ['c', 'd', '-']);
  t.deepEqual(dropped, ['a', 'b']);
});

test('when both sides initiate at once, each keeps both sessions', (t) => {
  const { initiated, responded, slots } = setUp();
  responded('theirs');
  initiated('ours');
  t.deepEqual(slots(), ['theirs', 'ours', '-']);
});

test('every session that leaves is dropped exactly once', (t) => {
  const { keyring, initiated, responded, dropped } = setUp();
  initiated('a');
  responded('b');
  initiated('c');
  responded('d');
  keyring.dropAll();
  keyring.dropAll();
  t.deepEqual([...dropped].sort(), ['a', 'b', 'c', 'd']);
});
