// Session indices.
import test from 'ava';
import type { Entropy } from '../../../src/ports/entropy.js';
import { IndexTable } from '../../../src/peer/indexTable.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const owner = (): { indices: Set<number> } => ({ indices: new Set() });

test('draws again when an index is taken', (t) => {
  const draws = ['00000001', '00000001', 'fffffffe'].map((text) => Buffer.from(text, 'hex'));
  const entropy: Entropy = () => Uint8Array.from(draws.shift()!);
  const table = new IndexTable(entropy);
  const a = owner();
  const b = owner();
  t.is(table.allocate(a), 1);
  t.is(table.allocate(b), 0xffff_fffe);
  t.is(table.owner(1), a);
  t.is(table.owner(0xffff_fffe), b);
});

test('only the owner can release, and releasing all frees all', (t) => {
  const table = new IndexTable(seededEntropy('indices'));
  const a = owner();
  const b = owner();
  const index = table.allocate(a);
  table.release(index, b);
  t.is(table.owner(index), a);
  table.allocate(a);
  table.allocate(b);
  table.releaseAll(a);
  t.is(table.size, 1);
  t.is(a.indices.size, 0);
  t.is(table.owner(index), null);
});

test('indices are spread over all 32 bits', (t) => {
  const table = new IndexTable(seededEntropy('spread'));
  const a = owner();
  for (let i = 0; i < 2000; i++) table.allocate(a);
  for (let bit = 0; bit < 32; bit++) {
    const ones = [...a.indices].filter((index) => ((index >>> bit) & 1) === 1).length;
    t.true(ones > 800 && ones < 1200, `bit ${bit} is set in ${ones} of 2000`);
  }
});
