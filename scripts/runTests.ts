// `npm test` and `npm run test:long`: every check and test in order, bounded in time, with true
// counts on the last line. Leaves no namespace or process of the tests behind.
//
//   node dist/scripts/runTests.js [--long] [--only stage,stage] [--match pattern] [--verbose]
import { existsSync } from 'node:fs';
import { parseArgs, styleText } from 'node:util';
import { removeLeftovers } from '../test/support/netnsLeftovers.js';
import { namespacesUnavailable } from '../test/support/netnsAvailable.js';
import { killRunningCommands, runCommand } from './testing/commandStage.js';
import type { CommandEnd } from './testing/commandStage.js';
import { TapReader } from './testing/tap.js';
import type { TestResult } from './testing/tap.js';

const MINUTE_MS = 60_000;

const { values: options } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    match: { type: 'string', multiple: true, default: [] },
    verbose: { type: 'boolean', default: false },
  },
});
const { long } = options;

/** The whole run, which takes some fifteen minutes on an idle machine of two cores; set-up comes on top. */
const totalTimeoutMs = (long ? 75 : 28) * MINUTE_MS;

type Command = readonly [string, ...string[]];

interface Stage {
  readonly name: string;
  readonly title: string;
  readonly command: Command;
  readonly timeoutMs: number;
  /** `tap`: each test counts; `check`: the command counts as one test. */
  readonly output: 'tap' | 'check';
  /** Show each test as it ends: for tests that take seconds each. */
  readonly slow?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** Why the stage can't run here. */
  readonly unavailable?: string | null;
}

const node = (path: string, ...args: string[]): Command => [process.execPath, path, ...args];
const matching = options.match.flatMap((pattern) => ['--match', pattern]);
const ava = (...args: string[]): Command =>
  node('node_modules/ava/entrypoints/cli.mjs', '--tap', ...matching, ...args);

/** Most of their time is waiting: two files at once, the tests of a file one after the other. */
const namespaceTests = (...files: readonly string[]): Command =>
  ava('--serial', '--concurrency=2', `--timeout=${long ? 10 : 2}m`, ...files);

const NETNS_TESTS = 'dist/test/netns/**/*.test.js';
const NATIVE_TESTS = 'native/test/run.sh';
/** What depends on the engine, again with the one that isn't the default; everything in a long run. */
const SODIUM_TESTS = long
  ? [NETNS_TESTS]
  : ['interop', 'interopChanges', 'interopWire', 'hostile'].map(
      (name) => `dist/test/netns/${name}.test.js`,
    );

const stages: readonly Stage[] = [
  {
    name: 'format',
    title: 'format check',
    command: node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'),
    timeoutMs: MINUTE_MS,
    output: 'check',
  },
  {
    name: 'lint',
    title: 'lint',
    command: node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'),
    timeoutMs: 3 * MINUTE_MS,
    output: 'check',
  },
  {
    name: 'types',
    title: 'type check',
    command: node(
      'node_modules/typescript/bin/tsc',
      '-p',
      'tsconfig.json',
      '--noEmit',
      '--pretty',
      'false',
    ),
    timeoutMs: 2 * MINUTE_MS,
    output: 'check',
  },
  {
    name: 'tests',
    title: 'tests of the parts: tidy, units, vectors, contract, simulation, fuzz',
    command: ava(`--timeout=${long ? 15 : 3}m`, 'dist/test/**/*.test.js', `!${NETNS_TESTS}`),
    timeoutMs: (long ? 25 : 8) * MINUTE_MS,
    output: 'tap',
  },
  {
    name: 'native',
    title: 'tests of the native addon under sanitizers',
    command: ['bash', NATIVE_TESTS],
    timeoutMs: (long ? 10 : 5) * MINUTE_MS,
    output: 'check',
    unavailable: existsSync(NATIVE_TESTS) ? null : `${NATIVE_TESTS} is not there`,
  },
  {
    name: 'netns',
    title: 'tests in network namespaces',
    command: namespaceTests(NETNS_TESTS),
    timeoutMs: (long ? 40 : 15) * MINUTE_MS,
    output: 'tap',
    slow: true,
  },
  {
    name: 'sodium',
    title: 'tests in network namespaces with the sodium engine',
    command: namespaceTests(...SODIUM_TESTS),
    env: { BEAM_ENGINE: 'sodium' },
    timeoutMs: (long ? 25 : 5) * MINUTE_MS,
    output: 'tap',
    slow: true,
  },
];

const counts: Record<TestResult['outcome'], number> = { passed: 0, failed: 0, skipped: 0 };
const failedTests: string[] = [];
const skippedTests: string[] = [];

const print = (text: string): void => console.log(text);
const colour: typeof styleText = (format, text) =>
  process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? styleText(format, text) : text;
const seconds = (sinceMs: number): string =>
  `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

function record(stage: Stage, result: TestResult, showPassed: boolean): void {
  counts[result.outcome]++;
  const title = `${stage.name}: ${result.title}`;
  if (result.outcome === 'failed') {
    failedTests.push(title);
    print(colour('red', `  ✘ ${result.title}`));
    for (const text of result.details) print(`      ${text}`);
  } else if (result.outcome === 'skipped') {
    skippedTests.push(`${title} (${result.details[0] ?? ''})`);
    if (showPassed) print(colour('yellow', `  - ${result.title}: ${result.details[0] ?? ''}`));
  } else if (showPassed) {
    print(`  ${colour('green', '✔')} ${result.title}`);
    for (const text of result.details) print(`      ${text}`);
  }
}

async function runStage(stage: Stage, deadlineMs: number): Promise<void> {
  const startMs = performance.now();
  print(colour('bold', `\n== ${stage.title}`));
  const before = { ...counts };
  if (typeof stage.unavailable === 'string') {
    const result: TestResult = {
      outcome: 'skipped',
      title: stage.title,
      details: [stage.unavailable],
    };
    record(stage, result, true);
    return;
  }
  const timeoutMs = Math.max(1_000, Math.min(stage.timeoutMs, deadlineMs - startMs));
  const end = await (stage.output === 'tap' ? runTap : runCheck)(stage, timeoutMs);
  if (end.kind !== 'exited') {
    const cause = end.kind === 'killed' ? end.signal : `time-out after ${timeoutMs / 1000} s`;
    record(
      stage,
      { outcome: 'failed', title: `${stage.title} ended by ${cause}`, details: [] },
      true,
    );
  }
  const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map(
    (outcome) => counts[outcome] - before[outcome],
  );
  print(`   ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds(startMs)}`);
}

async function runTap(stage: Stage, timeoutMs: number): Promise<CommandEnd> {
  const startCount = counts.passed + counts.failed + counts.skipped;
  const failedBefore = counts.failed;
  const reader = new TapReader((result) => {
    record(stage, result, stage.slow === true || options.verbose);
  });
  const end = await runCommand(stage.command, {
    timeoutMs,
    env: testEnvironment(stage),
    line: (text, from) => (from === 'stdout' ? reader.line(text) : print(`  | ${text}`)),
  });
  reader.end();
  if (end.kind === 'exited' && counts.failed === failedBefore) {
    // A run that fails, or does nothing, without naming a test must not look like a success.
    const ran = counts.passed + counts.failed + counts.skipped > startCount;
    if (end.code !== 0 && (ran || options.match.length === 0)) {
      const title = `${stage.title}: ava ended with status ${end.code}`;
      record(stage, { outcome: 'failed', title, details: [] }, true);
    } else if (!ran && options.match.length === 0) {
      record(stage, { outcome: 'failed', title: `${stage.title}: no test ran`, details: [] }, true);
    }
  }
  return end;
}

const SUMMARY_LINE = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;

/** A check's last line may give counts of its own in the form of this program's last line. */
async function runCheck(stage: Stage, timeoutMs: number): Promise<CommandEnd> {
  const lines: string[] = [];
  const end = await runCommand(stage.command, {
    timeoutMs,
    env: testEnvironment(stage),
    line: (text) => lines.push(text),
  });
  if (end.kind !== 'exited') {
    for (const text of lines.slice(-100)) print(`  | ${text}`);
    return end;
  }
  const summary = SUMMARY_LINE.exec(lines.at(-1) ?? '')
    ?.slice(1)
    .map(Number);
  const failed = end.code !== 0;
  if (failed || options.verbose) for (const text of lines.slice(-200)) print(`  | ${text}`);
  if (summary === undefined) {
    const reason = /^skipped: (.+)$/.exec(lines.at(-1) ?? '')?.[1];
    const skipped = !failed && reason !== undefined;
    const outcome = failed ? 'failed' : skipped ? 'skipped' : 'passed';
    record(stage, { outcome, title: stage.title, details: skipped ? [reason] : [] }, !failed);
    return end;
  }
  counts.passed += summary[0]!;
  counts.skipped += summary[2]!;
  for (const text of lines) if (text.startsWith('skipped: ')) skippedTests.push(text.slice(9));
  counts.failed += Math.max(summary[1]!, failed ? 1 : 0);
  if (failed) failedTests.push(stage.title);
  return end;
}

function testEnvironment(stage: Stage): NodeJS.ProcessEnv {
  return { ...stage.env, ...(long ? { BEAM_LONG: '1' } : {}), FORCE_COLOR: '0' };
}

async function main(): Promise<number> {
  const startMs = performance.now();
  const wanted = options.only?.split(',');
  const unknown = wanted?.filter((name) => !stages.some((stage) => stage.name === name)) ?? [];
  if (unknown.length > 0) {
    console.error(
      `no such stage: ${unknown.join(', ')}; there are ${stages.map(({ name }) => name).join(', ')}`,
    );
    return 2;
  }
  const unavailable = namespacesUnavailable();
  if (unavailable !== null) print(`network namespaces can't be used here: ${unavailable}`);
  await removeLeftovers(print);
  for (const stage of stages) {
    if (wanted === undefined || wanted.includes(stage.name)) {
      await runStage(stage, startMs + totalTimeoutMs);
    }
  }
  await removeLeftovers(print);

  if (skippedTests.length > 0) print(colour('bold', '\nskipped'));
  for (const title of skippedTests) print(`  - ${title}`);
  if (failedTests.length > 0) print(colour('bold', '\nfailed'));
  for (const title of failedTests) print(colour('red', `  ✘ ${title}`));
  print(`\nran for ${seconds(startMs)}`);
  print(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killRunningCommands('SIGKILL');
    void removeLeftovers(print).finally(() => process.exit(130));
  });
}
process.exitCode = await main();
