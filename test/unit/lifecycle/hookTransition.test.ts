// Which hook lines a reload runs. SPEC.md 8.8.
import test from 'ava';
import fc from 'fast-check';
import { hookTransition, type HookTable } from '../../../src/agent/lifecycle/hookTransition.js';

const table = (fields: Partial<HookTable>): HookTable => ({
  PreUp: [],
  PostUp: [],
  PreDown: [],
  PostDown: [],
  ...fields,
});
const run = (before: Partial<HookTable>, after: Partial<HookTable>): string[] =>
  hookTransition(table(before), table(after)).map(({ name, command }) => `${name} ${command}`);

test('the same up hooks run nothing, whatever the down hooks are', (t) => {
  t.deepEqual(
    run({ PostUp: ['a'], PostDown: ['b'] }, { PostUp: ['a'], PostDown: ['c'], PreDown: ['d'] }),
    [],
  );
});

test('down hooks that are gone run before up hooks that are new', (t) => {
  t.deepEqual(
    run(
      { PreUp: ['a'], PostUp: ['b', 'c'], PreDown: ['d'], PostDown: ['e', 'f'] },
      { PreUp: ['g'], PostUp: ['c', 'h'], PostDown: ['f'] },
    ),
    ['PreDown d', 'PostDown e', 'PreUp g', 'PostUp h'],
  );
});

test('another order of the up hooks runs none of them again', (t) => {
  t.deepEqual(run({ PostUp: ['a', 'b'] }, { PostUp: ['b', 'a'] }), []);
});

test('a line that both have is never run', (t) => {
  const lines = fc.uniqueArray(fc.constantFrom<string[]>('a', 'b', 'c', 'd'));
  const tables = fc.record({ PreUp: lines, PostUp: lines, PreDown: lines, PostDown: lines });
  fc.assert(
    fc.property(tables, tables, (before, after) => {
      for (const { name, command } of hookTransition(before, after))
        t.false(before[name].includes(command) && after[name].includes(command));
    }),
  );
});
