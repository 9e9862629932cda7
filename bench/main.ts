// `npm run bench`: Beam's engines against other userspace WireGuards on this machine, in one run,
// interleaved. README.md says how to read it.
//
//   npm run bench -- [--quick] [--rounds N] [--only name,name] [--reference name]
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { namespacesUnavailable } from '../test/support/netnsAvailable.js';
import { removeLeftovers } from '../test/support/netnsLeftovers.js';
import { handshakesInProcess } from './handshakes.js';
import type { Sample } from './figures.js';
import { describeMachine } from './machine.js';
import { FULL, QUICK, measureAll } from './measure.js';
import type { Effort } from './measure.js';
import { BARE_WIRE, table, writeResults } from './report.js';
import { withScene } from './scene.js';
import { NEWEST_PEER, beamSubjects, peerSubjects } from './subject.js';
import type { Subject } from './subject.js';
import { targetTable } from './targets.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    reference: { type: 'string' },
  },
});

const IDLE_LOAD = 0.5;

/** A column of the table: a subject, or null for the bare wire. */
interface Column {
  readonly name: string;
  readonly subject: Subject | null;
  readonly samples: Sample[];
}

function columns(): Column[] {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const subjects: (Subject | null)[] = [...beamSubjects(version), ...peerSubjects(), null];
  const only = options.only?.split(',');
  return subjects
    .map((subject) => ({ name: subject?.name ?? BARE_WIRE, subject, samples: [] }))
    .filter(({ name }) => only === undefined || only.includes(name));
}

/** Beam against the newest peer, unless told otherwise. */
function referenceName(all: readonly Column[]): string {
  const peers = [NEWEST_PEER, 'wireguard-go'];
  const present = peers.find((name) => all.some((column) => column.name === name));
  return options.reference ?? present ?? BARE_WIRE;
}

/** Above what the slowest takes; a column that hangs must not hold the others. */
const COLUMN_LIMIT_MS = 240_000;

async function measureOne(subject: Subject | null, effort: Effort): Promise<Sample> {
  let current = 'start';
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs in: ${current}`)), COLUMN_LIMIT_MS);
  });
  const measured = withScene(subject, (scene) =>
    measureAll(scene, effort, (what) => (current = what)),
  );
  try {
    return await Promise.race([measured, limit]);
  } finally {
    clearTimeout(timer);
  }
}

async function main(): Promise<number> {
  const unavailable = namespacesUnavailable();
  if (unavailable !== null) {
    console.error(`bench: network namespaces can't be used here: ${unavailable}`);
    return 1;
  }
  await removeLeftovers(console.error);
  const machine = describeMachine();
  const effort = options.quick ? QUICK : FULL;
  const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}`,
  );
  if (machine.load > IDLE_LOAD) {
    console.log(
      `the machine isn't idle (load ${machine.load.toFixed(1)}): the figures will be too low`,
    );
  }
  const handshakesInProcessPerS = handshakesInProcess(options.quick ? 500 : 3_000);
  const running = columns();
  for (let round = 0; round < rounds; round++) {
    // Each round starts with another one, so that none is always the first after a pause.
    const turn = round % running.length;
    for (const column of [...running.slice(turn), ...running.slice(0, turn)]) {
      const startMs = performance.now();
      try {
        column.samples.push(await measureOne(column.subject, effort));
        const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
        console.error(`round ${round + 1} of ${rounds}: ${column.name} (${seconds} s)`);
      } catch (error) {
        console.error(
          `round ${round + 1}: ${column.name} failed and is left out: ${String(error)}`,
        );
        running.splice(running.indexOf(column), 1);
      }
    }
  }
  const results = {
    machine,
    quick: options.quick,
    handshakesInProcessPerS,
    subjects: running.map(({ name, subject, samples }) => ({
      name,
      version: subject?.version ?? '',
      samples,
    })),
  };
  const reference = referenceName(running);
  console.log(`\n${table(results, reference)}`);
  console.log(`\nhandshakes in one process, both sides: ${handshakesInProcessPerS.toFixed(0)}/s`);
  console.log(`medians of ${rounds}; in brackets: times better than ${reference}`);
  console.log(`\n${targetTable(results.subjects)}\n`);
  if (options.quick)
    console.log('quick: one short round, good for seeing that it runs, not for figures');
  console.log(`written to ${writeResults(results)}`);
  return running.length > 0 ? 0 : 1;
}

// A column that hung may still have something open.
process.exit(await main());
