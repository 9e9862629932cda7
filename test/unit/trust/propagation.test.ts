import test from 'ava';
import { instant, wallTime, type Moment } from '../../../src/base/time.js';
import { DEFAULT_POLICY } from '../../../src/trust/policy.js';
import { WebOfTrust } from '../../../src/trust/webOfTrust.js';
import {
  ANSWER_TIMEOUT_MS,
  ASK_EVERY_MS,
  BYTES_PER_MINUTE,
  FIRST_RETRY_MS,
  LAST_RETRY_MS,
  MISBEHAVED_MS,
  NUDGE_DELAY_MS,
  NUDGE_INTERVAL_MS,
  Propagation,
  type PropagationEffect,
} from '../../../src/trust/propagation/propagation.js';
import {
  HOPS_MAX,
  bucketOf,
  readAnswer,
  readQuery,
  type Answer,
  type Query,
} from '../../../src/trust/propagation/messages.js';
import { LOCAL, Replica, shortId } from '../../../src/trust/propagation/replica.js';
import type { Json } from '../../../src/trust/statement/canonicalJson.js';
import type { VerifiedStatement } from '../../../src/trust/statement/signedStatement.js';
import { START, START_S, signer, vouch } from '../../support/signers.js';

const [me, ann, bob, cat] = ['me', 'ann', 'bob', 'cat'].map((name) => signer(name)) as [
  ReturnType<typeof signer>,
  ReturnType<typeof signer>,
  ReturnType<typeof signer>,
  ReturnType<typeof signer>,
];
const PEER = ann.did;
const at = (ms: number): Moment => ({ boot: instant(ms), wall: wallTime(START + ms) });

interface Agent {
  readonly replica: Replica;
  readonly machine: Propagation;
}

function agent(...statements: readonly VerifiedStatement[]): Agent {
  const replica = new Replica(new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY }));
  for (const one of statements) replica.add(one, LOCAL);
  return { replica, machine: new Propagation({ replica, jitterMs: () => 0 }) };
}

const asks = (effects: readonly PropagationEffect[]) => effects.filter((one) => one.kind === 'ask');

/** Lets `client` ask until it is content or the peer stops answering; gives all effects. */
function converse(
  client: Agent,
  answer: (query: Query) => string | null,
  from = 0,
): PropagationEffect[] {
  const all: PropagationEffect[] = [];
  for (let turn = 0; turn < 1_000; turn++) {
    const due = client.machine.nextTimeout();
    if (due === null || due > from) return all;
    const [ask, ...others] = asks(client.machine.handleTimeout(at(from)));
    if (ask === undefined || others.length > 0) return all;
    all.push(ask);
    const text = answer(ask.query);
    if (text === null) return all;
    all.push(
      ...client.machine.handle(
        { kind: 'answered', peer: PEER, request: ask.request, text },
        at(from),
      ),
    );
  }
  throw new Error('it never ends');
}

const honest =
  (server: Agent) =>
  (query: Query): string => {
    const read = readQuery(JSON.parse(JSON.stringify(query)) as Json);
    if (read === null) throw new Error('a question that is none');
    return JSON.stringify(server.replica.answer(read));
  };

const admitted = (client: Agent): Agent => {
  client.machine.handle({ kind: 'peerAdmitted', peer: PEER }, at(0));
  return client;
};

const many = Array.from({ length: 150 }, (_, i) => vouch(bob, signer(`x${i}`)));

test('an agent takes over all that the other has and it lacks, and then asks for nothing', (t) => {
  const server = agent(...many);
  const client = admitted(agent(many[0]!, vouch(cat, bob)));
  const effects = converse(client, honest(server));
  const learned = effects.flatMap((one) => (one.kind === 'learned' ? one.statements : []));
  t.is(learned.length, many.length - 1);
  t.true(many.every(({ id }) => client.replica.has(shortId(id))));
  t.is(Number(client.machine.nextTimeout()), ASK_EVERY_MS);
  const again = converse(client, honest(server), ASK_EVERY_MS);
  t.deepEqual(
    asks(again).map(({ query }) => query.kind),
    ['digest'],
    'own extra statements are no difference',
  );
});

test('two that have the same ask for the digest and nothing else', (t) => {
  const effects = converse(admitted(agent(...many)), honest(agent(...[...many].reverse())));
  t.deepEqual(
    asks(effects).map(({ query }) => query.kind),
    ['digest'],
  );
});

test('a statement travels five hops and no further, and a shorter way is remembered', (t) => {
  const statement = vouch(bob, cat);
  let server = agent(statement);
  for (let hop = 1; hop <= HOPS_MAX; hop++) {
    const client = admitted(agent());
    converse(client, honest(server));
    t.true(client.replica.has(shortId(statement.id)), `hop ${hop}`);
    server = client;
  }
  const sixth = admitted(agent());
  converse(sixth, honest(server));
  t.false(sixth.replica.has(shortId(statement.id)));
  server.replica.add(statement, { carrier: cat.did, hops: 1 });
  const seventh = admitted(agent());
  converse(seventh, honest(server));
  t.true(seventh.replica.has(shortId(statement.id)));
});

test('what is outdated or refused here is fetched once, and not again until the bucket changes', (t) => {
  const server = agent(vouch(bob, cat));
  const client = admitted(agent(vouch(bob, cat, { issued: START_S + 1 })));
  t.deepEqual(
    asks(converse(client, honest(server))).map(({ query }) => query.kind),
    ['digest', 'buckets', 'statements'],
  );
  t.deepEqual(
    asks(converse(client, honest(server), ASK_EVERY_MS)).map(({ query }) => query.kind),
    ['digest'],
  );
});

test('a bucket that was dealt with is left alone when another one changes', (t) => {
  const server = agent(vouch(bob, cat));
  const client = admitted(agent(vouch(bob, cat, { issued: START_S + 1 })));
  const [first] = asks(converse(client, honest(server))).filter(
    ({ query }) => query.kind === 'buckets',
  );
  const old = bucketOf(vouch(bob, cat).id);
  const others = many.filter(({ id }) => bucketOf(id) !== old);
  for (const one of others) server.replica.add(one, LOCAL);
  const [second] = asks(converse(client, honest(server), ASK_EVERY_MS)).filter(
    ({ query }) => query.kind === 'buckets',
  );
  t.deepEqual(first?.query, { kind: 'buckets', buckets: [old] });
  const expected = [...new Set(others.map(({ id }) => bucketOf(id)))].sort((a, b) => a - b);
  t.deepEqual(second?.query, { kind: 'buckets', buckets: expected });
});

test('who learns something nudges the others, not the one it came from', (t) => {
  const client = admitted(agent());
  client.machine.handle({ kind: 'peerAdmitted', peer: bob.did }, at(1));
  client.machine.handleTimeout(at(1));
  const effects: PropagationEffect[] = [];
  let request = 1;
  // The digest, a list, the statement.
  for (let turn = 0; turn < 3; turn++) {
    const server = agent(vouch(cat, bob));
    const asked = asks(client.machine.handleTimeout(at(2)));
    const of = (asked[0] ?? { query: { kind: 'digest', root: '' } as Query, request }).query;
    request = asked[0]?.request ?? 1;
    effects.push(
      ...client.machine.handle(
        { kind: 'answered', peer: PEER, request, text: JSON.stringify(server.replica.answer(of)) },
        at(2),
      ),
    );
  }
  t.deepEqual(
    effects.filter(({ kind }) => kind === 'nudge'),
    [{ kind: 'nudge', peer: bob.did }],
  );
  const made = client.machine.handle({ kind: 'statementsMade' }, at(3));
  t.deepEqual(
    made.map((one) => one.kind === 'nudge' && one.peer),
    [PEER, bob.did],
  );
});

test('a nudge is followed soon, but not more than once a second', (t) => {
  const client = admitted(agent());
  converse(client, honest(agent()));
  client.machine.handle({ kind: 'nudged', peer: PEER }, at(5_000));
  t.is(Number(client.machine.nextTimeout()), 5_000 + NUDGE_DELAY_MS);
  converse(client, honest(agent()), 5_000 + NUDGE_DELAY_MS);
  client.machine.handle({ kind: 'nudged', peer: PEER }, at(5_200));
  t.is(Number(client.machine.nextTimeout()), 5_000 + NUDGE_DELAY_MS + NUDGE_INTERVAL_MS);
});

test('a nudge that comes while a question is open is followed after the answer', (t) => {
  const client = admitted(agent());
  const [ask] = asks(client.machine.handleTimeout(at(0)));
  client.machine.handle({ kind: 'nudged', peer: PEER }, at(10));
  const text = honest(agent())(ask!.query);
  client.machine.handle({ kind: 'answered', peer: PEER, request: ask!.request, text }, at(20));
  t.is(Number(client.machine.nextTimeout()), NUDGE_INTERVAL_MS);
});

test('a peer that doesn’t answer is asked again after 2, 4, 8 … up to 300 s, and a nudge changes nothing', (t) => {
  const client = admitted(agent());
  let now = 0;
  const delays: number[] = [];
  for (let i = 0; i < 10; i++) {
    t.is(asks(client.machine.handleTimeout(at(now))).length, 1);
    const deadline = client.machine.nextTimeout()!;
    t.is(Number(deadline), now + ANSWER_TIMEOUT_MS);
    t.deepEqual(client.machine.handleTimeout(at(deadline)), []);
    client.machine.handle({ kind: 'nudged', peer: PEER }, at(deadline));
    const next = client.machine.nextTimeout()!;
    delays.push(next - deadline);
    now = next;
  }
  t.deepEqual(
    delays,
    [2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((s) => s * 1_000),
  );
  t.is(delays[0], FIRST_RETRY_MS);
  t.is(delays.at(-1), LAST_RETRY_MS);
});

test('an answer that comes too late, twice or to no question is dropped', (t) => {
  const client = admitted(agent());
  const [ask] = asks(client.machine.handleTimeout(at(0)));
  const text = honest(agent(...many))(ask!.query);
  client.machine.handleTimeout(at(ANSWER_TIMEOUT_MS));
  const before = client.machine.nextTimeout();
  for (const request of [ask!.request, 0, 99]) {
    t.deepEqual(
      client.machine.handle({ kind: 'answered', peer: PEER, request, text }, at(ANSWER_TIMEOUT_MS)),
      [],
    );
    t.deepEqual(
      client.machine.handle(
        { kind: 'answered', peer: bob.did, request, text },
        at(ANSWER_TIMEOUT_MS),
      ),
      [],
    );
  }
  t.is(client.machine.nextTimeout(), before);
});

test('a malformed answer is told, and the peer is left alone for 600 s', (t) => {
  for (const text of [
    '',
    '{}',
    'null',
    '[]',
    '{"kind":"digest"}',
    '{"buckets":[],"kind":"digest","root":"00"}',
    JSON.stringify({ kind: 'digest', root: 'f'.repeat(32), buckets: null }),
  ]) {
    const client = admitted(agent());
    const effects = converse(client, () => text);
    t.deepEqual(
      effects.filter(({ kind }) => kind === 'misbehaved'),
      [{ kind: 'misbehaved', peer: PEER, what: 'malformedAnswer' }],
      text,
    );
    t.is(Number(client.machine.nextTimeout()), MISBEHAVED_MS);
  }
});

test('a statement that was not asked for, or whose signature doesn’t hold, is a misbehaviour; those before it stay', (t) => {
  const server = agent(...many.slice(0, 1));
  const good = many[0]!.text;
  const cases = [
    { statements: [[0, many[1]!.text]], what: 'unaskedStatement' },
    { statements: [[HOPS_MAX, good]], what: 'unaskedStatement' },
    { statements: [[0, good.replace('"level":1', '"level":0')]], what: 'badStatement' },
    { statements: [[0, 'x']], what: 'badStatement' },
    {
      statements: [
        [0, good],
        [0, good],
      ],
      what: 'malformedAnswer',
    },
    { statements: [[-1, good]], what: 'malformedAnswer' },
  ];
  for (const { statements, what } of cases) {
    const client = admitted(agent());
    const effects = converse(client, (query) =>
      query.kind === 'statements'
        ? JSON.stringify({ kind: 'statements', statements })
        : honest(server)(query),
    );
    t.deepEqual(
      effects.filter(({ kind }) => kind === 'misbehaved'),
      [{ kind: 'misbehaved', peer: PEER, what }],
      JSON.stringify(statements).slice(0, 30),
    );
    t.is(client.replica.has(shortId(many[0]!.id)), false);
  }
});

test('expired statements are left out without blame and without asking for ever', (t) => {
  const server = agent(
    vouch(bob, cat, { issued: START_S - 100, expires: START_S - 1 }),
    vouch(cat, bob),
  );
  const client = admitted(agent());
  const effects = converse(client, honest(server));
  t.false(effects.some(({ kind }) => kind === 'misbehaved'));
  t.is(Number(client.machine.nextTimeout()), ASK_EVERY_MS);
  t.true(client.replica.has(shortId(vouch(cat, bob).id)));
});

test('past a peer’s bytes of a minute it is asked again in the next one', (t) => {
  const server = agent(...many);
  const client = admitted(agent());
  const padding = ' '.repeat(BYTES_PER_MINUTE);
  const effects = converse(client, (query) => honest(server)(query) + padding);
  t.is(asks(effects).length, 1);
  t.is(Number(client.machine.nextTimeout()), 60_000);
});

test('while a slow peer is waited for, another is asked and answers', (t) => {
  const client = admitted(agent());
  client.machine.handle({ kind: 'peerAdmitted', peer: bob.did }, at(0));
  t.is(asks(client.machine.handleTimeout(at(0))).length, 2);
  const text = honest(agent(...many))({ kind: 'digest', root: '0'.repeat(32) });
  client.machine.handle({ kind: 'answered', peer: bob.did, request: 2, text }, at(10));
  const next = asks(client.machine.handleTimeout(at(10)));
  t.deepEqual(
    next.map(({ peer, query }) => [peer, query.kind]),
    [[bob.did, 'buckets']],
  );
});

test('of a peer that has left nothing is asked and nothing taken', (t) => {
  const client = admitted(agent());
  const [ask] = asks(client.machine.handleTimeout(at(0)));
  client.machine.handle({ kind: 'peerLeft', peer: PEER }, at(1));
  t.is(client.machine.nextTimeout(), null);
  const text = honest(agent(...many))(ask!.query);
  t.deepEqual(
    client.machine.handle({ kind: 'answered', peer: PEER, request: ask!.request, text }, at(2)),
    [],
  );
});

test('questions and answers of another form are none', (t) => {
  const hash = 'a'.repeat(32);
  for (const query of [
    null,
    [],
    {},
    { kind: 'digest' },
    { kind: 'digest', root: 'A'.repeat(32) },
    { kind: 'buckets', buckets: [64] },
    { kind: 'buckets', buckets: [-1] },
    { kind: 'buckets', buckets: [1.5] },
    { kind: 'statements', ids: ['x'] },
    { kind: 'statements', ids: Array<string>(65).fill(hash) },
    { kind: 'digest', root: hash, more: 1 },
    { kind: 'all', root: hash },
  ] as Json[]) {
    t.is(readQuery(query), null, JSON.stringify(query));
  }
  const list: Query = { kind: 'buckets', buckets: [42] };
  const text = (answer: Answer): string => JSON.stringify(answer);
  t.truthy(readAnswer(list, text({ kind: 'buckets', entries: [[hash, 5]] })));
  t.is(
    readAnswer(list, text({ kind: 'buckets', entries: [['b'.repeat(32), 5]] })),
    null,
    'another bucket’s',
  );
  t.is(readAnswer(list, text({ kind: 'buckets', entries: [[hash, 6]] })), null);
});
