import test from 'ava';
import fc from 'fast-check';
import { isIPv6 } from 'node:net';
import {
  formatAddress,
  formatEndpoint,
  formatPrefix,
  maskPrefix,
  parseAddress,
  parsePrefix,
} from '../../../src/base/ip.js';

const roundTrips: readonly [string, string][] = [
  ['1.2.3.4', '1.2.3.4'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8::1', '2001:db8::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
];
for (const [text, canonical] of roundTrips) {
  test(`reads ${text} and writes ${canonical}`, (t) => {
    const address = parseAddress(text);
    t.truthy(address);
    t.is(formatAddress(address!), canonical);
  });
}

for (const text of [
  '',
  '1.2.3',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.4 ',
  ':::',
  '1::2::3',
  'fe80::1%2',
]) {
  test(`refuses the address ${JSON.stringify(text)}`, (t) => t.is(parseAddress(text), null));
}

for (const text of [
  '1.2.3.4/33',
  '1.2.3.4/-1',
  '1.2.3.4/',
  '1.2.3.4/01',
  '::/129',
  '::/1/1',
  '/8',
]) {
  test(`refuses the prefix ${JSON.stringify(text)}`, (t) => t.is(parsePrefix(text), null));
}

test('masks the host bits of a prefix', (t) => {
  t.is(formatPrefix(parsePrefix('10.1.2.3/9')!), '10.0.0.0/9');
  t.is(formatPrefix(parsePrefix('10.255.2.3/9')!), '10.128.0.0/9');
  t.is(formatPrefix(parsePrefix('2001:db8:ffff::1/33')!), '2001:db8:8000::/33');
  t.is(formatPrefix(parsePrefix('1.2.3.4/0')!), '0.0.0.0/0');
  t.is(formatPrefix(parsePrefix('::1')!), '::1/128');
});

test('every IPv6 address survives writing and reading', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const sparse = bytes.map((byte) => (byte < 128 ? 0 : byte));
      for (const candidate of [bytes, sparse]) {
        const text = formatAddress({ family: 6, bytes: candidate });
        if (!isIPv6(text)) return false;
        if (Buffer.compare(parseAddress(text)!.bytes, candidate) !== 0) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('a mask keeps exactly the first bits', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 128 }), (length) => {
      const { bytes } = maskPrefix({ family: 6, bytes: new Uint8Array(16).fill(255) }, length);
      const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
      return bits === '1'.repeat(length) + '0'.repeat(128 - length);
    }),
  );
  t.pass();
});

test('writes endpoints with brackets and zone', (t) => {
  t.is(formatEndpoint({ family: 4, address: '1.2.3.4', port: 5, scopeId: 0 }), '1.2.3.4:5');
  t.is(formatEndpoint({ family: 6, address: 'fe80::1', port: 5, scopeId: 3 }), '[fe80::1%3]:5');
});
