// Looks for a key in another process's memory. The key is a function of a seed, so that nobody but
// the engine under test has to hold it there.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** Byte `index` of the key with that number. */
export function keyByte(number: number, index: number): number {
  let state = (Math.imul(number, 0x9e37_79b1) ^ Math.imul(index + 1, 0x85eb_ca6b)) >>> 0;
  state = Math.imul(state ^ (state >>> 15), 0xc2b2_ae35) >>> 0;
  return (state ^ (state >>> 13)) & 0xff;
}

export function keyOf(number: number): Buffer {
  return Buffer.from(Array.from({ length: 32 }, (_, i) => keyByte(number, i)));
}

export interface Found {
  /** Where in the address space, in hex. */
  readonly address: string;
  readonly mapping: string;
  /** The kernel keeps it out of swap, and out of core dumps. */
  readonly locked: boolean;
}

const CHUNK_BYTES = 1 << 20;

/** Where half a key or more stands in what the process can write. */
export function findKey(pid: number, key: Buffer): readonly Found[] {
  const halves = [key.subarray(0, 16), key.subarray(16)];
  const found: Found[] = [];
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const mapping of mappings(pid)) {
      const buffer = Buffer.alloc(CHUNK_BYTES + 15);
      for (let at = mapping.start; at < mapping.end; at += CHUNK_BYTES) {
        // A chunk overlaps the next one by what may begin in it and end there.
        const wanted = Math.min(buffer.length, mapping.end - at);
        const bytes = readAt(memory, buffer, wanted, at);
        for (const half of halves) {
          const index = buffer.subarray(0, bytes).indexOf(half);
          if (index < 0) continue;
          const { name, locked } = mapping;
          found.push({ address: (at + index).toString(16), mapping: name, locked });
        }
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

/** What could be read; some mappings refuse it. */
function readAt(memory: number, buffer: Buffer, wanted: number, at: number): number {
  try {
    return readSync(memory, buffer, 0, wanted, at);
  } catch {
    return 0;
  }
}

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly locked: boolean;
}

function mappings(pid: number): Mapping[] {
  const all: Mapping[] = [];
  const line = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)\n(?:[A-Z].*\n)*?VmFlags: (.*)$/gm;
  for (const [, start, end, flags, name, vm] of readFileSync(`/proc/${pid}/smaps`, 'utf8').matchAll(
    line,
  )) {
    if (!flags!.startsWith('rw')) continue;
    const words = vm!.split(' ');
    const locked = words.includes('lo') && words.includes('dd');
    all.push({ start: parseInt(start!, 16), end: parseInt(end!, 16), name: name!, locked });
  }
  return all;
}
