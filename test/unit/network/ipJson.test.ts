// What iproute2 6.1 and 6.15 print as JSON, and other output that must not be misread.
import test from 'ava';
import {
  parseAddresses,
  parseLinks,
  parseRouteAnswer,
  parseRoutes,
  parseRules,
  type Json,
} from '../../../src/platform/network/ipJson.js';
import { rule } from './fixtures.js';

const json = (text: string): Json[] => JSON.parse(text) as Json[];
const asked = { family: 4, table: '254', device: null } as const;

test('a link has its flags', (t) => {
  const text =
    '[{"ifindex":2,"ifname":"t0","flags":["NO-CARRIER","POINTOPOINT","NOARP","UP"],"mtu":1500},' +
    '{"ifindex":1,"ifname":"lo","flags":["LOOPBACK"],"mtu":65536}]';
  t.deepEqual(parseLinks(json(text)), [
    { index: 2, name: 't0', mtu: 1500, up: true, loopback: false },
    { index: 1, name: 'lo', mtu: 65536, up: false, loopback: true },
  ]);
});

test('objects that a filter emptied are nothing', (t) => {
  t.deepEqual(parseLinks(json('[{},{}]')), []);
  t.deepEqual(parseAddresses(json('[{},{"addr_info":[{}]}]')), []);
});

test('addresses keep their length', (t) => {
  const text =
    '[{"ifname":"t0","addr_info":[{"family":"inet","local":"10.9.0.1","prefixlen":24},' +
    '{"family":"inet6","local":"fd00::1","prefixlen":128}]}]';
  t.deepEqual(parseAddresses(json(text)), ['10.9.0.1/24', 'fd00::1/128']);
});

test('routes get their length, table and kind where the tool leaves them out', (t) => {
  const text =
    '[{"dst":"default","dev":"t0","table":"51820"},{"dst":"10.9.0.1","gateway":"10.0.0.1","dev":"t0","metric":5},' +
    '{"type":"7","dst":"10.40.0.0/16"},{"type":"9","dst":"10.41.0.0/16"},{"type":"2","dst":"10.0.0.1","dev":"lo","table":"255"}]';
  t.deepEqual(
    parseRoutes(json(text), asked).map(({ prefix, table, type, devices, metric }) => [
      prefix,
      table,
      type,
      devices.join(),
      metric,
    ]),
    [
      ['0.0.0.0/0', '51820', 'unicast', 't0', 0],
      ['10.9.0.1/32', '254', 'unicast', 't0', 5],
      ['10.40.0.0/16', '254', 'refuse', '', 0],
      ['10.41.0.0/16', '254', 'throw', '', 0],
      ['10.0.0.1/32', '255', 'local', 'lo', 0],
    ],
  );
  t.is(
    parseRoutes(json('[{"dst":"default"}]'), { ...asked, family: 6, device: 't9' })[0]!.prefix,
    '::/0',
  );
  t.deepEqual(parseRoutes(json('[{"dst":"default"}]'), { ...asked, device: 't9' })[0]!.devices, [
    't9',
  ]);
});

test('a route by several interfaces names each once', (t) => {
  const text = '[{"dst":"10.50.0.0/16","nexthops":[{"dev":"a"},{"dev":"b"},{"dev":"a"}]}]';
  t.deepEqual(parseRoutes(json(text), asked)[0]!.devices, ['a', 'b']);
});

test("a route's own MTU is read", (t) => {
  t.is(
    parseRoutes(json('[{"dst":"10.0.0.0/8","dev":"a","metrics":[{"mtu":1300}]}]'), asked)[0]!.mtu,
    1300,
  );
  t.deepEqual(parseRouteAnswer(json('[{"dst":"10.0.0.1","dev":"a","metrics":[{"mtu":1300}]}]')), {
    device: 'a',
    mtu: 1300,
  });
  t.deepEqual(parseRouteAnswer(json('[{"dst":"10.0.0.1","dev":"a"}]')), { device: 'a', mtu: null });
});

test('an answer that refuses is no route', (t) => {
  t.is(parseRouteAnswer([]), null);
  t.is(parseRouteAnswer(json('[{"type":"7","dst":"fd00::1","dev":"lo"}]')), null);
});

test('rules are read with all selectors that are known, and marked where there are others', (t) => {
  const text =
    '[{"priority":0,"src":"all","table":"255"},' +
    '{"priority":9,"not":null,"src":"10.0.0.1","table":"100","suppress_prefixlen":16},' +
    '{"priority":10,"src":"10.0.0.0","srclen":8,"dst":"1.1.1.1","fwmark":"0x10","fwmask":"0xff","iif":"lo","table":"100"},' +
    '{"priority":11,"src":"all","fwmark":"0xca6c","table":"51820","protocol":"0"},' +
    '{"priority":12,"src":"all","uid_start":0,"uid_end":100,"goto":32766},' +
    '{"priority":13,"src":"10.0.0.1","action":"8"}]';
  t.deepEqual(parseRules(json(text), 4), [
    rule({ priority: 0, table: '255' }),
    rule({
      priority: 9,
      negated: true,
      source: '10.0.0.1/32',
      table: '100',
      suppressPrefixLength: 16,
    }),
    rule({
      priority: 10,
      source: '10.0.0.0/8',
      destination: '1.1.1.1/32',
      mark: { value: 0x10, mask: 0xff },
      inputInterface: 'lo',
      table: '100',
    }),
    rule({ priority: 11, mark: { value: 51820, mask: 0xffffffff }, table: '51820' }),
    rule({ priority: 12, other: true }),
    rule({ priority: 13, source: '10.0.0.1/32', other: true }),
  ]);
});
