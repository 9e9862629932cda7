import test from 'ava';
import { MAX_LINE_BYTES } from '../../../src/config/uapi/requestLimits.js';
import { UapiReader, type UapiRequest } from '../../support/uapiReader.js';
import { hexKey } from './sample.js';

const noZones = (): null => null;
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const read = (text: string, reader = new UapiReader(noZones)): UapiRequest[] =>
  reader.push(bytes(text));
const summary = (request: UapiRequest): string => {
  if (request.kind === 'set') return `set ${request.outcome.kind}`;
  return request.kind === 'get' ? 'get' : `${request.kind} ${request.errno ?? 'silently'}`;
};
const summaries = (text: string): string[] => read(text).map(summary);

test('reads a get', (t) => {
  t.deepEqual(summaries('get=1\n\n'), ['get']);
});

test('reads several requests of one chunk in order', (t) => {
  t.deepEqual(summaries('get=1\n\nset=1\nfwmark=1\n\nget=1\n\n'), ['get', 'set change', 'get']);
});

test('reads requests wherever the stream is cut', (t) => {
  const text = `set=1\nlisten_port=5\npublic_key=${hexKey('a')}\n\nget=1\n\n`;
  for (let cut = 0; cut <= text.length; cut++) {
    const reader = new UapiReader(noZones);
    const requests = [...read(text.slice(0, cut), reader), ...read(text.slice(cut), reader)];
    t.deepEqual(requests.map(summary), ['set change', 'get'], `cut at ${cut}`);
  }
});

test('reads a request byte by byte', (t) => {
  const reader = new UapiReader(noZones);
  const requests = Array.from('set=1\nfwmark=1\n\n').flatMap((one) => read(one, reader));
  t.deepEqual(requests.map(summary), ['set change']);
});

test('answers nothing before the empty line', (t) => {
  const reader = new UapiReader(noZones);
  t.deepEqual(read('set=1\nfwmark=1\n', reader), []);
  t.false(reader.idle);
  t.deepEqual(read('\n', reader).map(summary), ['set change']);
  t.true(reader.idle);
});

test('takes a carriage return off every line but the first', (t) => {
  t.deepEqual(summaries('set=1\nfwmark=1\r\n\r\nget=1\n\r\n'), ['set change', 'get']);
  t.deepEqual(summaries('set=1\r\n\r\n'), ['close silently']);
});

for (const first of ['get=2', 'set=2', '', 'GET=1', 'get=1 ', ' get=1', 'hello', 'public_key=00']) {
  test(`closes silently on the first line ${JSON.stringify(first)}`, (t) => {
    t.deepEqual(summaries(`${first}\n\nget=1\n\n`), ['close silently']);
  });
}

test('refuses a line after get=1 and skips the rest of the request', (t) => {
  t.deepEqual(summaries('get=1\nfwmark=1\nset=1\n\nget=1\n\n'), ['refused -22', 'get']);
});

test('goes on after a set that is refused', (t) => {
  t.deepEqual(summaries('set=1\nbogus=1\nget=1\n\nget=1\n\n'), ['set refused', 'get']);
});

test('takes a line of the longest allowed length and closes on a longer one', (t) => {
  const line = (length: number): string => `set=1\nfwmark=${'0'.repeat(length - 7)}\n\n`;
  t.deepEqual(summaries(line(MAX_LINE_BYTES)), ['set change']);
  t.deepEqual(summaries(line(MAX_LINE_BYTES + 1)), ['close -5']);
});

test('closes on a line that gets too long before its end comes', (t) => {
  const reader = new UapiReader(noZones);
  t.deepEqual(read('set=1\n', reader), []);
  t.deepEqual(read('x'.repeat(MAX_LINE_BYTES), reader), []);
  t.deepEqual(read('x', reader).map(summary), ['close -5']);
  t.deepEqual(read('\n\nget=1\n\n', reader), []);
});

test('takes a request of the largest allowed size and closes on a larger one', (t) => {
  const request = 'set=1\nfwmark=1\nfwmark=2\n\n';
  const reader = (limit: number): UapiReader => new UapiReader(noZones, limit);
  t.deepEqual(read(request, reader(request.length)).map(summary), ['set change']);
  t.deepEqual(read(request, reader(request.length - 1)).map(summary), ['close -5']);
});

test("counts each request's size anew", (t) => {
  const request = 'set=1\nfwmark=1\n\n';
  const reader = new UapiReader(noZones, request.length);
  t.deepEqual(read(request.repeat(3), reader).map(summary), Array<string>(3).fill('set change'));
});

test('forgets a request whose stream ends', (t) => {
  const reader = new UapiReader(noZones);
  read('set=1\nfwmark=1\n', reader);
  reader.end();
  t.deepEqual(read('\n', reader), []);
});

test('takes 65,000 allowed-IPs for one peer in one request', (t) => {
  const lines = Array.from({ length: 65_000 }, (_, i) => `allowed_ip=10.${i >> 8}.${i & 255}.0/24`);
  const text = `set=1\npublic_key=${hexKey('a')}\n${lines.join('\n')}\n\n`;
  const reader = new UapiReader(noZones);
  const requests: UapiRequest[] = [];
  for (let at = 0; at < text.length; at += 65_536) {
    requests.push(...read(text.slice(at, at + 65_536), reader));
  }
  const [request] = requests;
  t.is(requests.length, 1);
  if (request?.kind !== 'set' || request.outcome.kind !== 'change') return t.fail();
  t.is(request.outcome.change.peers[0]?.allowedIps.length, 65_000);
});
