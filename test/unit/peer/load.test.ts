// When cookies are asked for.
import test from 'ava';
import { instant } from '../../../src/base/time.js';
import { LoadMeter } from '../../../src/peer/load.js';
import { LOAD_MESSAGES_PER_SECOND } from '../../../src/session/limits.js';

const FIRST = 5_000;

/** One message each `everyMs`; true if the last one met load. */
function feed(meter: LoadMeter, count: number, everyMs: number): boolean {
  let loaded = false;
  for (let i = 0; i < count; i++) loaded = meter.messageReceived(instant(FIRST + i * everyMs));
  return loaded;
}

test('the 256th message within a second is load, the 255th is not', (t) => {
  const meter = new LoadMeter();
  t.false(feed(meter, LOAD_MESSAGES_PER_SECOND - 1, 1));
  t.true(meter.messageReceived(instant(FIRST + 999)));
});

test('as many messages in a second and a little are no load', (t) => {
  t.false(feed(new LoadMeter(), 2000, 1020 / (LOAD_MESSAGES_PER_SECOND - 1)));
});

test('load lasts a second longer than its cause', (t) => {
  const meter = new LoadMeter();
  t.true(feed(meter, LOAD_MESSAGES_PER_SECOND, 0));
  t.true(meter.underLoad(instant(FIRST + 999)), 'the messages are in the last second');
  t.true(meter.underLoad(instant(FIRST + 1998)), 'a second later');
  t.false(meter.underLoad(instant(FIRST + 1999)));
});

test('an idle device is not under load', (t) => {
  t.false(new LoadMeter().underLoad(instant(0)));
});
