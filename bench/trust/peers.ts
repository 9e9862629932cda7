// 1,000 peers with hidden behaviour for 60 days: does reputation find out how they really are? Statements
// and reports are really signed, and who reports what depends on what he is.
import { wallTime, type WallTime } from '../../src/base/time.js';
import { DEFAULT_POLICY } from '../../src/trust/policy.js';
import { WebOfTrust } from '../../src/trust/webOfTrust.js';
import {
  verifyKeptStatement,
  type VerifiedStatement,
} from '../../src/trust/statement/signedStatement.js';
import { Random } from '../../test/sim/random.js';
import { START, report, signer, vouch, type Signer } from '../../test/support/signers.js';
import { mean, pearson } from './heldOut.js';

const DAYS = 60;
const DAY_MS = 86_400_000;
const OBSERVERS = 10;
const ENCOUNTERS_PER_DAY = 2;
const ACQUAINTANCES = 12;
const VICTIMS = 20;
const CONTEXT = 'net';

const COUNTS = {
  honest: 600,
  flaky: 100,
  onOff: 80,
  sybil: 120,
  slanderer: 40,
  colluder: 40,
  whitewasher: 20,
} as const;
type Kind = keyof typeof COUNTS;
const SYBIL_GROUP = 40;
const NEW_NAME_EVERY_DAYS = 15;

interface Peer {
  readonly kind: Kind;
  readonly signer: Signer;
  /** How reliable an honest or flaky one is. */
  readonly ability: number;
  /** Before it, the name wasn't there. */
  readonly sinceDay: number;
}

/** The chance that an encounter on that day goes well. */
function goodness({ kind, ability }: Peer, day: number): number {
  switch (kind) {
    case 'honest':
    case 'flaky':
    case 'slanderer':
      return ability;
    case 'onOff':
      return day % 14 < 9 ? 0.97 : 0.1;
    case 'sybil':
      return 0.4;
    case 'colluder':
      return 0.5;
    case 'whitewasher':
      return 0.15;
  }
}

const realBehaviour = (peer: Peer): number => {
  const days = Array.from({ length: DAYS - peer.sinceDay }, (_, i) => peer.sinceDay + i);
  return mean(days.map((day) => goodness(peer, day)));
};

export interface PeersResult {
  readonly peers: number;
  readonly statements: number;
  /** Between reputation and real behaviour over all peers; mean and worst of the observers. */
  readonly correlation: number;
  readonly worstCorrelation: number;
  readonly meanByKind: Readonly<
    Record<Kind, { readonly real: number; readonly reputation: number }>
  >;
}

export function simulatePeers(seed: number): PeersResult {
  const random = new Random(seed);
  const peers = population(random);
  const statements = [...opinions(peers, random), ...reports(peers, random)];
  for (const { text } of statements) {
    if (verifyKeptStatement(text).kind !== 'verified')
      throw new Error('a true signature was refused');
  }
  const observers = peers.filter(({ kind }) => kind === 'honest').slice(0, OBSERVERS);
  const views = observers.map((observer) => observe(observer, peers, statements, random.fork()));
  const real = peers.map(realBehaviour);
  const correlations = views.map((view) => pearson(view.map((value, i) => [value, real[i]!])));
  const byKind = (kind: Kind) => {
    const of = peers.flatMap((peer, i) => (peer.kind === kind ? [i] : []));
    return {
      real: mean(of.map((i) => real[i]!)),
      reputation: mean(views.flatMap((view) => of.map((i) => view[i]!))),
    };
  };
  const kinds = Object.keys(COUNTS) as Kind[];
  return {
    peers: peers.length,
    statements: statements.length,
    correlation: mean(correlations),
    worstCorrelation: Math.min(...correlations),
    meanByKind: Object.fromEntries(
      kinds.map((kind) => [kind, byKind(kind)]),
    ) as PeersResult['meanByKind'],
  };
}

function population(random: Random): Peer[] {
  return (Object.entries(COUNTS) as [Kind, number][]).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, i) => ({
      kind,
      signer: signer(`${kind} ${i}`),
      ability: kind === 'flaky' ? random.between(0.5, 0.9) : random.between(0.93, 1),
      sinceDay: kind === 'whitewasher' ? DAYS - NEW_NAME_EVERY_DAYS : 0,
    })),
  );
}

const level = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;

/** Honest and flaky ones say what they have seen; the others say what suits them. */
function opinions(peers: readonly Peer[], random: Random): VerifiedStatement[] {
  const of = (kind: Kind): Peer[] => peers.filter((peer) => peer.kind === kind);
  const say = (by: Peer, about: Peer, said: number): VerifiedStatement[] =>
    by === about ? [] : [vouch(by.signer, about.signer, { level: level(said), context: CONTEXT })];
  const sincere = [...of('honest'), ...of('flaky')];
  const known = [...sincere, ...of('onOff'), ...of('slanderer'), ...of('colluder')];
  const fooled = of('sybil').filter((_, i) => i % SYBIL_GROUP < 3);
  return [
    ...sincere.flatMap((by) =>
      Array.from({ length: ACQUAINTANCES }, () => random.pick(known)).flatMap((about) =>
        say(by, about, realBehaviour(about) + random.between(-0.05, 0.05)),
      ),
    ),
    ...fooled.flatMap((sybil) => say(random.pick(of('honest')), sybil, 1)),
    ...of('sybil').flatMap((by, i) => {
      const group = of('sybil').filter(
        (_, j) => Math.floor(j / SYBIL_GROUP) === Math.floor(i / SYBIL_GROUP),
      );
      return group.slice(0, ACQUAINTANCES).flatMap((about) => say(by, about, 1));
    }),
    ...of('slanderer').flatMap((by) =>
      Array.from({ length: VICTIMS }, () => random.pick(sincere)).flatMap((about) =>
        say(by, about, 0),
      ),
    ),
    ...of('colluder').flatMap((by) => of('colluder').flatMap((about) => say(by, about, 1))),
  ];
}

/** What each reports about some of the others. */
function reports(peers: readonly Peer[], random: Random): VerifiedStatement[] {
  const encounters = DAYS * ENCOUNTERS_PER_DAY;
  const tell = (by: Peer, about: Peer, share: number, all: number): VerifiedStatement[] => {
    const positive = Math.round(share * all);
    return by === about
      ? []
      : [report(by.signer, about.signer, { positive, negative: all - positive })];
  };
  return peers.flatMap((by) => {
    const some = Array.from({ length: ACQUAINTANCES }, () => random.pick(peers));
    if (by.kind === 'honest' || by.kind === 'flaky') {
      return some.flatMap((about) => tell(by, about, realBehaviour(about), encounters));
    }
    if (by.kind === 'slanderer') return some.flatMap((about) => tell(by, about, 0, 100_000));
    const own = peers.filter(({ kind }) => kind === by.kind).slice(0, ACQUAINTANCES);
    return own.flatMap((about) => tell(by, about, 1, 100_000));
  });
}

/** The observer's reputation of each peer after all days. */
function observe(
  observer: Peer,
  peers: readonly Peer[],
  statements: readonly VerifiedStatement[],
  random: Random,
): number[] {
  const web = new WebOfTrust({ self: observer.signer.did, policy: DEFAULT_POLICY });
  for (const statement of statements) web.add(statement, null);
  const at = (day: number): WallTime => wallTime(START + (day - DAYS) * DAY_MS);
  for (let day = 0; day < DAYS; day++) {
    for (const peer of peers) {
      if (day < peer.sinceDay) continue;
      for (let i = 0; i < ENCOUNTERS_PER_DAY; i++) {
        const good = random.chance(goodness(peer, day));
        web.reputation.observe(peer.signer.did, good ? 'handshakeKept' : 'brokenOff', at(day));
      }
    }
  }
  return peers.map(({ signer: { did } }) => web.evaluate(did, CONTEXT, START).reputation ?? 0.5);
}
