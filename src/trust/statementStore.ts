// Every verified statement, one a slot, within bounds. SPEC.md 12.7 and 12.9.
import type { WallTime } from '../base/time.js';
import type { Did } from './opinion.js';
import { slotOf } from './statement/statement.js';
import { expiryOf, type StatementId, type VerifiedStatement } from './statement/signedStatement.js';

export interface StoreLimits {
  readonly all: number;
  /** Of all signed texts together. */
  readonly bytes: number;
  readonly perIssuer: number;
  /** Of statements first brought by one carrier. */
  readonly perCarrier: number;
}

export const STORE_LIMITS: StoreLimits = {
  all: 20_000,
  bytes: 12 * 1024 * 1024,
  perIssuer: 1_000,
  perCarrier: 5_000,
};

/** The peer that brought a statement; null for what this agent made, loaded or was told by its operator. */
export type Carrier = Did | null;

export type AddOutcome =
  | { readonly kind: 'added'; readonly replaced: VerifiedStatement | null }
  /** It is there already, or a later one of its slot is. */
  | { readonly kind: 'known' }
  | { readonly kind: 'outdated' }
  | { readonly kind: 'refused'; readonly reason: 'storeFull' | 'issuerFull' | 'carrierFull' };

interface Entry {
  readonly verified: VerifiedStatement;
  readonly carrier: Carrier;
}

export class StatementStore {
  readonly #limits: StoreLimits;
  readonly #bySlot = new Map<string, Entry>();
  readonly #byId = new Map<StatementId, Entry>();
  readonly #perIssuer = new Map<Did, number>();
  readonly #perCarrier = new Map<Did, number>();
  #bytes = 0;

  constructor(limits: StoreLimits = STORE_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byId.size;
  }

  has(id: StatementId): boolean {
    return this.#byId.has(id);
  }

  find(id: StatementId): VerifiedStatement | null {
    return this.#byId.get(id)?.verified ?? null;
  }

  /** What stands in the slot that the statement has or would have. */
  inSlot(slot: string): VerifiedStatement | null {
    return this.#bySlot.get(slot)?.verified ?? null;
  }

  *all(): IterableIterator<VerifiedStatement> {
    for (const { verified } of this.#byId.values()) yield verified;
  }

  add(verified: VerifiedStatement, carrier: Carrier): AddOutcome {
    if (this.#byId.has(verified.id)) return { kind: 'known' };
    const slot = slotOf(verified.statement);
    const old = this.#bySlot.get(slot);
    const bytes = this.#bytes + verified.text.length - (old?.verified.text.length ?? 0);
    if (old !== undefined) {
      if (!isLater(verified, old.verified)) return { kind: 'outdated' };
      if (bytes > this.#limits.bytes) return { kind: 'refused', reason: 'storeFull' };
      this.#drop(slot, old);
      this.#keep(slot, { verified, carrier: old.carrier });
      return { kind: 'added', replaced: old.verified };
    }
    const { issuer } = verified.statement;
    const { all, perIssuer, perCarrier } = this.#limits;
    if (this.#byId.size >= all || bytes > this.#limits.bytes)
      return { kind: 'refused', reason: 'storeFull' };
    if ((this.#perIssuer.get(issuer) ?? 0) >= perIssuer) {
      return { kind: 'refused', reason: 'issuerFull' };
    }
    if (carrier !== null && (this.#perCarrier.get(carrier) ?? 0) >= perCarrier) {
      return { kind: 'refused', reason: 'carrierFull' };
    }
    this.#keep(slot, { verified, carrier });
    return { kind: 'added', replaced: null };
  }

  /** False if it isn't there. */
  remove(id: StatementId): boolean {
    const entry = this.#byId.get(id);
    if (entry === undefined) return false;
    this.#drop(slotOf(entry.verified.statement), entry);
    return true;
  }

  /** Removes what has expired, and gives it. */
  expire(now: WallTime): VerifiedStatement[] {
    const expired = [...this.all()].filter(({ statement }) => expiryOf(statement) <= now);
    for (const { id } of expired) this.remove(id);
    return expired;
  }

  #keep(slot: string, entry: Entry): void {
    this.#bySlot.set(slot, entry);
    this.#byId.set(entry.verified.id, entry);
    this.#bytes += entry.verified.text.length;
    count(this.#perIssuer, entry.verified.statement.issuer, 1);
    if (entry.carrier !== null) count(this.#perCarrier, entry.carrier, 1);
  }

  #drop(slot: string, entry: Entry): void {
    this.#bySlot.delete(slot);
    this.#byId.delete(entry.verified.id);
    this.#bytes -= entry.verified.text.length;
    count(this.#perIssuer, entry.verified.statement.issuer, -1);
    if (entry.carrier !== null) count(this.#perCarrier, entry.carrier, -1);
  }
}

function isLater(one: VerifiedStatement, other: VerifiedStatement): boolean {
  const [a, b] = [one.statement.issued, other.statement.issued];
  return a === b ? one.id > other.id : a > b;
}

function count(counts: Map<Did, number>, of: Did, change: number): void {
  const left = (counts.get(of) ?? 0) + change;
  if (left === 0) counts.delete(of);
  else counts.set(of, left);
}
