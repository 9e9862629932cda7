// UDP sockets of src/platform against the kernel: source addresses that stick and let go, traffic
// class, marks, ports, and errors that a tunnel has to live through.
import type { Endpoint } from '../../src/base/ip.js';
import type { Path } from '../../src/ports/udp.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import {
  ADAPTERS,
  adapterTitle,
  IoFailure,
  IoSubject,
  type Adapter,
} from '../support/ioSubject.js';

const A = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
/** The end with two addresses; the first is the one that routing chooses. */
const B = {
  4: ['192.0.2.2', '192.0.2.22'],
  6: ['2001:db8::2', '2001:db8::22'],
} as const;
const FAMILIES = [4, 6] as const;

interface TwoEnds {
  readonly a: Namespace;
  readonly b: Namespace;
}

async function twoEnds(net: Network): Promise<TwoEnds> {
  const [a, b] = [await net.namespace('a'), await net.namespace('b')];
  await net.link(
    { namespace: a, device: 'wire', addresses: [`${A[4]}/24`, `${A[6]}/64`] },
    {
      namespace: b,
      device: 'wire',
      addresses: [`${B[4][0]}/24`, `${B[4][1]}/24`, `${B[6][0]}/64`, `${B[6][1]}/64`],
    },
  );
  // What routing chooses for IPv6 is else the last address.
  await b.run('ip', 'address', 'change', `${B[6][1]}/64`, 'dev', 'wire', 'preferred_lft', '0');
  return { a, b };
}

const remote = (address: string, port: number, scopeId = 0): Endpoint => ({
  family: address.includes(':') ? 6 : 4,
  address,
  port,
  scopeId,
});
const to = (address: string, port: number): Path => ({
  remote: remote(address, port),
  local: null,
});

const linkIndex = async (namespace: Namespace, device: string): Promise<number> => {
  const text = await namespace.run('ip', '-j', 'link', 'show', 'dev', device);
  return (JSON.parse(text) as { ifindex: number }[])[0]!.ifindex;
};

const opened = async (
  namespace: Namespace,
  adapter: Adapter,
): Promise<{ subject: IoSubject; port: number }> => {
  const subject = new IoSubject(namespace, adapter);
  return { subject, port: await subject.bind(0) };
};

for (const adapter of ADAPTERS) {
  const how = adapterTitle(adapter);

  namespaceTest(`datagrams of both families go there and back ${how}`, async (t, net) => {
    const ends = await twoEnds(net);
    const a = await opened(ends.a, adapter);
    const b = await opened(ends.b, adapter);
    t.deepEqual((await a.subject.udpState()).families, [4, 6]);
    for (const family of FAMILIES) {
      for (const bytes of [1, 1452, 1453, 9000, 65_507]) {
        const payload = Buffer.alloc(bytes, bytes & 255);
        const path = to(B[family][0], b.port);
        t.deepEqual(await a.subject.send(path, payload), { failure: null, localStale: false });
        const [there] = await b.subject.receive(1);
        t.deepEqual(there!.bytes, payload);
        t.deepEqual(there!.path.remote, remote(A[family], a.port));
        t.is((await b.subject.send(there!.path, payload)).failure, null);
        const [back] = await a.subject.receive(1);
        t.deepEqual(back!.bytes, payload);
        t.deepEqual(back!.path.remote, path.remote);
      }
    }
  });

  namespaceTest(`link-local IPv6 keeps its interface ${how}`, async (t, net) => {
    const ends = await twoEnds(net);
    // A second wire: the address alone says nothing.
    await net.link(
      { namespace: ends.a, device: 'other', addresses: ['fe80::a/64'] },
      { namespace: ends.b, device: 'other', addresses: ['fe80::b/64'] },
    );
    const a = await opened(ends.a, adapter);
    const b = await opened(ends.b, adapter);
    const scopeId = await linkIndex(ends.a, 'other');
    const path: Path = { remote: remote('fe80::b', b.port, scopeId), local: null };
    t.is((await a.subject.send(path, Buffer.from('there'))).failure, null);
    const [there] = await b.subject.receive(1);
    t.deepEqual(there!.path.remote.scopeId, await linkIndex(ends.b, 'other'));
    const outcome = await b.subject.send(there!.path, Buffer.from('back'));
    t.deepEqual(outcome, { failure: null, localStale: false });
    const [back] = await a.subject.receive(1);
    t.deepEqual(back!.path.remote, path.remote);
  });

  namespaceTest(`a port that is taken leaves the old sockets at work ${how}`, async (t, net) => {
    const here = await net.namespace('a');
    const other = await opened(here, adapter);
    const { subject, port } = await opened(here, adapter);
    const error = await t.throwsAsync(subject.bind(other.port), { instanceOf: IoFailure });
    t.is(error.code, 'E_BIND');
    t.regex(error.message, new RegExp(`${other.port}.*EADDRINUSE`));
    for (const address of ['127.0.0.1', '::1']) {
      await other.subject.send(to(address, port), Buffer.from('still here'));
      t.is((await subject.receive(1))[0]!.bytes.toString(), 'still here');
    }
  });

  namespaceTest(
    `a port that is taken in one family only is not half opened ${how}`,
    async (t, net) => {
      const here = await net.namespace('a');
      here.spawn([
        process.execPath,
        '-e',
        `const socket = require('node:dgram').createSocket({ type: 'udp6', ipv6Only: true });
       socket.bind(7777, '::', () => console.log('bound'));`,
      ]);
      const { subject, port } = await opened(here, adapter);
      await waitFor('the port is taken', async () =>
        (await here.run('ss', '-Hlnu', 'sport', '=', '7777')).includes('7777'),
      );
      const error = await t.throwsAsync(subject.bind(7777), { instanceOf: IoFailure });
      t.is(error.code, 'E_BIND');
      const listening = await here.run('ss', '-Hlnu', 'sport', '=', '7777');
      t.is(listening.trim().split('\n').length, 1);
      t.is(await subject.bind(port), port, 'its own port can be asked for again');
    },
  );

  namespaceTest(`binding again moves, unbinding closes ${how}`, async (t, net) => {
    const here = await net.namespace('a');
    const { subject, port } = await opened(here, adapter);
    t.is(await subject.bind(7001), 7001);
    const listening = async (at: number): Promise<boolean> =>
      (await here.run('ss', '-Hlnu', 'sport', '=', String(at))).trim() !== '';
    t.false(await listening(port));
    t.true(await listening(7001));
    await subject.unbind();
    await waitFor('nothing is open', async () => !(await listening(7001)));
    t.deepEqual(await subject.send(to('127.0.0.1', 9), Buffer.alloc(1)), {
      failure: 'ENOSOCK',
      localStale: false,
    });
    t.deepEqual((await subject.udpState()).families, []);
    t.is(await subject.bind(7001), 7001);
  });

  namespaceTest(`where IPv6 is off there is IPv4 alone ${how}`, async (t, net) => {
    const here = await net.namespace('a');
    await here.sysctl('net.ipv6.conf.all.disable_ipv6', 1);
    await here.sysctl('net.ipv6.conf.default.disable_ipv6', 1);
    const { subject, port } = await opened(here, adapter);
    t.deepEqual((await subject.udpState()).families, [4]);
    const outcome = await subject.send(to('2001:db8::1', 9), Buffer.alloc(1));
    t.is(outcome.failure, 'ENOSOCK');
    await subject.send(to('127.0.0.1', port), Buffer.from('v4'));
    t.is((await subject.receive(1))[0]!.bytes.toString(), 'v4');
    await here.sysctl('net.ipv6.conf.all.disable_ipv6', 0);
    await subject.bind(port);
    t.deepEqual((await subject.udpState()).families, [4, 6], 'binding again takes it in');
  });

  namespaceTest(`no answer, no route and no leave are lived through ${how}`, async (t, net) => {
    const ends = await twoEnds(net);
    const a = await opened(ends.a, adapter);
    const b = await opened(ends.b, adapter);
    const failureOf = async (path: Path): Promise<string | null> => {
      // Without the addon the next send tells.
      const first = await a.subject.send(path, Buffer.alloc(8));
      return first.failure ?? (await a.subject.send(path, Buffer.alloc(8))).failure;
    };
    const works = async (family: 4 | 6): Promise<void> => {
      const marker = Buffer.from(`works ${family}`);
      await waitFor('a datagram arrives', async () => {
        await a.subject.send(to(B[family][0], b.port), marker);
        await pause(20);
        return b.subject.datagrams.splice(0).some(({ bytes }) => bytes.equals(marker));
      });
      await b.subject.send(to(A[family], a.port), marker);
      await waitFor('one comes back', () =>
        a.subject.datagrams.splice(0).some(({ bytes }) => bytes.equals(marker)),
      );
    };
    for (const family of FAMILIES) {
      // A closed port answers with ICMP.
      for (let i = 0; i < 5; i++) await a.subject.send(to(B[family][0], 9), Buffer.alloc(8));
      await works(family);
      const nowhere = family === 4 ? '203.0.113.1' : '2001:db8:f::1';
      t.is(await failureOf(to(nowhere, 9)), 'ENETUNREACH');
      await works(family);
    }
    await ends.a.nft(
      'add table inet t; add chain inet t out { type filter hook output priority 0; }; ' +
        'add rule inet t out meta l4proto udp drop',
    );
    t.is(await failureOf(to(B[4][0], b.port)), 'EPERM');
    t.is(await failureOf(to(B[6][0], b.port)), 'EPERM');
    await ends.a.nft('delete table inet t');
    await works(4);
    await works(6);
  });
}

namespaceTest('an answer leaves from the address that was asked', async (t, net) => {
  const ends = await twoEnds(net);
  const a = await opened(ends.a, 'addon');
  const b = await opened(ends.b, 'addon');
  const interfaceIndex = await linkIndex(ends.b, 'wire');
  for (const family of FAMILIES) {
    for (const address of B[family]) {
      await a.subject.send(to(address, b.port), Buffer.from('ask'));
      const [asked] = await b.subject.receive(1);
      t.deepEqual(asked!.path.local, { address, interfaceIndex });
      const outcome = await b.subject.send(asked!.path, Buffer.from('answer'));
      t.deepEqual(outcome, { failure: null, localStale: false });
      t.is((await a.subject.receive(1))[0]!.path.remote.address, address);
      // Without a local address routing chooses.
      await b.subject.send(to(A[family], a.port), Buffer.from('unasked'));
      t.is((await a.subject.receive(1))[0]!.path.remote.address, B[family][0]);
    }
  }
  t.deepEqual((await b.subject.udpState()).features, { stickySource: true, ecn: true, mark: true });
});

namespaceTest('a local address that is gone is reported and done without', async (t, net) => {
  const ends = await twoEnds(net);
  const a = await opened(ends.a, 'addon');
  const b = await opened(ends.b, 'addon');
  for (const family of FAMILIES) {
    await a.subject.send(to(B[family][1], b.port), Buffer.from('ask'));
    const [asked] = await b.subject.receive(1);
    // Used once, so that what is remembered about the path is old.
    t.false((await b.subject.send(asked!.path, Buffer.from('answer'))).localStale);
    const length = family === 4 ? 24 : 64;
    await ends.b.run('ip', 'address', 'del', `${B[family][1]}/${length}`, 'dev', 'wire');
    const outcome = await b.subject.send(asked!.path, Buffer.from('answer'));
    t.deepEqual(outcome, { failure: null, localStale: true }, `IPv${family}`);
    const sources = (await a.subject.receive(2)).map(({ path }) => path.remote.address);
    t.deepEqual(sources, [B[family][1], B[family][0]]);
  }
});

namespaceTest('an IPv4 source is let go when the route takes another interface', async (t, net) => {
  const ends = await twoEnds(net);
  await net.link(
    { namespace: ends.a, device: 'other', addresses: ['198.51.100.1/24'] },
    { namespace: ends.b, device: 'other', addresses: ['198.51.100.2/24'] },
  );
  for (const end of [ends.a, ends.b]) {
    await end.sysctl('net.ipv4.conf.all.rp_filter', 0);
    await end.sysctl('net.ipv4.conf.wire.rp_filter', 0);
    await end.sysctl('net.ipv4.conf.other.rp_filter', 0);
  }
  const a = await opened(ends.a, 'addon');
  const b = await opened(ends.b, 'addon');
  await a.subject.send(to(B[4][1], b.port), Buffer.from('ask'));
  const [asked] = await b.subject.receive(1);
  t.false((await b.subject.send(asked!.path, Buffer.from('answer'))).localStale);
  await ends.b.run('ip', 'route', 'add', `${A[4]}/32`, 'via', '198.51.100.1', 'dev', 'other');
  await waitFor('the source is let go', async () => {
    return (await b.subject.send(asked!.path, Buffer.from('answer'))).localStale;
  });
  await waitFor('it comes from the other interface', () =>
    a.subject.datagrams.some(({ path }) => path.remote.address === '198.51.100.2'),
  );
  t.pass();
});

namespaceTest('traffic class and ECN are sent and received as they are', async (t, net) => {
  const ends = await twoEnds(net);
  await ends.b.nft(
    'add table inet t; add counter inet t four; add counter inet t six; ' +
      'add chain inet t in { type filter hook input priority 0; }; ' +
      'add rule inet t in ip dscp 0x22 ip ecn ect1 counter name four; ' +
      'add rule inet t in ip6 dscp 0x22 ip6 ecn ect1 counter name six',
  );
  const a = await opened(ends.a, 'addon');
  const b = await opened(ends.b, 'addon');
  for (const family of FAMILIES) {
    for (const ecn of [0, 1, 2, 3]) {
      await a.subject.send(to(B[family][0], b.port), Buffer.alloc(1), 0x88 | ecn);
      t.is((await b.subject.receive(1))[0]!.ecn, ecn, `IPv${family}`);
    }
  }
  t.deepEqual(await ends.b.nftCounters('t'), { four: 1, six: 1 });
});

namespaceTest('a mark is on both sockets, now and after binding again', async (t, net) => {
  const ends = await twoEnds(net);
  await ends.a.nft(
    'add table inet t; add counter inet t four; add counter inet t six; ' +
      'add chain inet t out { type filter hook output priority 0; }; ' +
      'add rule inet t out meta mark 0xca6c ip protocol udp counter name four; ' +
      'add rule inet t out meta mark 0xca6c ip6 nexthdr udp counter name six',
  );
  const a = await opened(ends.a, 'addon');
  const sendBoth = async (): Promise<void> => {
    for (const family of FAMILIES) await a.subject.send(to(B[family][0], 9), Buffer.alloc(1));
  };
  await sendBoth();
  t.deepEqual(await ends.a.nftCounters('t'), { four: 0, six: 0 });
  await a.subject.setMark(0xca6c);
  await sendBoth();
  t.deepEqual(await ends.a.nftCounters('t'), { four: 1, six: 1 });
  await a.subject.bind(7002);
  await sendBoth();
  t.deepEqual(await ends.a.nftCounters('t'), { four: 2, six: 2 });
  await a.subject.setMark(0xffffffff);
  await a.subject.setMark(0);
  await sendBoth();
  t.deepEqual(await ends.a.nftCounters('t'), { four: 2, six: 2 });
});

namespaceTest('a mark needs the addon, and leave', async (t, net) => {
  const here = await net.namespace('a');
  const without = await opened(here, 'without');
  const refused = await t.throwsAsync(without.subject.setMark(1), { instanceOf: IoFailure });
  t.is(refused.code, 'E_MARK');
  await without.subject.setMark(0);
  const drop = '-net_admin,-net_raw';
  const through = ['setpriv', '--bounding-set', drop, '--inh-caps', drop, '--'];
  const subject = new IoSubject(here, 'addon', { through });
  await subject.bind(0);
  const denied = await t.throwsAsync(subject.setMark(1), { instanceOf: IoFailure });
  t.regex(denied.message, /E_MARK.*EPERM/s);
});

namespaceTest('large datagrams are fragmented, and none says not to', async (t, net) => {
  const ends = await twoEnds(net);
  await ends.a.nft(
    'add table inet t; add counter inet t seen; add counter inet t df; ' +
      'add chain inet t post { type filter hook postrouting priority 0; }; ' +
      'add rule inet t post meta nfproto ipv4 counter name seen; ' +
      'add rule inet t post ip frag-off & 0x4000 != 0 counter name df',
  );
  const a = await opened(ends.a, 'addon');
  const b = await opened(ends.b, 'addon');
  for (const bytes of [100, 1472, 1473, 4000]) {
    await a.subject.send(to(B[4][0], b.port), Buffer.alloc(bytes));
    t.is((await b.subject.receive(1))[0]!.bytes.length, bytes);
  }
  const counters = await ends.a.nftCounters('t');
  t.true(counters['seen']! >= 4);
  t.is(counters['df'], 0);
});

namespaceTest('datagrams of one source share a path', async (t, net) => {
  const ends = await twoEnds(net);
  const b = await opened(ends.b, 'addon');
  await ends.a.run(
    process.execPath,
    '-e',
    `const dgram = require('node:dgram');
     const sockets = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
     let left = 300;
     for (let i = 0; i < 300; i++) {
       sockets[i < 200 ? 0 : i % 2].send(String(i), ${b.port}, '${B[4][0]}', () => {
         if (--left === 0) sockets.forEach((socket) => socket.close());
       });
     }`,
  );
  const seen = await b.subject.receive(300);
  t.deepEqual(
    seen.map(({ bytes }) => Number(bytes.toString())).sort((x, y) => x - y),
    Array.from({ length: 300 }, (_, i) => i),
  );
  t.is(new Set(seen.map(({ path }) => path.remote.port)).size, 2);
  // Within a batch the same source is the same object, also after another came between.
  for (let start = 0; start < seen.length; start++) {
    const { isShared, path } = seen[start]!;
    if (isShared) continue;
    t.true(seen.some((other) => other.isShared && other.path.remote.port !== path.remote.port));
  }
});
