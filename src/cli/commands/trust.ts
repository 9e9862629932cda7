// beam trust: statements of trust, said, taken back, looked at and passed on. SPEC.md 12.12.
import { readFile } from 'node:fs/promises';
import { assertNever } from '../../base/assert.js';
import { OperatorError } from '../../base/errors.js';
import { wallTime, type WallTime } from '../../base/time.js';
import { managerOf } from '../../agent/keys/keyStoreService.js';
import {
  DEFAULT_TRUST_FILE,
  addTrust,
  checkedDid,
  edgesOf,
  expiryText,
  importStatements,
  loadWeb,
  removeTrust,
  revoke,
  signingOf,
  sortedStatements,
  type Signing,
  type TrustPlace,
} from '../../agent/trust/trustService.js';
import { diskFiles, prepareStoreFolder } from '../../platform/keyStore/storeFiles.js';
import { formatStatements } from '../../platform/trust/statementFile.js';
import { judgeEvidence } from '../../trust/evidence.js';
import { explain } from '../../trust/explain.js';
import { dotPicture, svgPicture, textPicture } from '../../trust/picture.js';
import { ANY_CONTEXT } from '../../trust/opinion.js';
import {
  REVOCATION_REASONS,
  isContext,
  type RevocationReason,
  type Statement,
} from '../../trust/statement/statement.js';
import { withStore } from '../key/openSession.js';
import { EXIT, say, usageError } from '../report.js';
import type { TrustAction } from '../trust/actions.js';

export interface TrustArguments {
  readonly who: string;
  readonly trustFile: string | undefined;
  readonly context: string | undefined;
  readonly level: string | undefined;
  readonly days: string | undefined;
  readonly as: string | undefined;
  readonly literal: boolean;
  readonly format: 'text' | 'dot' | 'svg';
  readonly reason: string | undefined;
  readonly yes: boolean;
  readonly json: boolean;
  readonly store: string | undefined;
  readonly passphraseFile: string | undefined;
}

const now = (): WallTime => wallTime(Date.now());
const print = (text: string): void => void process.stdout.write(text);

const placeOf = ({ trustFile }: TrustArguments): TrustPlace => ({
  path: trustFile ?? DEFAULT_TRUST_FILE,
  files: diskFiles,
});

export async function runTrust(action: TrustAction, args: TrustArguments): Promise<number> {
  switch (action) {
    case 'list':
      return list(args);
    case 'add':
      return add(args);
    case 'remove':
      return remove(args);
    case 'explain':
      return explainPeer(args);
    case 'graph':
      return graph(args);
    case 'export':
      return exportAll(args);
    case 'import':
      return importAll(args);
    case 'revoke':
      return revokeKey(args);
    default:
      return assertNever(action);
  }
}

async function list(args: TrustArguments): Promise<number> {
  const web = await loadWeb(placeOf(args), now(), { self: '' });
  const statements = sortedStatements(web);
  if (args.json) {
    const plain = statements.map(({ id, statement }) => ({
      id,
      counts: !web.isRevoked(statement.issuer),
      statement,
    }));
    print(`${JSON.stringify({ format: 1, statements: plain })}\n`);
    return EXIT.OK;
  }
  for (const { statement } of statements) {
    const revoked = web.isRevoked(statement.issuer) ? '  (issuer revoked: does not count)' : '';
    const evidence =
      statement.kind === 'trust'
        ? statement.evidence.map((one) => `  ${one.kind} ${judgeEvidence(web, statement, one)}`)
        : [];
    print(`${describe(statement)}  until ${expiryText(statement)}${evidence.join('')}${revoked}\n`);
  }
  return EXIT.OK;
}

function describe(statement: Statement): string {
  const { issuer, kind } = statement;
  switch (statement.kind) {
    case 'trust':
      return `${issuer} ${kind} ${statement.subject} ${statement.level} ${statement.context}`;
    case 'revocation':
      return `${issuer} ${kind} ${statement.subject} ${statement.reason}`;
    case 'rotation':
      return `${issuer} ${kind} ${statement.tunnel} epoch ${statement.epoch}`;
    case 'succession':
      return `${issuer} ${kind} ${statement.subject} to ${statement.successor ?? 'nobody yet'}, ${statement.needed} of ${statement.guardians.length} guardians`;
    case 'reputation':
      return `${issuer} ${kind} ${statement.subject} +${statement.positive} -${statement.negative}`;
    case 'membership':
      return `${issuer} ${kind} ${statement.context} ${statement.endpoints.join(' ')}`;
  }
}

async function add(args: TrustArguments): Promise<number> {
  const subject = checkedDid(args.who);
  const context = checkedContext(args.context);
  const level = checkedNumber(args.level ?? '1', { option: '--level', min: 0, max: 1, step: 1e-4 });
  const days = checkedNumber(args.days ?? '365', { option: '--days', min: 1, max: 400, step: 1 });
  return signed(args, (signing) => {
    if (signing.did === subject) throw badValue(args.who, 'another one than the own did:key');
    return addTrust(placeOf(args), signing, { subject, context, level, days }, now());
  });
}

async function remove(args: TrustArguments): Promise<number> {
  const subject = checkedDid(args.who);
  const context = checkedContext(args.context);
  return signed(args, (signing) =>
    removeTrust(placeOf(args), signing, { subject, context }, now()),
  );
}

async function revokeKey(args: TrustArguments): Promise<number> {
  const subject = checkedDid(args.who);
  const reason = args.reason ?? '';
  if (!(REVOCATION_REASONS as readonly string[]).includes(reason)) {
    throw badValue(reason, `--reason ${REVOCATION_REASONS.join(', ')}`);
  }
  return signed(args, (signing) => {
    if (signing.did === subject && !args.yes) {
      throw new OperatorError({
        code: 'E_TRUST_VALUE',
        place: subject,
        expected: '--yes: this revokes the own key, on all machines and for good',
        found: 'no --yes',
        remedy: 'say --yes if that is what you want',
      });
    }
    return revoke(placeOf(args), signing, { subject, reason: reason as RevocationReason }, now());
  });
}

/** Opens the key store, signs, prints the statement's id. */
async function signed(
  args: TrustArguments,
  make: (signing: Signing) => Promise<{ readonly id: string }>,
): Promise<number> {
  return withStore(args, async (session) => {
    await prepareStoreFolder(placeOf(args).path);
    const { id } = await make(await signingOf(managerOf(session)));
    print(`${id}\n`);
    return EXIT.OK;
  });
}

async function explainPeer(args: TrustArguments): Promise<number> {
  const peer = checkedDid(args.who);
  const context = checkedContext(args.context);
  if (context === ANY_CONTEXT) return usageError('trust explain needs one context, not *', null);
  const self =
    args.as === undefined
      ? await withStore(args, async (session) => (await signingOf(managerOf(session))).did)
      : checkedDid(args.as);
  const estimator = args.literal ? 'literalMean' : 'introductions';
  const web = await loadWeb(placeOf(args), now(), { self, estimator });
  const lines = explain(web.evaluate(peer, context, now()), { name: (did) => did, maxPaths: 200 });
  print(lines.map((line) => `${line}\n`).join(''));
  return EXIT.OK;
}

async function graph(args: TrustArguments): Promise<number> {
  const web = await loadWeb(placeOf(args), now(), { self: '' });
  const options = { edges: edgesOf(web), revoked: (did: string) => web.isRevoked(did) };
  const draw = { text: textPicture, dot: dotPicture, svg: svgPicture }[args.format];
  print(draw(options));
  return EXIT.OK;
}

async function exportAll(args: TrustArguments): Promise<number> {
  const context = args.context === undefined ? null : checkedContext(args.context);
  const web = await loadWeb(placeOf(args), now(), { self: '' });
  // What has no context is about keys, and belongs to each.
  const chosen = [...web.statements()].filter(
    ({ statement }) =>
      context === null || !('context' in statement) || statement.context === context,
  );
  print(formatStatements(chosen));
  return EXIT.OK;
}

async function importAll(args: TrustArguments): Promise<number> {
  const text = await readInput(args.who);
  const place = placeOf(args);
  await prepareStoreFolder(place.path);
  const { added, known, outdated, refused } = await importStatements(place, text, now());
  const source = args.who === '' ? 'standard input' : args.who;
  for (const { line, reason } of refused) say(`${source}:${line}: not taken: ${reason}`);
  print(`${added} added, ${known} known, ${outdated} outdated, ${refused.length} refused\n`);
  return refused.length === 0 ? EXIT.OK : EXIT.OPERATOR;
}

async function readInput(file: string): Promise<string> {
  try {
    if (file !== '') return await readFile(file, 'utf8');
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  } catch (cause) {
    const found = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new OperatorError(
      {
        code: 'E_TRUST_FILE',
        place: file,
        expected: 'a file of statements',
        found,
        remedy: 'give the path of a file that `beam trust export` wrote',
      },
      { cause },
    );
  }
}

function checkedContext(text: string | undefined): string {
  if (text !== undefined && isContext(text)) return text;
  throw badValue(text ?? 'nothing', '1 to 64 characters a-z, 0-9, dot, dash, underscore, or *');
}

interface NumberRule {
  readonly option: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

function checkedNumber(text: string, { option, min, max, step }: NumberRule): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  const rounded = step < 1 ? Math.round(value * 1e4) / 1e4 : Math.round(value);
  if (value >= min && value <= max && rounded === value) return value;
  const digits = step < 1 ? 'with at most four decimals' : 'whole';
  throw badValue(text, `${option} from ${min} to ${max}, ${digits}`);
}

const badValue = (found: string, expected: string): OperatorError =>
  new OperatorError({
    code: 'E_TRUST_VALUE',
    place: 'beam trust',
    expected,
    found,
    remedy: 'see `beam help trust`',
  });
