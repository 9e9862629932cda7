// All opinions, found by truster and by trustee. SPEC.md 12.
import type { WallTime } from '../base/time.js';
import { ANY_CONTEXT, levelAt, type Did, type Opinion } from './opinion.js';

/** Opinions of one truster about one trustee, by context. */
type ByContext = Map<string, Opinion>;

const NOBODY: ReadonlyMap<Did, unknown> = new Map();

export class TrustGraph {
  readonly #byTruster = new Map<Did, Map<Did, ByContext>>();
  readonly #byTrustee = new Map<Did, Map<Did, ByContext>>();

  /** Replaces the opinion of the same truster, trustee and context. One about oneself is left out. */
  set(opinion: Opinion): void {
    const { truster, trustee, context } = opinion;
    if (truster === trustee) return;
    let contexts = this.#byTruster.get(truster)?.get(trustee);
    if (contexts === undefined) {
      contexts = new Map();
      enter(this.#byTruster, truster, trustee, contexts);
      enter(this.#byTrustee, trustee, truster, contexts);
    }
    contexts.set(context, opinion);
  }

  remove({ truster, trustee, context }: Pick<Opinion, 'truster' | 'trustee' | 'context'>): void {
    const contexts = this.#byTruster.get(truster)?.get(trustee);
    if (contexts?.delete(context) !== true || contexts.size > 0) return;
    leave(this.#byTruster, truster, trustee);
    leave(this.#byTrustee, trustee, truster);
  }

  /** Whom the truster has an opinion about, in any context. */
  trusteesOf(truster: Did): ReadonlyMap<Did, unknown> {
    return this.#byTruster.get(truster) ?? NOBODY;
  }

  /** Who has an opinion about the trustee, in any context. */
  trustersOf(trustee: Did): ReadonlyMap<Did, unknown> {
    return this.#byTrustee.get(trustee) ?? NOBODY;
  }

  /** Everybody who has said something. */
  trusters(): Iterable<Did> {
    return this.#byTruster.keys();
  }

  /** Null where nothing was said, or nothing that still holds. */
  level(pair: { readonly truster: Did; readonly trustee: Did }, scope: Scope): number | null {
    const contexts = this.#byTruster.get(pair.truster)?.get(pair.trustee);
    if (contexts === undefined) return null;
    const own = contexts.get(scope.context);
    const level = own === undefined ? null : levelAt(own, scope.now);
    if (level !== null || scope.context === ANY_CONTEXT) return level;
    const general = contexts.get(ANY_CONTEXT);
    return general === undefined ? null : levelAt(general, scope.now);
  }
}

/** What a level is asked for: in which context, and when. */
export interface Scope {
  readonly context: string;
  readonly now: WallTime;
}

type Index = Map<Did, Map<Did, ByContext>>;

function enter(index: Index, from: Did, to: Did, contexts: ByContext): void {
  const others = index.get(from);
  if (others === undefined) index.set(from, new Map([[to, contexts]]));
  else others.set(to, contexts);
}

function leave(index: Index, from: Did, to: Did): void {
  const others = index.get(from);
  others?.delete(to);
  if (others?.size === 0) index.delete(from);
}
