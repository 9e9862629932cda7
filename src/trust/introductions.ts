// The default estimator: a mean of what introducers and those they bring say. SPEC.md 12.3.
import { NEUTRAL, type Did } from './opinion.js';
import { BROUGHT_SHARE, OWN_SHARE } from './policy.js';
import type { IndirectFinding, Voice, VoicePart } from './evaluation.js';
import type { Scope, TrustGraph } from './trustGraph.js';

export interface IndirectQuestion {
  readonly graph: TrustGraph;
  readonly evaluator: Did;
  readonly peer: Did;
  readonly scope: Scope;
  /** The evaluator has a level of his own for the peer. */
  readonly hasDirect: boolean;
  /** Of an introducer, the peer left out (12.3). */
  readonly credit: (introducer: Did) => number;
}

export function estimateByIntroductions(question: IndirectQuestion): IndirectFinding {
  const { voices, twoPaths } = collect(question);
  const finished = [...voices.values()].map(fill).filter(speaks).sort(byIntroducer);
  const basis = { estimator: 'introductions', voices: finished } as const;
  let sum = 0;
  let weight = 0;
  for (const { parts } of finished) {
    for (const { taken, level } of parts) {
      sum += taken * level;
      weight += taken;
    }
  }
  if (weight === 0) return { kind: 'unknown', reason: 'nobodySpoke', basis };
  const mean = sum / weight;
  if (twoPaths || question.hasDirect) return { kind: 'known', value: mean, limited: false, basis };
  if (!finished.some(distrusts)) return { kind: 'unknown', reason: 'oneIntroductionOnly', basis };
  return { kind: 'known', value: Math.min(mean, NEUTRAL), limited: mean > NEUTRAL, basis };
}

const byIntroducer = (a: Voice, b: Voice): number => compareNames(a.introducer, b.introducer);

/** By code units: the same on every machine. */
export const compareNames = (a: Did, b: Did): number => (a < b ? -1 : a > b ? 1 : 0);

const speaks = ({ parts }: Voice): boolean => parts.length > 0;

const distrusts = ({ parts }: Voice): boolean => parts.some(({ level }) => level < NEUTRAL);

/** A voice before it is filled. */
type Draft = Omit<Voice, 'parts'> & { own: number | null; readonly brought: VoicePart[] };

interface Collected {
  readonly voices: ReadonlyMap<Did, Draft>;
  /** Two paths share neither introducer nor last statement. */
  readonly twoPaths: boolean;
}

function collect(question: IndirectQuestion): Collected {
  const { graph, evaluator, peer, scope, credit } = question;
  const voices = new Map<Did, Draft>();
  const paths = new DisjointPaths();
  const voice = (introducer: Did, level: number): Draft => {
    let draft = voices.get(introducer);
    if (draft === undefined) {
      const trust = credit(introducer);
      draft = { introducer, level, credit: trust, strength: level * trust, own: null, brought: [] };
      voices.set(introducer, draft);
    }
    return draft;
  };
  for (const speaker of graph.trustersOf(peer).keys()) {
    const level = graph.level({ truster: speaker, trustee: peer }, scope);
    if (speaker === evaluator || level === null || level === NEUTRAL) continue;
    const trusted = graph.level({ truster: evaluator, trustee: speaker }, scope);
    if (trusted !== null) {
      if (trusted <= NEUTRAL) continue;
      voice(speaker, trusted).own = level;
      if (level > NEUTRAL) paths.add(speaker, speaker);
    } else if (level > NEUTRAL) {
      const knowing = introducersOf(question, speaker);
      for (const { introducer } of knowing) paths.add(introducer, speaker);
      bring(speaker, level, knowing, voice);
    }
  }
  return { voices, twoPaths: paths.two };
}

interface Introducer {
  readonly introducer: Did;
  /** The evaluator's level for him. */
  readonly level: number;
  readonly recommenderLevel: number;
}

/** Whom the evaluator trusts and who trusts the recommender. */
function introducersOf(question: IndirectQuestion, recommender: Did): Introducer[] {
  const { graph, evaluator, peer, scope } = question;
  const trusters = graph.trustersOf(recommender);
  const trustees = graph.trusteesOf(evaluator);
  const found: Introducer[] = [];
  for (const introducer of (trusters.size < trustees.size ? trusters : trustees).keys()) {
    if (introducer === peer || introducer === evaluator) continue;
    const level = graph.level({ truster: evaluator, trustee: introducer }, scope);
    if (level === null || level <= NEUTRAL) continue;
    const pair = { truster: introducer, trustee: recommender };
    const recommenderLevel = graph.level(pair, scope);
    if (recommenderLevel === null || recommenderLevel <= NEUTRAL) continue;
    found.push({ introducer, level, recommenderLevel });
  }
  return found;
}

/** Puts the recommender into the voice that gives him the largest part. */
function bring(
  recommender: Did,
  level: number,
  knowing: readonly Introducer[],
  voice: (introducer: Did, level: number) => Draft,
): void {
  let best: { draft: Draft; recommenderLevel: number; worth: number } | null = null;
  for (const { introducer, level: trusted, recommenderLevel } of knowing) {
    const draft = voice(introducer, trusted);
    const worth = draft.strength * recommenderLevel;
    const better =
      best === null ||
      worth > best.worth ||
      (worth === best.worth && introducer < best.draft.introducer);
    if (better) best = { draft, recommenderLevel, worth };
  }
  if (best === null) return;
  const share = BROUGHT_SHARE * best.worth;
  const { recommenderLevel } = best;
  best.draft.brought.push({ recommender, recommenderLevel, level, share, taken: 0 });
}

/** Gives out the strength of a voice: his own word first, then whom he brings, from the top. */
function fill({ own, brought, ...voice }: Draft): Voice {
  const share = OWN_SHARE * voice.strength;
  const himself = { recommender: null, recommenderLevel: 1, share, taken: share };
  brought.sort(
    (a, b) => b.level - a.level || compareNames(a.recommender ?? '', b.recommender ?? ''),
  );
  let left = voice.strength - share;
  const others = brought.map((part) => {
    const taken = Math.min(part.share, left);
    left -= taken;
    return { ...part, taken };
  });
  return { ...voice, parts: own === null ? others : [{ ...himself, level: own }, ...others] };
}

/**
 * Whether two of the paths share neither end. If not, all of them go through one introducer or
 * through one last statement, and then through one of the first path.
 */
class DisjointPaths {
  #first: { readonly introducer: Did; readonly last: Did } | null = null;
  #sameIntroducer = true;
  #sameLast = true;

  add(introducer: Did, last: Did): void {
    this.#first ??= { introducer, last };
    if (introducer !== this.#first.introducer) this.#sameIntroducer = false;
    if (last !== this.#first.last) this.#sameLast = false;
  }

  get two(): boolean {
    return this.#first !== null && !this.#sameIntroducer && !this.#sameLast;
  }
}
