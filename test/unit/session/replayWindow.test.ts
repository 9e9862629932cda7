// The sliding window against the published cases and against a model that just remembers.
import test from 'ava';
import fc from 'fast-check';
import { counterLimit } from '../../../src/session/counter.js';
import { REJECT_AFTER_MESSAGES } from '../../../src/session/limits.js';
import { REPLAY_WINDOW_COUNTERS, ReplayWindow } from '../../../src/session/replayWindow.js';
import { parseVector, vectorTest } from '../../support/vectors.js';

const LIMIT = counterLimit(REJECT_AFTER_MESSAGES);

function accept(window: ReplayWindow, counter: bigint): boolean {
  const { high, low } = counterLimit(counter);
  return window.accept(high, low);
}

/** The twin: every accepted counter in a set. */
class RememberingWindow {
  readonly #seen = new Set<bigint>();
  #greatest = -1n;

  accept(counter: bigint): boolean {
    if (counter >= REJECT_AFTER_MESSAGES || this.#seen.has(counter)) return false;
    if (counter < this.#greatest - BigInt(REPLAY_WINDOW_COUNTERS)) return false;
    this.#seen.add(counter);
    if (counter > this.#greatest) this.#greatest = counter;
    return true;
  }
}

interface ReplayCases {
  readonly sequences: readonly {
    readonly name: string;
    readonly steps?: readonly Step[];
    readonly for?: { i_from: Term; i_to: Term; step: number; accept: boolean };
    readonly then?: readonly Step[];
  }[];
}
type Term = string | number;
interface Step {
  readonly n: Term;
  readonly accept: boolean;
}

/** Values of the symbolic cases: names, integers, `+ - *` and one level of parentheses. */
function evaluate(term: Term): bigint {
  const names: Record<string, bigint> = {
    COUNTER_WINDOW_SIZE: BigInt(REPLAY_WINDOW_COUNTERS),
    T_LIM: BigInt(REPLAY_WINDOW_COUNTERS) + 1n,
    REJECT_AFTER_MESSAGES,
  };
  const parts = String(term).match(/\([^)]*\)|\w+|[-+*]/g) ?? [];
  const value = (part: string): bigint => {
    if (part.startsWith('(')) return evaluate(part.slice(1, -1));
    return names[part] ?? BigInt(part);
  };
  let sum = 0n;
  for (let i = 0; i < parts.length; i++) {
    const sign = parts[i] === '-' ? -1n : 1n;
    if (parts[i] === '-' || parts[i] === '+') i++;
    let product = value(parts[i]!);
    while (parts[i + 1] === '*') product *= value(parts[(i += 2)]!);
    sum += sign * product;
  }
  return sum;
}

vectorTest(
  'accepts and refuses what the Linux module and wireguard-go do',
  ['wireguard/replay-window-cases.json'],
  (t, [file]) => {
    const { sequences } = parseVector(file) as ReplayCases;
    t.is(sequences.length, 7);
    for (const sequence of sequences) {
      const window = new ReplayWindow(LIMIT);
      const range = sequence.for;
      if (range !== undefined) {
        const step = BigInt(range.step);
        for (let i = evaluate(range.i_from); i * step <= evaluate(range.i_to) * step; i += step) {
          if (accept(window, i) !== range.accept) t.fail(`${sequence.name}: ${i}`);
        }
      }
      for (const { n, accept: expected } of [...(sequence.steps ?? []), ...(sequence.then ?? [])]) {
        t.is(accept(window, evaluate(n)), expected, `${sequence.name}: ${n}`);
      }
    }
  },
);

test('accepts each counter of the window once, and none left of it', (t) => {
  for (const greatest of [8128n, 8192n, 2n ** 32n + 3n, 2n ** 53n + 1n, 2n ** 64n - 2n ** 14n]) {
    const window = new ReplayWindow(LIMIT);
    t.true(accept(window, greatest));
    for (let below = BigInt(REPLAY_WINDOW_COUNTERS); below > 0n; below--) {
      if (!accept(window, greatest - below)) t.fail(`${greatest} - ${below} is in the window`);
      if (accept(window, greatest - below)) t.fail(`${greatest} - ${below} came twice`);
    }
    t.false(accept(window, greatest));
    t.false(accept(window, greatest - BigInt(REPLAY_WINDOW_COUNTERS) - 1n));
  }
});

test('the last counter is 2^64 - 2^13 - 2', (t) => {
  const window = new ReplayWindow(LIMIT);
  t.false(accept(window, 2n ** 64n - 1n));
  t.false(accept(window, 2n ** 64n - 2n ** 13n - 1n));
  t.true(accept(window, 2n ** 64n - 2n ** 13n - 2n));
});

test('a refused counter does not move the window', (t) => {
  const window = new ReplayWindow(counterLimit(100n));
  t.true(accept(window, 5n));
  t.false(accept(window, 100n));
  t.true(accept(window, 4n));
});

const anchors = [0n, 8100n, 2n ** 32n - 50n, 2n ** 53n - 50n, REJECT_AFTER_MESSAGES - 40n];
const jump = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(-40n, 40n) },
  { weight: 3, arbitrary: fc.bigInt(-9000n, 9000n) },
  { weight: 1, arbitrary: fc.bigInt(-(2n ** 40n), 2n ** 40n) },
);

test('agrees with a model that remembers every counter', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...anchors),
      fc.array(jump, { minLength: 1, maxLength: 200 }),
      (start, jumps) => {
        const window = new ReplayWindow(LIMIT);
        const twin = new RememberingWindow();
        let at = start;
        for (const by of jumps) {
          at += by;
          if (at < 0n || at >= 2n ** 64n) at = start;
          if (accept(window, at) !== twin.accept(at)) return false;
        }
        return true;
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});
