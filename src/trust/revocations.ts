// Which keys are revoked, and who has taken over from whom. SPEC.md 12.8.
import type { Did } from './opinion.js';
import type { RevocationStatement, SuccessionStatement } from './statement/statement.js';

/** Order means nothing. */
export interface KeyEvents {
  readonly revocations: readonly RevocationStatement[];
  readonly successions: readonly SuccessionStatement[];
}

export function revokedKeys({ revocations, successions }: KeyEvents): ReadonlySet<Did> {
  const selfRevoked = new Set(
    revocations.filter(({ issuer, subject }) => issuer === subject).map(({ subject }) => subject),
  );
  const revokers = groupBySubject(revocations);
  const revoked = new Set(selfRevoked);
  for (const { issuer, subject, guardians, needed } of successions) {
    if (issuer !== subject || needed === 0) continue;
    const against = new Set(revokers.get(subject)?.map(({ issuer: revoker }) => revoker));
    const counted = guardians.filter((one) => against.has(one) && !selfRevoked.has(one));
    if (counted.length >= needed) revoked.add(subject);
  }
  return revoked;
}

/** Old key to new key; keys whose succession is disputed are left out. */
export function successors(events: KeyEvents, revoked: ReadonlySet<Did>): ReadonlyMap<Did, Did> {
  const found = new Map<Did, Did>();
  for (const [subject, statements] of groupBySubject(events.successions)) {
    const successor =
      byGuardians(subject, statements, revoked) ?? byOwner(subject, statements, revoked);
    if (successor !== null) found.set(subject, successor);
  }
  return found;
}

function byOwner(
  subject: Did,
  statements: readonly SuccessionStatement[],
  revoked: ReadonlySet<Did>,
): Did | null {
  if (revoked.has(subject)) return null;
  return theOnly(
    statements.filter(({ issuer }) => issuer === subject).map(({ successor }) => successor),
  );
}

function byGuardians(
  subject: Did,
  statements: readonly SuccessionStatement[],
  revoked: ReadonlySet<Did>,
): Did | null {
  const named = statements.filter(({ issuer, needed }) => issuer === subject && needed > 0);
  const sets = new Set(
    named.map(({ guardians, needed }) => `${needed} ${[...guardians].sort().join(' ')}`),
  );
  const preparation = named[0];
  if (preparation === undefined || sets.size !== 1) return null;
  const votes = new Map<Did, Set<Did>>();
  for (const { issuer, successor } of statements) {
    if (successor === null || revoked.has(issuer)) continue;
    if (!preparation.guardians.includes(issuer)) continue;
    votes.set(successor, (votes.get(successor) ?? new Set<Did>()).add(issuer));
  }
  return theOnly(
    [...votes].filter(([, guardians]) => guardians.size >= preparation.needed).map(([did]) => did),
  );
}

/** Null where there is none or more than one. */
function theOnly(dids: readonly (Did | null)[]): Did | null {
  const distinct = new Set(dids.filter((did) => did !== null));
  return distinct.size === 1 ? [...distinct][0]! : null;
}

function groupBySubject<Statement extends { readonly subject: Did }>(
  statements: readonly Statement[],
): Map<Did, Statement[]> {
  const groups = new Map<Did, Statement[]>();
  for (const statement of statements) {
    const group = groups.get(statement.subject);
    if (group === undefined) groups.set(statement.subject, [statement]);
    else group.push(statement);
  }
  return groups;
}
