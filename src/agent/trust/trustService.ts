// What the `beam trust` commands do with the file of statements, without the terminal. SPEC.md 12.12.
import { OperatorError } from '../../base/errors.js';
import { wallTime, type WallTime } from '../../base/time.js';
import { identityOf, parseDid } from '../../identity/identity.js';
import { withStoreLock } from '../../platform/keyStore/storeLock.js';
import { loadStatements, saveStatements } from '../../platform/trust/statementFile.js';
import type { KeyManager } from '../../ports/keyManager.js';
import type { StoreFiles } from '../../ports/storeFiles.js';
import { NEUTRAL, type Did } from '../../trust/opinion.js';
import { DEFAULT_POLICY, type EstimatorName } from '../../trust/policy.js';
import type { Edge } from '../../trust/picture.js';
import { slotOf, type RevocationReason, type Statement } from '../../trust/statement/statement.js';
import {
  expiryOf,
  signedStatement,
  statementToSign,
  verifyStatement,
  type VerifiedStatement,
} from '../../trust/statement/signedStatement.js';
import { WebOfTrust } from '../../trust/webOfTrust.js';

export const DEFAULT_TRUST_FILE = '/var/lib/beam/trust/statements';
const DAY_S = 86_400;

export interface TrustPlace {
  readonly path: string;
  readonly files: StoreFiles;
}

/** Whoever signs, from an open key store. */
export interface Signing {
  readonly did: Did;
  readonly manager: Pick<KeyManager, 'signWithIdentity'>;
}

/** Throws OperatorError E_NO_KEY. */
export async function signingOf(manager: KeyManager): Promise<Signing> {
  const held = await manager.loadIdentity();
  const identity = held === null ? null : identityOf(held.algorithm, held.publicKey);
  if (identity !== null) return { did: identity.did, manager };
  throw new OperatorError({
    code: 'E_NO_KEY',
    place: 'identity',
    expected: 'an identity in the key store',
    found: 'none',
    remedy: 'make a store with one: `beam key init`',
  });
}

/** Throws OperatorError E_TRUST_DID. */
export function checkedDid(text: string): Did {
  const identity = parseDid(text);
  if (identity !== null) return identity.did;
  throw new OperatorError({
    code: 'E_TRUST_DID',
    place: text,
    expected: 'did:key:z… of an Ed25519 or P-256 key',
    found: 'something else',
    remedy: 'take it from `beam key show` on that machine',
  });
}

export interface WebOptions {
  /** With whose eyes; anybody's where only statements are asked for. */
  readonly self: Did;
  readonly estimator?: EstimatorName;
}

/** What the file holds and hasn't expired. Throws OperatorError E_TRUST_FILE. */
export async function loadWeb(
  place: TrustPlace,
  now: WallTime,
  options: WebOptions,
): Promise<WebOfTrust> {
  const { self, estimator = DEFAULT_POLICY.estimator } = options;
  const web = new WebOfTrust({ self, policy: { ...DEFAULT_POLICY, estimator } });
  for (const statement of await loadStatements(place.files, place.path)) web.add(statement, null);
  web.expire(now);
  return web;
}

export interface TrustWord {
  readonly subject: Did;
  readonly context: string;
  readonly level: number;
  readonly days: number;
}

export const addTrust = (
  place: TrustPlace,
  signing: Signing,
  { subject, context, level, days }: TrustWord,
  now: WallTime,
): Promise<VerifiedStatement> =>
  issue(place, signing, now, (issued) => ({
    v: 1,
    kind: 'trust',
    issuer: signing.did,
    issued,
    expires: issued + days * DAY_S,
    subject,
    context,
    level,
    evidence: [],
  }));

/** Says that nothing is said any more, for as long as the old word would have held. */
export const removeTrust = (
  place: TrustPlace,
  signing: Signing,
  { subject, context }: Pick<TrustWord, 'subject' | 'context'>,
  now: WallTime,
): Promise<VerifiedStatement> =>
  issue(place, signing, now, (issued, web) => {
    const slot = slotOf({ kind: 'trust', issuer: signing.did, subject, context });
    const old = [...web.statements()].find(({ statement }) => slotOf(statement) === slot);
    if (old?.statement.kind !== 'trust') throw nothingSaid(subject, context);
    return { ...old.statement, issued, level: NEUTRAL, evidence: [] };
  });

export const revoke = (
  place: TrustPlace,
  signing: Signing,
  { subject, reason }: { readonly subject: Did; readonly reason: RevocationReason },
  now: WallTime,
): Promise<VerifiedStatement> =>
  issue(place, signing, now, (issued) => ({
    v: 1,
    kind: 'revocation',
    issuer: signing.did,
    issued,
    subject,
    reason,
  }));

/** Makes, signs and keeps a statement. It is issued after any that it replaces, whatever the clock says. */
async function issue(
  place: TrustPlace,
  { did, manager }: Signing,
  now: WallTime,
  make: (issued: number, web: WebOfTrust) => Statement,
): Promise<VerifiedStatement> {
  return withStoreLock(place.path, async () => {
    const web = await loadWeb(place, now, { self: did });
    const today = Math.floor(now / 1000);
    const draft = make(today, web);
    const slot = slotOf(draft);
    const old = [...web.statements()].find(({ statement }) => slotOf(statement) === slot);
    const statement = { ...draft, issued: Math.max(today, (old?.statement.issued ?? 0) + 1) };
    const signature = await manager.signWithIdentity(statementToSign(statement));
    const signed = signedStatement(statement, signature);
    const outcome = web.add(signed, null);
    if (outcome.kind !== 'added') throw full(place.path, outcome.kind);
    await saveStatements(place.files, place.path, web.statements());
    return signed;
  });
}

export interface ImportOutcome {
  readonly added: number;
  readonly known: number;
  readonly outdated: number;
  /** Lines that were not taken, counted from 1. */
  readonly refused: readonly { readonly line: number; readonly reason: string }[];
}

/** Judges each line by itself. Throws OperatorError E_TRUST_FILE for the store's own file. */
export async function importStatements(
  place: TrustPlace,
  text: string,
  now: WallTime,
): Promise<ImportOutcome> {
  return withStoreLock(place.path, async () => {
    const web = await loadWeb(place, now, { self: '' });
    const counts = { added: 0, known: 0, outdated: 0 };
    const refused: { line: number; reason: string }[] = [];
    text.split('\n').forEach((line, i) => {
      if (line === '') return;
      const verdict = verifyStatement(line, now);
      const outcome = verdict.kind === 'verified' ? web.add(verdict.statement, null) : verdict;
      if (outcome.kind === 'refused') refused.push({ line: i + 1, reason: outcome.reason });
      else counts[outcome.kind]++;
    });
    if (counts.added > 0) await saveStatements(place.files, place.path, web.statements());
    return { ...counts, refused };
  });
}

/** What is said now, without what revoked keys have said. */
export function edgesOf(web: WebOfTrust): Edge[] {
  return [...web.statements()].flatMap(({ statement }) =>
    statement.kind === 'trust' && !web.isRevoked(statement.issuer)
      ? [
          {
            from: statement.issuer,
            to: statement.subject,
            level: statement.level,
            context: statement.context,
          },
        ]
      : [],
  );
}

/** By issuer, kind and slot. */
export const sortedStatements = (web: WebOfTrust): VerifiedStatement[] =>
  [...web.statements()].sort((a, b) => (slotOf(a.statement) < slotOf(b.statement) ? -1 : 1));

/** ISO date, or `never`. */
export function expiryText(statement: Statement): string {
  const at = expiryOf(statement);
  return at === Infinity ? 'never' : new Date(wallTime(at)).toISOString().slice(0, 10);
}

const nothingSaid = (subject: Did, context: string): OperatorError =>
  new OperatorError({
    code: 'E_TRUST_NOTHING',
    place: subject,
    expected: `an own word about it in the context ${context}`,
    found: 'none',
    remedy: 'see what there is: `beam trust list`',
  });

const full = (place: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_TRUST_FULL',
    place,
    expected: 'room for a further statement',
    found,
    remedy: 'wait until statements expire, or begin a new file with --trust-file',
  });
