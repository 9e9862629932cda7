// What the tidy rules look at in one TypeScript file, taken from its syntax tree.
import ts from 'typescript';

export interface SourceFile {
  /** From the repository's root, with slashes: `src/peer/change.ts`. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Dotted names of globals and members that are used: `Date.now`, `console.log`. */
  readonly uses: readonly Located[];
  readonly comments: readonly Located[];
  readonly opensWithComment: boolean;
  readonly defaultExports: readonly number[];
  /** Names that end up in the text of a log call. */
  readonly loggedNames: readonly Located[];
}

export interface Located {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

export interface Import {
  readonly specifier: string;
  /** Empty for a namespace or side-effect import. */
  readonly names: readonly string[];
  readonly typeOnly: boolean;
  readonly line: number;
}

export function readSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const lineAt = (position: number): number =>
    tree.getLineAndCharacterOfPosition(position).line + 1;
  const imports: Import[] = [];
  const uses: Located[] = [];
  const defaultExports: number[] = [];
  const loggedNames: Located[] = [];

  const visit = (node: ts.Node): void => {
    const line = lineAt(node.getStart(tree));
    const imported = importOf(node, line);
    if (imported !== null) imports.push(imported);
    if (isDefaultExport(node)) defaultExports.push(line);
    const name = usedName(node);
    if (name !== null) uses.push({ text: name, line });
    if (ts.isCallExpression(node) && isLogCall(node)) {
      for (const argument of node.arguments) collectNames(argument, line, loggedNames);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const comments = commentsOf(tree).map(({ start, text }) => ({ text, line: lineAt(start) }));
  return {
    path,
    text,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    uses,
    comments,
    opensWithComment: /^(#!.*\n)?\/[/*]/.test(text),
    defaultExports,
    loggedNames,
  };
}

function importOf(node: ts.Node, line: number): Import | null {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    const module = node.moduleSpecifier;
    if (module === undefined || !ts.isStringLiteral(module)) return null;
    if (ts.isExportDeclaration(node)) {
      const clause = node.exportClause;
      const elements = clause && ts.isNamedExports(clause) ? [...clause.elements] : [];
      return {
        specifier: module.text,
        names: elements.map((element) => (element.propertyName ?? element.name).text),
        typeOnly: node.isTypeOnly,
        line,
      };
    }
    const clause = node.importClause;
    const bindings = clause?.namedBindings;
    const elements = bindings && ts.isNamedImports(bindings) ? [...bindings.elements] : [];
    const allTypes = elements.length > 0 && elements.every((element) => element.isTypeOnly);
    return {
      specifier: module.text,
      names: elements.map((element) => (element.propertyName ?? element.name).text),
      typeOnly: clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes,
      line,
    };
  }
  const dynamic = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
  const required =
    ts.isCallExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === 'require';
  if (!dynamic && !required) return null;
  const argument = node.arguments[0];
  if (argument === undefined || !ts.isStringLiteralLike(argument)) return null;
  return { specifier: argument.text, names: [], typeOnly: false, line };
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) ?? false)
  );
}

/** `a.b.c` for a chain of plain names, the name alone for a call of it, `new X` for a construction. */
function usedName(node: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(node)) return dottedName(node);
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) return node.expression.text;
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression)) {
    return `new ${node.expression.text}`;
  }
  return null;
}

function dottedName(node: ts.Expression): string | null {
  if (ts.isIdentifier(node)) return node.text;
  if (!ts.isPropertyAccessExpression(node)) return null;
  const owner = dottedName(node.expression);
  return owner === null ? null : `${owner}.${node.name.text}`;
}

const LOG_OWNER = /^(console|log|logger|stdout|stderr)$/i;

/** `log(…)`, `log.warn(…)`, `this.log.info(…)`, `process.stderr.write(…)`. */
function isLogCall(node: ts.CallExpression): boolean {
  const name = dottedName(node.expression) ?? privateOwnerName(node.expression);
  if (name === null) return false;
  const parts = name.split('.');
  const owners = parts.length === 1 ? parts : parts.slice(0, -1);
  return owners.some((part) => LOG_OWNER.test(part));
}

/** The names after `this` in `this.log.info` and `this.#log.info`. */
function privateOwnerName(node: ts.Expression): string | null {
  if (node.kind === ts.SyntaxKind.ThisKeyword) return 'this';
  if (!ts.isPropertyAccessExpression(node)) return null;
  const owner = privateOwnerName(node.expression);
  return owner === null ? null : `${owner}.${node.name.text.replace('#', '')}`;
}

function collectNames(node: ts.Node, line: number, into: Located[]): void {
  if (ts.isIdentifier(node)) into.push({ text: node.text, line });
  ts.forEachChild(node, (child) => collectNames(child, line, into));
}

/** All comments in order; text inside strings and templates is none. */
function commentsOf(tree: ts.SourceFile): { start: number; text: string }[] {
  const { text } = tree;
  const found = new Map<number, string>();
  const collect = (start: number, end: number): void => {
    found.set(start, text.slice(start, end));
  };
  const visit = (node: ts.Node): void => {
    ts.forEachLeadingCommentRange(text, node.getFullStart(), collect);
    ts.forEachTrailingCommentRange(text, node.getEnd(), collect);
    for (const child of node.getChildren(tree)) visit(child);
  };
  visit(tree);
  return [...found].sort(([a], [b]) => a - b).map(([start, text]) => ({ start, text }));
}
