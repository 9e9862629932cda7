// The text that nft and iptables-restore get.
import test from 'ava';
import {
  firewallText,
  iptablesDeletions,
  tableName,
} from '../../../src/platform/network/firewall.js';
import type { FirewallItem } from '../../../src/platform/network/networkItem.js';

const item: FirewallItem = {
  kind: 'firewall',
  tool: 'nft',
  family: 4,
  mark: 7,
  addresses: ['10.0.0.1', '10.0.0.2'],
};

test('names of interfaces that nft refuses are written in hex', (t) => {
  t.is(tableName('wg0'), 'beam-wg0');
  t.is(tableName('a=b+c'), 'beam-a/3db/2bc');
  t.not(tableName('a=b'), tableName('a/3db'.replace('/', '_')));
});

test('one transaction replaces the table, so that at no time there is none', (t) => {
  const text = firewallText(item, 'wg0', 'add');
  t.true(text.startsWith('add table ip beam-wg0\ndelete table ip beam-wg0\ntable ip beam-wg0 {\n'));
});

test('every address is guarded, and only UDP with our mark is marked again', (t) => {
  const text = firewallText(item, 'wg0', 'add');
  for (const address of item.addresses)
    t.true(text.includes(`iifname != "wg0" ip daddr ${address} fib saddr type != local drop`));
  t.true(text.includes('meta l4proto udp ct mark 7 meta mark set ct mark'));
  t.true(
    firewallText({ ...item, family: 6, addresses: ['fd00::1'] }, 'wg0', 'add').includes(
      'ip6 daddr fd00::1 ',
    ),
  );
});

test('removing works whether or not the table is there', (t) => {
  t.is(firewallText(item, 'wg0', 'remove'), 'add table ip beam-wg0\ndelete table ip beam-wg0\n');
});

const SAVED = `# Generated
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING ! -i wg0 -d 10.0.0.1/32 -m comment --comment "beam(8) rule for wg0" -m addrtype ! --src-type LOCAL -j DROP
-A PREROUTING -i wg01 -m comment --comment "beam(8) rule for wg01" -j DROP
-A PREROUTING -m comment --comment "wg-quick(8) rule for wg0" -j DROP
COMMIT
*filter
-A INPUT -p tcp -j ACCEPT
COMMIT
`;

test("with iptables exactly the interface's own rules are deleted", (t) => {
  t.is(
    iptablesDeletions(SAVED, 'wg0'),
    `*raw
-D PREROUTING ! -i wg0 -d 10.0.0.1/32 -m comment --comment "beam(8) rule for wg0" -m addrtype ! --src-type LOCAL -j DROP
COMMIT
*filter
COMMIT
`,
  );
  t.is(iptablesDeletions(SAVED, 'wg'), null);
});

test('iptables restores only marks that are ours', (t) => {
  const text = firewallText({ ...item, tool: 'iptables' }, 'wg0', 'add');
  t.regex(text, /-I PREROUTING -p udp -m connmark --mark 7 -j CONNMARK --restore-mark/);
});
