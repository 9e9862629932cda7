// The claims of SPEC.md 11.16, searched in the symbolic model: every world that comes about of a few honest
// processes and an attacker who owns the network, is one of the network's members, and has stolen what
// the claim says. Each check that the claims rest on is taken away once, and the search must find out.
import test from 'ava';
import type { Model, Party, Process, Setup, World } from '../../../support/beamModel.js';
import { BEAM, Search } from '../../../support/beamModel.js';
import { derivesKey } from '../../../support/symbolicTerms.js';

const call = (owner: Party, callee: Party, protocol: 'hybrid' | 'classical' = 'hybrid'): Setup => ({
  role: 'initiator',
  owner,
  callee,
  protocol,
});
const answers = (owner: Party): Setup => ({ role: 'responder', owner });

/** A calls B, and M; B answers, twice or with a call of its own. */
const ALL_CASES: readonly (readonly [string, readonly Setup[]])[] = [
  ['one call', [call('A', 'B'), answers('B')]],
  ['one classical call', [call('A', 'B', 'classical'), answers('B')]],
  ['a call to the attacker beside it', [call('A', 'M'), answers('B')]],
  ['two calls and one answering', [call('A', 'B'), call('A', 'M'), answers('B')]],
  ['one call and two answering', [call('A', 'B'), answers('B'), answers('B')]],
  ['calls that cross', [call('A', 'B'), call('B', 'A'), answers('B')]],
  ['the caller answers too', [call('A', 'B'), answers('A'), answers('B')]],
  [
    'a classical call beside a hybrid one',
    [call('A', 'B', 'classical'), call('A', 'B'), answers('B')],
  ],
];

/** `npm run test:long` searches them all, some minutes; `npm test` those that take a second each. */
const CASES = process.env['BEAM_LONG'] === '1' ? ALL_CASES : ALL_CASES.slice(0, 3);

const isHonest = (party: Party | null): boolean => party === 'A' || party === 'B';

/** Established with somebody honest. */
const finished = (world: World): Process[] =>
  world.processes.filter(({ waits, peer }) => waits === 'done' && isHonest(peer));

/** The process at the peer that has the same transcript and keys, as far as it has come. */
function partner(world: World, process: Process): Process | null {
  const { setup, symmetric, peer } = process;
  return (
    world.processes.find(
      (other) =>
        other.setup.role !== setup.role &&
        other.setup.owner === peer &&
        other.symmetric.transcript === symmetric.transcript &&
        other.symmetric.mixed.join() === symmetric.mixed.join(),
    ) ?? null
  );
}

/** Null, or how an established process and its peer don't agree. */
function disagreement(world: World, process: Process): string | null {
  const { setup, peer } = process;
  const who = `${setup.owner} as ${setup.role} with ${peer ?? ''}: `;
  if (setup.role === 'initiator' && peer !== setup.callee) return `${who}wasn't called`;
  if (!isHonest(peer)) return null;
  const other = partner(world, process);
  if (other === null) return `${who}the peer isn't in this handshake`;
  if (setup.role === 'initiator' && (other.waits !== 'done' || other.peer !== setup.owner)) {
    return `${who}the peer has somebody else`;
  }
  if (other.setup.role === 'initiator' && other.setup.callee !== setup.owner) {
    return `${who}the peer called somebody else`;
  }
  if (other.protocol !== process.protocol) return `${who}two protocols`;
  if (other.suite !== process.suite || process.suite !== 'AES') return `${who}a weaker suite`;
  const isTwice = world.processes.some(
    (third) => third !== process && third.waits === 'done' && partner(world, third) === other,
  );
  return isTwice ? `${who}two sessions of one handshake` : null;
}

type Claim = (world: World, search: Search) => string | null;

/** All parties' sessions, or one party's. */
const agreement =
  (...owners: readonly Party[]): Claim =>
  (world) => {
    for (const process of world.processes) {
      if (process.waits !== 'done' || !owners.includes(process.setup.owner)) continue;
      const wrong = disagreement(world, process);
      if (wrong !== null) return wrong;
    }
    return null;
  };

/** The attacker has no session key between A and B, even if all this leaks afterwards. */
const secrecy =
  (leaked: readonly string[], protocols = ['hybrid', 'classical']): Claim =>
  (world, search) => {
    const before = search.knowledge(world);
    const knowledge = { ...before, secrets: new Set([...before.secrets, ...leaked]) };
    const found = finished(world).find(
      ({ symmetric, protocol }) => protocols.includes(protocol) && derivesKey(knowledge, symmetric),
    );
    return found === undefined ? null : `the key of ${found.setup.owner} as ${found.setup.role}`;
  };

interface Stolen {
  readonly secrets?: readonly string[];
  readonly identities?: readonly Party[];
}

interface Searched {
  readonly name: string;
  readonly search: Search;
  readonly worlds: readonly World[];
}

/** The same search serves several claims. */
const searches = new Map<string, Searched>();
function searched(
  [name, setups]: (typeof ALL_CASES)[number],
  model: Partial<Model>,
  stolen: Stolen,
): Searched {
  const key = JSON.stringify([name, model, stolen]);
  const known = searches.get(key);
  if (known !== undefined) return known;
  const search = new Search({ ...BEAM, ...model }, stolen);
  const made = { name, search, worlds: [...search.worlds(setups)] };
  searches.set(key, made);
  return made;
}

/** The first thing found wrong in any case, and how many worlds and sessions there are. */
function check(claim: Claim, stolen: Stolen = {}, model: Partial<Model> = {}) {
  let [count, sessions] = [0, 0];
  // A model that lacks something is searched in all cases, up to the first that shows it.
  const isWhole = Object.keys(model).length === 0;
  for (const one of isWhole ? CASES : ALL_CASES) {
    const { name, search, worlds } = searched(one, model, stolen);
    count += worlds.length;
    sessions += worlds.reduce((sum, world) => sum + finished(world).length, 0);
    for (const world of worlds) {
      const wrong = claim(world, search);
      if (wrong !== null) return { found: `${name}: ${wrong}`, worlds: count, sessions };
    }
  }
  return { found: null, worlds: count, sessions };
}

const LONG_LIVED = ['sA', 'sB'];
const ALL_DH = [...LONG_LIVED, ...[0, 1, 2, 3].map((i) => `e${i}`)];
const ALL_KEM = [0, 1, 2, 3].flatMap((i) => [`k${i}`, `r${i}`]);

const CLAIMS: readonly (readonly [string, Claim, Stolen])[] = [
  ['both ends agree on peer, call, protocol, suite and keys', agreement('A', 'B'), {}],
  ['nobody else has a session key', secrecy([]), {}],
  ['tunnel keys stolen later open nothing', secrecy(LONG_LIVED), {}],
  ['a broken ML-KEM opens nothing', secrecy([...LONG_LIVED, ...ALL_KEM]), {}],
  ['a quantum computer later opens no hybrid session', secrecy(ALL_DH, ['hybrid']), {}],
  ['a stolen tunnel key makes nobody that device', agreement('A', 'B'), { secrets: LONG_LIVED }],
  [
    'nobody pretends to be B to A by A’s keys',
    agreement('A'),
    { secrets: ['sA'], identities: ['A'] },
  ],
];

for (const [claim, holds, stolen] of CLAIMS) {
  test(`in the model, ${claim}`, (t) => {
    const { found, worlds, sessions } = check(holds, stolen);
    t.is(found, null);
    t.true(sessions > 0, 'sessions come about');
    t.log(`${worlds} worlds, ${sessions} sessions`);
  });
}

/** What is taken away, what must then be found false, and with what stolen. */
const BROKEN: readonly (readonly [readonly (keyof Model)[], Claim, Stolen])[] = [
  [['hashesOffers', 'checksChoice'], agreement('A', 'B'), {}],
  [['hashesCallee'], agreement('A', 'B'), {}],
  [['mixesKem'], secrecy(ALL_DH, ['hybrid']), {}],
  [['mixesDh'], secrecy(ALL_KEM), {}],
  [['signsTranscript'], agreement('A', 'B'), { secrets: LONG_LIVED }],
  [['signsTranscript', 'checksTunnelKey'], agreement('A', 'B'), {}],
  [['checksCalled'], agreement('A', 'B'), {}],
];

for (const [parts, claim, stolen] of BROKEN) {
  test(`the search finds out when ${parts.join(' and ')} is taken away`, (t) => {
    const model = Object.fromEntries(parts.map((part) => [part, false]));
    const { found } = check(claim, stolen, model);
    t.not(found, null);
    t.log(found ?? '');
  });
}

test('the search finds a classical session readable by a later quantum computer', (t) => {
  t.not(check(secrecy(ALL_DH)).found, null);
});

test('one of two checks is enough where each covers the other', (t) => {
  for (const part of ['hashesOffers', 'checksChoice', 'checksTunnelKey'] as const) {
    t.is(check(agreement('A', 'B'), {}, { [part]: false }).found, null, part);
  }
});
