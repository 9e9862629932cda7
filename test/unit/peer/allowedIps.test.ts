// Longest prefix first, against the published cases and a list that is searched through.
import test from 'ava';
import fc from 'fast-check';
import type { IpFamily, IpPrefix } from '../../../src/base/ip.js';
import { addressBits, formatPrefix, maskPrefix, parseAddress } from '../../../src/base/ip.js';
import { AllowedIps } from '../../../src/peer/allowedIps.js';
import { parseVector, vectorTest } from '../../support/vectors.js';

interface Operation {
  readonly op: string;
  readonly peer?: string;
  readonly ip?: string;
  readonly cidr?: number;
  readonly exactly?: readonly string[];
}

function prefixOf(text: string, length: number): IpPrefix {
  return maskPrefix(parseAddress(text)!, length);
}

function lookup(table: AllowedIps<string>, text: string): string | null {
  const { family, bytes } = parseAddress(text)!;
  return table.lookup(family, bytes, 0);
}

vectorTest(
  'finds what the Linux module and wireguard-go find',
  ['wireguard/allowedips-cases.json'],
  (t, [file]) => {
    const cases = parseVector(file) as Record<string, readonly Operation[]>;
    for (const name of ['kernel', 'wireguard_go_remove']) {
      let table = new AllowedIps<string>();
      for (const [i, { op, peer = '', ip = '', cidr = 0, exactly }] of cases[name]!.entries()) {
        const place = `${name} ${i}: ${op} ${peer} ${ip}/${cidr}`;
        if (op === 'reset') table = new AllowedIps();
        else if (op === 'insert') table.add(peer, prefixOf(ip, cidr));
        else if (op === 'remove') table.remove(peer, prefixOf(ip, cidr));
        else if (op === 'remove_peer') table.removeOwner(peer);
        else if (op === 'expect_peer') t.is(lookup(table, ip), peer, place);
        else if (op === 'expect_not_peer') t.not(lookup(table, ip), peer, place);
        else if (op === 'expect_list') {
          t.deepEqual(table.list(peer).map(formatPrefix).sort(), [...exactly!].sort(), place);
        } else t.fail(place);
      }
    }
  },
);

/** The twin: a list, searched from end to end. */
class ListedIps {
  readonly #entries = new Map<string, { owner: string; prefix: IpPrefix }>();

  add(owner: string, prefix: IpPrefix): void {
    this.#entries.delete(formatPrefix(prefix));
    this.#entries.set(formatPrefix(prefix), { owner, prefix });
  }

  remove(owner: string, prefix: IpPrefix): boolean {
    const key = formatPrefix(prefix);
    return this.#entries.get(key)?.owner === owner && this.#entries.delete(key);
  }

  removeOwner(owner: string): void {
    for (const [key, entry] of this.#entries) if (entry.owner === owner) this.#entries.delete(key);
  }

  lookup(family: IpFamily, bytes: Uint8Array): string | null {
    let best: { owner: string; prefix: IpPrefix } | null = null;
    for (const entry of this.#entries.values()) {
      const { prefix } = entry;
      if (prefix.family !== family) continue;
      const masked = maskPrefix({ family, bytes }, prefix.length);
      if (formatPrefix(masked) !== formatPrefix(prefix)) continue;
      if (best === null || prefix.length > best.prefix.length) best = entry;
    }
    return best?.owner ?? null;
  }

  list(owner: string): string[] {
    const own = [...this.#entries.values()].filter((entry) => entry.owner === owner);
    return own.map(({ prefix }) => formatPrefix(prefix));
  }
}

/** Few distinct bytes, so that prefixes nest and meet. */
const address = (family: IpFamily): fc.Arbitrary<Uint8Array> =>
  fc
    .array(fc.constantFrom(0, 1, 0x80, 0xc0, 0xff), {
      minLength: addressBits(family) / 8,
      maxLength: addressBits(family) / 8,
    })
    .map((bytes) => Uint8Array.from(bytes));

const prefix = fc
  .constantFrom<IpFamily>(4, 6)
  .chain((family) =>
    fc
      .tuple(address(family), fc.integer({ min: 0, max: addressBits(family) }))
      .map(([bytes, length]) => maskPrefix({ family, bytes }, length)),
  );

const owner = fc.constantFrom('a', 'b', 'c');
const edit = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('add'), owner, prefix }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('remove'), owner, prefix }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('removeOwner'), owner, prefix }) },
);

test('agrees with a list that is searched through', (t) => {
  fc.assert(
    fc.property(
      fc.array(edit, { minLength: 1, maxLength: 60 }),
      fc.array(fc.oneof(address(4), address(6)), { minLength: 5, maxLength: 20 }),
      (edits, addresses) => {
        const table = new AllowedIps<string>();
        const twin = new ListedIps();
        const known: IpPrefix[] = [];
        for (const { op, owner: who, prefix: where } of edits) {
          if (op === 'add') {
            table.add(who, where);
            twin.add(who, where);
            known.push(where);
          } else if (op === 'remove') {
            // Mostly one that is there: a random prefix would hardly ever be.
            const target = known[where.length % Math.max(1, known.length)] ?? where;
            if (table.remove(who, target) !== twin.remove(who, target)) return false;
          } else {
            table.removeOwner(who);
            twin.removeOwner(who);
          }
        }
        const found = [...addresses, ...known.map(({ bytes }) => bytes)].every((bytes) => {
          const family = bytes.length === 4 ? 4 : 6;
          return table.lookup(family, bytes, 0) === twin.lookup(family, bytes);
        });
        const listed = ['a', 'b', 'c'].every(
          (who) => table.list(who).map(formatPrefix).join() === twin.list(who).join(),
        );
        return found && listed;
      },
    ),
    { numRuns: 400 },
  );
  t.pass();
});

test('a prefix inside another peer’s prefix wins, and its removal uncovers the other', (t) => {
  const table = new AllowedIps<string>();
  table.add('wide', prefixOf('10.0.0.0', 8));
  table.add('narrow', prefixOf('10.1.0.0', 16));
  t.is(lookup(table, '10.1.2.3'), 'narrow');
  t.is(lookup(table, '10.2.2.3'), 'wide');
  t.true(table.remove('narrow', prefixOf('10.1.0.0', 16)));
  t.is(lookup(table, '10.1.2.3'), 'wide');
});

test('removes the exact prefix only, and only for its owner', (t) => {
  const table = new AllowedIps<string>();
  table.add('a', prefixOf('10.0.0.0', 24));
  t.false(table.remove('b', prefixOf('10.0.0.0', 24)));
  t.false(table.remove('a', prefixOf('10.0.0.0', 25)));
  t.false(table.remove('a', prefixOf('10.0.0.0', 23)));
  t.is(lookup(table, '10.0.0.1'), 'a');
});

test('a prefix moves to whoever adds it last', (t) => {
  const table = new AllowedIps<string>();
  table.add('a', prefixOf('fd00::', 64));
  table.add('b', prefixOf('fd00::', 64));
  t.is(lookup(table, 'fd00::1'), 'b');
  t.deepEqual(table.list('a'), []);
  table.removeOwner('a');
  t.is(lookup(table, 'fd00::1'), 'b');
});

test('the default routes of the two families are apart', (t) => {
  const table = new AllowedIps<string>();
  table.add('four', prefixOf('0.0.0.0', 0));
  t.is(lookup(table, '192.0.2.1'), 'four');
  t.is(lookup(table, '::'), null);
  table.add('six', prefixOf('::', 0));
  t.is(lookup(table, '2001:db8::1'), 'six');
});

test('reads the address at its place in a packet', (t) => {
  const table = new AllowedIps<string>();
  table.add('a', prefixOf('192.0.2.0', 24));
  const packet = new Uint8Array(20).fill(0xff);
  packet.set([192, 0, 2, 77], 16);
  t.is(table.lookup(4, packet, 16), 'a');
  t.is(table.lookup(4, packet, 12), null);
});

test('65,000 prefixes on one peer are added, found, listed and removed within a second of work', (t) => {
  const table = new AllowedIps<string>();
  const start = process.cpuUsage();
  for (let i = 0; i < 65_000; i++) {
    table.add('many', { family: 4, length: 32, bytes: Uint8Array.of(10, i >> 16, i >> 8, i) });
  }
  t.is(lookup(table, '10.0.253.231'), 'many');
  t.is(lookup(table, '10.0.253.232'), null);
  t.is(table.list('many').length, 65_000);
  table.removeOwner('many');
  t.is(lookup(table, '10.0.0.1'), null);
  const tookMs = process.cpuUsage(start).user / 1000;
  t.log(`${tookMs.toFixed(0)} ms of processor time`);
  t.true(tookMs < 1000);
});
