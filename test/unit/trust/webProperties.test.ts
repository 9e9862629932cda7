// Properties of the whole web over really signed statements. fast-check prints seed and counterexample.
import fc from 'fast-check';
import test from 'ava';
import { DEFAULT_POLICY } from '../../../src/trust/policy.js';
import { WebOfTrust } from '../../../src/trust/webOfTrust.js';
import type { VerifiedStatement } from '../../../src/trust/statement/signedStatement.js';
import {
  START,
  START_S,
  report,
  revocation,
  signer,
  succession,
  vouch,
} from '../../support/signers.js';

const people = ['me', 'peer', 'a', 'b', 'c', 'd'].map((name) => signer(name));
const [me] = people as [(typeof people)[number]];

/** Everything that six people might say about each other. */
const pool: readonly VerifiedStatement[] = people.flatMap((by) =>
  people.flatMap((subject) => {
    const others = people.filter((one) => one !== subject);
    if (by === subject) {
      const guardians = others.slice(0, 3);
      const named = succession(by, by, { guardians, needed: 2 });
      return [
        revocation(by, by),
        named,
        ...others.slice(0, 2).map((successor) => succession(by, by, { successor })),
      ];
    }
    return [
      vouch(by, subject, { level: 1 }),
      vouch(by, subject, { level: 0.1, issued: START_S - 5 }),
      vouch(by, subject, { level: 0.8, context: '*' }),
      revocation(by, subject),
      report(by, subject, { positive: 3, negative: 1 }),
      ...others
        .filter((one) => one !== by)
        .slice(0, 1)
        .map((successor) => succession(by, subject, { successor })),
    ];
  }),
);

const some = fc.uniqueArray(fc.constantFrom(...pool), {
  size: 'max',
  maxLength: 60,
  selector: ({ id }) => id,
});

function webOf(statements: readonly VerifiedStatement[]): WebOfTrust {
  const web = new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY });
  for (const one of statements) {
    web.add(one, null);
    // Results are asked for on the way, so that what is kept has to be followed up.
    web.evaluate(people[1]!.did, 'net', START);
  }
  return web;
}
const view = (web: WebOfTrust): string =>
  JSON.stringify(people.map(({ did }) => [web.evaluate(did, 'net', START), web.successorOf(did)]));

test('the order in which statements arrive does not matter, revocations and successions included', (t) => {
  fc.assert(
    fc.property(some, fc.nat(), (statements, seed) => {
      const keyed = statements.map((one, i) => ({
        one,
        key: Math.imul(seed + i, 0x9e37_79b1) >>> 5,
      }));
      const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
      return view(webOf(statements)) === view(webOf(shuffled));
    }),
    { numRuns: 400 },
  );
  t.pass();
});

test('no statement of a revoked key counts: without them everything looks the same', (t) => {
  let revokedSeen = 0;
  fc.assert(
    fc.property(some, (statements) => {
      const web = webOf(statements);
      const without = statements.filter(({ statement }) => {
        const aboutKeys = statement.kind === 'revocation' || statement.kind === 'succession';
        if (web.isRevoked(statement.issuer) && !aboutKeys) revokedSeen++;
        return aboutKeys || !web.isRevoked(statement.issuer);
      });
      return view(web) === view(webOf(without));
    }),
    { numRuns: 400 },
  );
  t.true(revokedSeen > 100);
});

test('nobody vouches for himself: what a peer says changes nothing about his own score', (t) => {
  fc.assert(
    fc.property(some, fc.constantFrom(...people.slice(1)), (statements, peer) => {
      const said = ({ statement }: VerifiedStatement): boolean =>
        statement.issuer === peer.did &&
        (statement.kind === 'trust' || statement.kind === 'reputation');
      const scoreOf = (list: readonly VerifiedStatement[]): number =>
        webOf(list).evaluate(peer.did, 'net', START).score;
      return scoreOf(statements) === scoreOf(statements.filter((one) => !said(one)));
    }),
    { numRuns: 400 },
  );
  t.pass();
});

test('what is computed after each arrival equals what is computed from all at once', (t) => {
  fc.assert(
    fc.property(some, (statements) => {
      const atOnce = new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY });
      for (const one of statements) atOnce.add(one, null);
      return view(webOf(statements)) === view(atOnce);
    }),
    { numRuns: 400 },
  );
  t.pass();
});
