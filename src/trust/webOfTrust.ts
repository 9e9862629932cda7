// The store and what follows from it: whose words count, what they say, who may come in. One for an
// agent. SPEC.md 12.
import { wallTime, type WallTime } from '../base/time.js';
import type { Evaluation } from './evaluation.js';
import { Evaluator } from './evaluator.js';
import type { Did } from './opinion.js';
import type { TrustPolicy } from './policy.js';
import { Reputation } from './reputation.js';
import { revokedKeys, successors } from './revocations.js';
import { slotOf, type Statement } from './statement/statement.js';
import type {
  RevocationStatement,
  SuccessionStatement,
  TrustStatement,
} from './statement/statement.js';
import type { StatementId, VerifiedStatement } from './statement/signedStatement.js';
import { StatementStore } from './statementStore.js';
import type { AddOutcome, Carrier, StoreLimits } from './statementStore.js';
import { TrustGraph } from './trustGraph.js';

export interface WebOptions {
  readonly self: Did;
  readonly policy: TrustPolicy;
  readonly limits?: StoreLimits;
}

/** Whose word about whom. */
type Pair = Pick<TrustStatement, 'issuer' | 'subject' | 'context'>;

export class WebOfTrust {
  readonly #options: WebOptions;
  readonly #store: StatementStore;
  readonly #graph = new TrustGraph();
  readonly #evaluators = new Map<string, Evaluator>();
  #revoked: ReadonlySet<Did> = new Set();
  #successors: ReadonlyMap<Did, Did> = new Map();
  /** What the agent sees of its peers goes in here. */
  readonly reputation = new Reputation();

  constructor(options: WebOptions) {
    this.#options = options;
    this.#store = new StatementStore(options.limits);
  }

  get size(): number {
    return this.#store.size;
  }

  statements(): IterableIterator<VerifiedStatement> {
    return this.#store.all();
  }

  find(id: StatementId): VerifiedStatement | null {
    return this.#store.find(id);
  }

  has(id: StatementId): boolean {
    return this.#store.has(id);
  }

  isRevoked(did: Did): boolean {
    return this.#revoked.has(did);
  }

  successorOf(did: Did): Did | null {
    return this.#successors.get(did) ?? null;
  }

  add(verified: VerifiedStatement, carrier: Carrier): AddOutcome {
    const outcome = this.#store.add(verified, carrier);
    if (outcome.kind === 'added') this.#changed(verified.statement);
    return outcome;
  }

  /** Removes what has expired, and gives it. */
  expire(now: WallTime): VerifiedStatement[] {
    const expired = this.#store.expire(now);
    for (const { statement } of expired) this.#changed(statement);
    return expired;
  }

  /** How this agent sees the peer. `context` is a tunnel's network, never `*`. */
  evaluate(peer: Did, context: string, now: WallTime): Evaluation {
    return this.#evaluator(context).evaluate(peer, now);
  }

  #evaluator(context: string): Evaluator {
    let evaluator = this.#evaluators.get(context);
    if (evaluator === undefined) {
      const { self, policy } = this.#options;
      const made: Evaluator = new Evaluator({
        graph: this.#graph,
        evaluator: self,
        context,
        policy,
        reputation: (peer, now) =>
          this.reputation.value(peer, now, (reporter) => made.strength(reporter, peer, now)),
        isRevoked: (peer) => this.#revoked.has(peer),
      });
      evaluator = made;
      this.#evaluators.set(context, made);
    }
    return evaluator;
  }

  /** A statement came or went. */
  #changed(statement: Statement): void {
    switch (statement.kind) {
      case 'trust':
        this.#refresh(statement);
        return;
      case 'reputation':
        this.#refreshReport(statement.issuer, statement.subject);
        return;
      case 'revocation':
      case 'succession':
        this.#keysChanged();
        return;
      case 'rotation':
      case 'membership':
        return;
    }
  }

  /** Rare: everything is looked at again. */
  #keysChanged(): void {
    const revocations: RevocationStatement[] = [];
    const successions: SuccessionStatement[] = [];
    for (const { statement } of this.#store.all()) {
      if (statement.kind === 'revocation') revocations.push(statement);
      if (statement.kind === 'succession') successions.push(statement);
    }
    const before = this.#successors;
    this.#revoked = revokedKeys({ revocations, successions });
    this.#successors = successors({ revocations, successions }, this.#revoked);
    this.#evaluators.clear();
    for (const { statement } of this.#store.all()) {
      if (statement.kind === 'reputation') this.#refreshReport(statement.issuer, statement.subject);
      if (statement.kind !== 'trust') continue;
      this.#refresh(statement);
      const heir = before.get(statement.subject);
      if (heir !== undefined) this.#refreshPair({ ...statement, subject: heir });
    }
  }

  #refresh(statement: TrustStatement): void {
    this.#refreshPair(statement);
    const heir = this.#successors.get(statement.subject);
    if (heir !== undefined) this.#refreshPair({ ...statement, subject: heir });
  }

  /** Puts into the graph what the issuer's word about the subject is now. */
  #refreshPair({ issuer, subject, context }: Pair): void {
    const said = this.#word({ issuer, subject, context });
    if (said === null) {
      this.#graph.remove({ truster: issuer, trustee: subject, context });
    } else {
      const { level, issued, expires } = said;
      const times = { issuedAt: wallTime(issued * 1000), expiresAt: wallTime(expires * 1000) };
      this.#graph.set({ truster: issuer, trustee: subject, context, level, ...times });
    }
    for (const evaluator of this.#evaluators.values()) {
      evaluator.changed({ truster: issuer, trustee: subject });
    }
  }

  /** His own word about the subject, or else about one whom the subject has succeeded. */
  #word({ issuer, subject, context }: Pair): TrustStatement | null {
    if (this.#revoked.has(issuer)) return null;
    const about = (whom: Did): TrustStatement | null => {
      const slot = slotOf({ kind: 'trust', issuer, subject: whom, context });
      const found = this.#store.inSlot(slot)?.statement;
      return found?.kind === 'trust' ? found : null;
    };
    const own = about(subject);
    if (own !== null) return own;
    const before = [...this.#successors].filter(([, heir]) => heir === subject).map(([old]) => old);
    for (const old of before.sort()) {
      const inherited = about(old);
      if (inherited !== null) return inherited;
    }
    return null;
  }

  #refreshReport(reporter: Did, peer: Did): void {
    const slot = slotOf({ kind: 'reputation', issuer: reporter, subject: peer });
    const report = this.#store.inSlot(slot)?.statement;
    if (report?.kind !== 'reputation' || this.#revoked.has(reporter)) {
      this.reputation.removeReport(reporter, peer);
      return;
    }
    const { positive, negative, issued } = report;
    const issuedAt = wallTime(issued * 1000);
    this.reputation.setReport(reporter, peer, { positive, negative, issuedAt });
  }
}
