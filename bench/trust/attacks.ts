// What single attacks bring, each in the smallest scene that shows it. Real signatures, the real web of
// trust and the real admission.
import { Admission } from '../../src/admission/admission.js';
import { instant, wallTime } from '../../src/base/time.js';
import { DEFAULT_POLICY } from '../../src/trust/policy.js';
import { WebOfTrust } from '../../src/trust/webOfTrust.js';
import type { Evaluation } from '../../src/trust/evaluation.js';
import type { VerifiedStatement } from '../../src/trust/statement/signedStatement.js';
import { START, START_S, signer, vouch, type Signer } from '../../test/support/signers.js';
import { mean } from './heldOut.js';

const me = signer('me');
const FRIENDS = 10;
const friends = Array.from({ length: FRIENDS }, (_, i) => signer(`friend ${i}`));
const trusted = friends.map((friend) => vouch(me, friend));

function web(...statements: readonly VerifiedStatement[]): WebOfTrust {
  const made = new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY });
  for (const one of statements) made.add(one, null);
  return made;
}

const seen = (of: WebOfTrust, who: Signer): Evaluation => of.evaluate(who.did, 'net', START);

export interface SybilResult {
  readonly attackEdges: number;
  /** A full voice is 1. The most that names of the group say about one of them, for each attack edge. */
  readonly contributionsPerEdge: number;
  /** Whose score reaches the threshold, of the whole group. */
  readonly overThreshold: number;
  /** Whom the budgets let in on the first day. */
  readonly admittedFirstDay: number;
}

/** A group in which everybody vouches for everybody, and so many friends who each trust one of it. */
export function sybilAttack(group: number, attackEdges: number): SybilResult {
  const { sybils, praise } = sybilGroup(group);
  const made = web(
    ...trusted,
    ...Array.from({ length: attackEdges }, (_, i) => vouch(friends[i]!, sybils[i]!)),
    ...praise,
  );
  const evaluations = sybils.map((sybil) => seen(made, sybil));
  const gate = new Admission({ web: made, context: 'net' });
  const admitted = sybils.filter(({ did }) => {
    gate.handle({ kind: 'identityProved', peer: did }, { boot: instant(0), wall: START });
    return gate.outcomeOf(did) === 'admitted';
  });
  return {
    attackEdges,
    contributionsPerEdge: Math.max(...evaluations.map(contributions)) / Math.max(1, attackEdges),
    overThreshold: evaluations.filter((one) => one.admitted).length,
    admittedFirstDay: admitted.length,
  };
}

interface Group {
  readonly sybils: readonly Signer[];
  readonly praise: readonly VerifiedStatement[];
}

const groups = new Map<number, Group>();

/** Signing is what takes long: once a size. */
function sybilGroup(size: number): Group {
  const known = groups.get(size);
  if (known !== undefined) return known;
  const sybils = Array.from({ length: size }, (_, i) => signer(`sybil ${i}`));
  const praise = sybils.flatMap((by) =>
    sybils.filter((about) => about !== by).map((about) => vouch(by, about)),
  );
  groups.set(size, { sybils, praise });
  return { sybils, praise };
}

function contributions({ indirect: { basis } }: Evaluation): number {
  if (basis.estimator !== 'introductions') return 0;
  return basis.voices.flatMap(({ parts }) => parts).reduce((sum, { taken }) => sum + taken, 0);
}

export interface SlanderResult {
  /** Of 1,000 slanderers whom nobody trusts. */
  readonly untrustedLoss: number;
  /** Each slanderer whom we trust ourselves, beside six who vouch. */
  readonly lossPerTrusted: readonly number[];
  /** How many such it takes to throw out a peer with a direct level of 1. */
  readonly neededAgainstDirect: number;
}

export function slander(): SlanderResult {
  const victim = signer('victim');
  const vouching = [...trusted, ...friends.slice(0, 6).map((friend) => vouch(friend, victim))];
  const before = seen(web(...vouching), victim).score;
  const strangers = Array.from({ length: 1_000 }, (_, i) =>
    vouch(signer(`stranger ${i}`), victim, { level: 0 }),
  );
  const scoreWith = (count: number, direct: boolean): number => {
    const slanderers = Array.from({ length: count }, (_, i) => signer(`slanderer ${i}`));
    const said = slanderers.flatMap((one) => [vouch(me, one), vouch(one, victim, { level: 0 })]);
    return seen(web(...vouching, ...said, ...(direct ? [vouch(me, victim)] : [])), victim).score;
  };
  let needed = 0;
  while (scoreWith(needed, true) >= DEFAULT_POLICY.threshold) needed++;
  return {
    untrustedLoss: before - seen(web(...vouching, ...strangers), victim).score,
    lossPerTrusted: [1, 2, 3].map((count) => (before - scoreWith(count, false)) / count),
    neededAgainstDirect: needed,
  };
}

export interface WhitewashResult {
  readonly goodScore: number;
  /** After 30 bad days, as the operator still vouches with 1. */
  readonly badScore: number;
  /** The same after the operator has seen and said distrust. */
  readonly disownedScore: number;
  readonly newNameScore: number;
  readonly newNameAdmitted: boolean;
}

export function whitewash(): WhitewashResult {
  const [old, fresh] = [signer('old name'), signer('new name')];
  const made = web(vouch(me, old));
  const goodScore = seen(made, old).score;
  for (let day = 30; day > 0; day--) {
    made.reputation.observe(old.did, 'replay', wallTime(START - day * 86_400_000));
  }
  const badScore = seen(made, old).score;
  made.add(vouch(me, old, { issued: START_S + 1, level: 0 }), null);
  const { score, admitted } = seen(made, fresh);
  return {
    goodScore,
    badScore,
    disownedScore: seen(made, old).score,
    newNameScore: score,
    newNameAdmitted: admitted,
  };
}

export interface CollusionResult {
  readonly colluders: number;
  readonly meanScoreAlone: number;
  readonly meanScoreColluding: number;
  readonly overThresholdAlone: number;
  readonly overThresholdColluding: number;
}

/** Twenty with one honest word each, some good, some bad; then they praise each other as well. */
export function collusion(): CollusionResult {
  const colluders = Array.from({ length: 20 }, (_, i) => signer(`colluder ${i}`));
  const honest = colluders.flatMap((one, i) => [
    vouch(friends[i % FRIENDS]!, one, { level: i % 2 === 0 ? 0.6 : 0.3 }),
    vouch(friends[(i + 3) % FRIENDS]!, one, { level: i % 2 === 0 ? 0.7 : 0.2 }),
  ]);
  const praise = colluders.flatMap((by) =>
    colluders.filter((one) => one !== by).map((one) => vouch(by, one)),
  );
  const [alone, together] = [web(...trusted, ...honest), web(...trusted, ...honest, ...praise)].map(
    (of) => colluders.map((one) => seen(of, one)),
  ) as [Evaluation[], Evaluation[]];
  const over = (list: readonly Evaluation[]): number =>
    list.filter(({ admitted }) => admitted).length;
  return {
    colluders: colluders.length,
    meanScoreAlone: mean(alone.map(({ score }) => score)),
    meanScoreColluding: mean(together.map(({ score }) => score)),
    overThresholdAlone: over(alone),
    overThresholdColluding: over(together),
  };
}
