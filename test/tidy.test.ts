// Holds the architecture and the style that can be read off the sources. Each rule is first shown
// to fail on a made-up source, then run on the real ones.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import test from 'ava';
import { SAME_ROW_IMPORTS, layerRow } from '../scripts/tidy/layers.js';
import * as rules from '../scripts/tidy/rules.js';
import { readSource } from '../scripts/tidy/sourceFile.js';
import type { SourceFile } from '../scripts/tidy/sourceFile.js';

/** Files of src/ past the limit, each with the reason why it isn't split. */
const LONG_FILES: Readonly<Record<string, string>> = {};

const root = process.cwd();
const project: readonly SourceFile[] = ['src', 'test', 'scripts', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) =>
      relative(root, join(root, folder, name))
        .split(sep)
        .join('/'),
    )
    .map((path) => readSource(path, readFileSync(join(root, path), 'utf8'))),
);

interface Case {
  readonly claim: string;
  readonly rule: rules.Rule;
  /** The rule with the exceptions of this repository, where it has any. */
  readonly projectRule?: rules.Rule;
  readonly bad: Readonly<Record<string, string>>;
  readonly good: Readonly<Record<string, string>>;
}

const head = '// What it owns.\n';
const line = (text: string): string => `${head}${text}\n`;

const cases: readonly Case[] = [
  {
    claim: 'imports point downwards only',
    rule: rules.layering,
    bad: {
      'src/base/a.ts': line(`import { b } from '../peer/b.js';`),
      'src/wire/a.ts': line(`import type { B } from '../crypto/b.js';`),
      'src/peer/a.ts': line(`export { b } from '../agent/b.js';`),
      'src/agent/a.ts': line(`const b = await import('../cli/b.js');`),
      'src/cli/a.ts': line(`import { b } from '../../test/support/b.js';`),
      'src/utilities/a.ts': head,
    },
    good: {
      'src/peer/a.ts': line(`import { b } from '../handshake/b.js';\nimport './c.js';`),
      'src/cli/a.ts': line(`import { b } from '../base/b.js';`),
      'test/a.test.ts': line(`import { b } from '../src/cli/b.js';`),
    },
  },
  {
    claim: 'only platform and cli import modules that do I/O, and packages stay where they belong',
    rule: rules.modules,
    bad: {
      'src/peer/a.ts': line(`import { readFileSync } from 'node:fs';`),
      'src/agent/a.ts': line(`import { readFile } from 'node:fs/promises';`),
      'src/base/a.ts': line(`import { isIPv4, connect } from 'node:net';`),
      'src/base/b.ts': line(`import net from 'node:net';`),
      'src/peer/b.ts': line(`const dgram = await import('node:dgram');`),
      'src/peer/c.ts': line(`import { readFileSync } from 'fs';`),
      'src/agent/b.ts': line(`import yargs from 'yargs';`),
      'src/peer/d.ts': line(`import { x25519 } from '@noble/curves/ed25519.js';`),
    },
    good: {
      'src/base/a.ts': line(`import { isIPv4, isIPv6 } from 'node:net';`),
      'src/base/b.ts': line(`import { inspect } from 'node:util';`),
      'src/platform/a.ts': line(`import { readFileSync } from 'node:fs';`),
      'src/cli/a.ts': line(`import yargs from 'yargs';`),
      'src/crypto/a.ts': line(`import { x25519 } from '@noble/curves/ed25519.js';`),
    },
  },
  {
    claim:
      'time, randomness and environment are handed in below platform; cli alone prints and exits',
    rule: rules.globals,
    bad: {
      'src/peer/a.ts': line(`const now = Date.now();`),
      'src/peer/b.ts': line(`setTimeout(() => undefined, 5);`),
      'src/session/a.ts': line(`const clock = performance.now;`),
      'src/dataPlane/a.ts': line(`const die = Math.random();`),
      'src/wire/a.ts': line(`const t = process.hrtime.bigint();`),
      'src/config/a.ts': line(`const home = process.env.HOME;`),
      'src/config/b.ts': line(`const today = new Date();`),
      'src/platform/a.ts': line(`process.exit(1);`),
      'src/agent/a.ts': line(`console.log('here');`),
      'src/base/a.ts': line(`globalThis.setInterval(() => undefined, 1);`),
    },
    good: {
      'src/platform/a.ts': line(`setTimeout(() => Date.now(), 5);`),
      'src/cli/a.ts': line(`console.log(process.env.HOME);\nprocess.exit(1);`),
      'src/peer/a.ts': line(`// Date.now is not called here\nclock.setTimer(5, () => undefined);`),
    },
  },
  {
    claim: 'imports of values make no cycle',
    rule: rules.noCycles,
    bad: {
      'src/peer/a.ts': line(`import { b } from './b.js';`),
      'src/peer/b.ts': line(`import { c } from './c.js';`),
      'src/peer/c.ts': line(`import { a } from './a.js';`),
    },
    good: {
      'src/peer/a.ts': line(`import { b } from './b.js';\nimport { d } from './d.js';`),
      'src/peer/b.ts': line(`import type { A } from './a.js';\nimport { d } from './d.js';`),
      'src/peer/d.ts': line(`import { type A } from './a.js';`),
    },
  },
  {
    claim: 'a file is named after what lives in it',
    rule: rules.fileNames,
    bad: { 'src/peer/utils.ts': head, 'src/peer/index.ts': head },
    good: { 'src/peer/peerIndex.ts': head },
  },
  {
    claim: `a source has at most ${rules.MAX_LINES} lines`,
    rule: rules.fileSizes({ 'src/peer/listed.ts': 'made up' }),
    projectRule: rules.fileSizes(LONG_FILES),
    bad: { 'src/peer/a.ts': head.repeat(rules.MAX_LINES + 1) },
    good: {
      'src/peer/a.ts': head.repeat(rules.MAX_LINES),
      'src/peer/listed.ts': head.repeat(rules.MAX_LINES + 1),
    },
  },
  {
    claim: 'a source opens with a comment',
    rule: rules.openingComments,
    bad: { 'src/peer/a.ts': `import { b } from './b.js';\n// late\n` },
    good: {
      'src/peer/a.ts': `/** Fills. */\n`,
      'src/cli/main.ts': `#!/usr/bin/env node\n// Starts.\n`,
    },
  },
  {
    claim: 'nothing is exported as default',
    rule: rules.noDefaultExports,
    bad: {
      'src/peer/a.ts': line(`export default 5;`),
      'bench/b.ts': line(`export default function f() {}`),
    },
    good: { 'src/peer/a.ts': line(`export const a = 5;`) },
  },
  {
    claim: 'no comment holds a mark of unfinished work',
    rule: rules.noUnfinishedMarks,
    bad: {
      'src/peer/a.ts': line(`const a = 5; // TODO: more`),
      'test/a.test.ts': line(`f(/* FIXME */ 5);`),
    },
    good: { 'src/peer/a.ts': line(`const text = '// TODO';`) },
  },
  {
    claim: 'no code is commented out',
    rule: rules.noCommentedOutCode,
    bad: {
      'src/peer/a.ts': line(`// const a = 5;`),
      'src/peer/b.ts': line(`//this.drop(peer);`),
    },
    good: {
      'src/peer/a.ts': line(`// es\n// the counter (RFC 6479) wraps;\n// see a.b(c) for more`),
    },
  },
  {
    claim: 'a check is switched off only with a reason',
    rule: rules.explainedLintExceptions,
    bad: {
      'src/peer/a.ts': line(`// eslint-disable-next-line no-console`),
      'src/peer/b.ts': line(`// @ts-ignore`),
    },
    good: { 'src/peer/a.ts': line(`// eslint-disable-next-line no-console -- it is the logger`) },
  },
  {
    claim: 'no test is focused or left out',
    rule: rules.noFocusedTests,
    bad: {
      'test/a.test.ts': line(`test.only('claim', (t) => t.pass());`),
      'test/b.test.ts': line(`test.serial.skip('claim', (t) => t.pass());`),
    },
    good: { 'test/a.test.ts': line(`test.serial('claim', (t) => t.pass());\nlist.skip(5);`) },
  },
  {
    claim: 'namespace tests use the harness',
    rule: rules.namespaceHarness,
    bad: { 'test/netns/a.test.ts': line(`import test from 'ava';`) },
    good: {
      'test/netns/a.test.ts': line(`import { namespaceTest } from '../support/netns.js';`),
      'test/unit/a.test.ts': line(`import test from 'ava';`),
    },
  },
  {
    claim: 'no log call is handed key material',
    rule: rules.noLoggedSecrets,
    bad: {
      'src/agent/a.ts': line('log.info(`key ${privateKey}`);'),
      'src/agent/b.ts': line('this.#log.debug(`${toHex(key.expose())}`);'),
      'src/cli/a.ts': line('console.log(peer.presharedKey);'),
    },
    good: {
      'src/agent/a.ts': line('log.info(`peer ${toBase64(publicKey)}`);'),
      'src/cli/a.ts': line('output.write(toBase64(privateKey.expose()));'),
    },
  },
];

const read = (sources: Readonly<Record<string, string>>): SourceFile[] =>
  Object.entries(sources).map(([path, text]) => readSource(path, text));

const show = ({ path, line, what }: rules.Violation): string => `${path}:${line}: ${what}`;

for (const { claim, rule, bad, good } of cases) {
  test(claim, (t) => {
    const caught = rule(read(bad)).map(({ path }) => path);
    const expected = rule === rules.noCycles ? ['src/peer/c.ts'] : Object.keys(bad);
    t.deepEqual(
      [...new Set(caught)].sort(),
      [...expected].sort(),
      'the rule catches made-up faults',
    );
    t.deepEqual(rule(read(good)).map(show), [], 'the rule lets made-up good sources pass');
  });
}

for (const { claim, rule, projectRule = rule } of cases) {
  test(`in this repository, ${claim}`, (t) => {
    t.deepEqual(projectRule(project).map(show), []);
  });
}

test('every folder of src has a layer', (t) => {
  const folders = readdirSync(join(root, 'src'));
  t.deepEqual(
    folders.filter((folder) => layerRow(folder) === null),
    [],
  );
});

test('every import within a row is listed in one direction only', (t) => {
  const pairs = SAME_ROW_IMPORTS.map(({ from, to }) => [from, to].sort().join());
  t.is(new Set(pairs).size, pairs.length);
});

test('every exception for a long file still stands', (t) => {
  const long = project.filter(({ lines }) => lines > rules.MAX_LINES).map(({ path }) => path);
  t.deepEqual(
    Object.keys(LONG_FILES).filter((path) => !long.includes(path)),
    [],
  );
});
