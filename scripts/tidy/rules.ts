// The rules that test/tidy.test.ts holds: each takes parsed files and gives what breaks it, with
// file and line. style.md and ARCHITECTURE.md say why they exist.
import { posix } from 'node:path';
import ts from 'typescript';
import { SAME_ROW_IMPORTS, globalBan, layerRow, moduleBan } from './layers.js';
import type { Import, SourceFile } from './sourceFile.js';

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

export type Rule = (files: readonly SourceFile[]) => Violation[];

const isSource = ({ path }: SourceFile): boolean => path.startsWith('src/');
const isTest = ({ path }: SourceFile): boolean => path.startsWith('test/');

/** The folder of src/ that a path lies in: `peer` for `src/peer/change.ts`. */
const folderOf = (path: string): string => path.split('/')[1]!;

/** The source that a relative import names, from the repository's root. */
function target(file: SourceFile, { specifier }: Import): string | null {
  if (!specifier.startsWith('.')) return null;
  return posix.join(posix.dirname(file.path), specifier).replace(/\.js$/, '.ts');
}

const eachFile =
  (applies: (file: SourceFile) => boolean, check: (file: SourceFile) => Violation[]): Rule =>
  (files) =>
    files.filter(applies).flatMap(check);

/** Folders import downwards; within a row only what SAME_ROW_IMPORTS lists. */
export const layering: Rule = eachFile(isSource, (file) => {
  const folder = folderOf(file.path);
  const row = layerRow(folder);
  if (row === null) {
    return [{ path: file.path, line: 1, what: `folder src/${folder} has no layer` }];
  }
  return file.imports.flatMap((imported) => {
    const path = target(file, imported);
    if (path === null) return [];
    const broken = (what: string): Violation[] => [{ path: file.path, line: imported.line, what }];
    if (!path.startsWith('src/')) return broken(`src must not import ${path}`);
    const other = folderOf(path);
    const otherRow = layerRow(other);
    if (other === folder || (otherRow !== null && otherRow < row)) return [];
    const listed = SAME_ROW_IMPORTS.some(({ from, to }) => from === folder && to === other);
    return listed && otherRow === row ? [] : broken(`${folder} must not import ${other}`);
  });
});

/** I/O modules and packages only where the layer may have them. */
export const modules: Rule = eachFile(isSource, (file) =>
  file.imports.flatMap(({ specifier, names, line }) => {
    if (specifier.startsWith('.')) return [];
    const what = moduleBan(folderOf(file.path), specifier, names);
    return what === null ? [] : [{ path: file.path, line, what }];
  }),
);

/** No clock, timer, randomness or environment below platform; no console or exit outside cli. */
export const globals: Rule = eachFile(isSource, (file) =>
  file.uses.flatMap(({ text, line }) => {
    const what = globalBan(folderOf(file.path), text.replace(/^globalThis\./, ''));
    return what === null ? [] : [{ path: file.path, line, what }];
  }),
);

/** No file needs itself: imports of values make no cycle (imports of types vanish). */
export const noCycles: Rule = (files) => {
  const byPath = new Map(files.filter(isSource).map((file) => [file.path, file]));
  const done = new Set<string>();
  const trail: string[] = [];
  const found: Violation[] = [];
  const visit = (file: SourceFile, line: number): void => {
    const start = trail.indexOf(file.path);
    if (start >= 0) {
      const what = `import cycle: ${[...trail.slice(start), file.path].join(' -> ')}`;
      found.push({ path: trail.at(-1)!, line, what });
      return;
    }
    if (done.has(file.path)) return;
    trail.push(file.path);
    for (const imported of file.imports) {
      const next = imported.typeOnly ? undefined : byPath.get(target(file, imported) ?? '');
      if (next !== undefined) visit(next, imported.line);
    }
    trail.pop();
    done.add(file.path);
  };
  for (const file of byPath.values()) visit(file, 1);
  return found;
};

/** Names that say nothing about what lives in the file, and barrels. */
export const fileNames: Rule = eachFile(isSource, ({ path }) =>
  /\/(utils?|helpers?|misc|common|index)\.ts$/.test(path)
    ? [{ path, line: 1, what: 'the name says nothing about what lives here' }]
    : [],
);

export const MAX_LINES = 400;

export function fileSizes(exceptions: Readonly<Record<string, string>>): Rule {
  return eachFile(isSource, ({ path, lines }) =>
    lines <= MAX_LINES || path in exceptions
      ? []
      : [
          {
            path,
            line: MAX_LINES,
            what: `${lines} lines: split it by idea (at most ${MAX_LINES})`,
          },
        ],
  );
}

export const openingComments: Rule = eachFile(isSource, ({ path, opensWithComment }) =>
  opensWithComment ? [] : [{ path, line: 1, what: 'no opening comment that says what it owns' }],
);

/** A declaration file says what a foreign module has, default exports included. */
export const noDefaultExports: Rule = eachFile(
  ({ path }) => !path.endsWith('.d.ts'),
  ({ path, defaultExports }) =>
    defaultExports.map((line) => ({ path, line, what: 'default export: name it' })),
);

/** Marks of unfinished work, in any comment. */
export const noUnfinishedMarks: Rule = eachFile(
  () => true,
  ({ path, comments }) =>
    comments.flatMap(({ text, line }) => {
      const mark = /\b(TODO|FIXME|XXX|HACK)\b/.exec(text);
      return mark === null ? [] : [{ path, line, what: `${mark[0]} in a comment` }];
    }),
);

/** A line comment that ends as a statement does, and parses as one. */
export const noCommentedOutCode: Rule = eachFile(
  () => true,
  ({ path, comments }) =>
    comments.flatMap(({ text, line }) => {
      const code = text.replace(/^\/\/+\s*/, '');
      if (!text.startsWith('//') || !isStatement(code)) return [];
      return [{ path, line, what: `commented-out code: ${code}` }];
    }),
);

function isStatement(text: string): boolean {
  // A statement ends in `;` and does something: it calls, assigns, declares, imports or returns.
  if (!/;\s*$/.test(text) || !/[(=]|^(import|export|return|const|let|throw|await)\b/.test(text)) {
    return false;
  }
  const { diagnostics } = ts.transpileModule(text, { reportDiagnostics: true });
  return (diagnostics ?? []).length === 0;
}

/** An eslint rule is switched off only with a reason. */
export const explainedLintExceptions: Rule = eachFile(
  () => true,
  ({ path, comments }) =>
    comments.flatMap(({ text, line }) =>
      /eslint-disable|@ts-(ignore|expect-error|nocheck)/.test(text) && !/ -- \S|error \S/.test(text)
        ? [{ path, line, what: 'a check is switched off without a reason (` -- why`)' }]
        : [],
    ),
);

/** A test that is left out must say so in the run (support/skip.ts), not vanish. */
export const noFocusedTests: Rule = eachFile(isTest, ({ path, uses }) =>
  uses.flatMap(({ text, line }) =>
    /^(test|namespaceTest)(\.\w+)*\.(only|skip|todo|failing)$/.test(text)
      ? [{ path, line, what: `${text}: no test is focused or left out` }]
      : [],
  ),
);

/** Namespace tests go through the harness, which cleans up and says why it can't run. */
export const namespaceHarness: Rule = eachFile(
  ({ path }) => path.startsWith('test/netns/'),
  ({ path, imports }) =>
    imports.some(({ specifier }) => specifier === '../support/netns.js')
      ? []
      : [{ path, line: 1, what: 'does not use test/support/netns.ts' }],
);

const SECRET_NAME =
  /^(privateKey|presharedKey|psk|secret|password|chainingKey|sendKey|receiveKey)/i;

/** Secrets can't print themselves (base/secret.ts); nor does anybody hand their bytes to a log. */
export const noLoggedSecrets: Rule = eachFile(isSource, ({ path, loggedNames }) =>
  loggedNames.flatMap(({ text, line }) =>
    text === 'expose' || SECRET_NAME.test(text)
      ? [{ path, line, what: `${text} in a log call` }]
      : [],
  ),
);
