// Attempts to speak for somebody else, and honest ones between them: are all of them judged rightly?
import { DEFAULT_POLICY } from '../../src/trust/policy.js';
import { WebOfTrust } from '../../src/trust/webOfTrust.js';
import { canonicalJson, type Json } from '../../src/trust/statement/canonicalJson.js';
import { statementToSign, verifyStatement } from '../../src/trust/statement/signedStatement.js';
import type { Statement } from '../../src/trust/statement/statement.js';
import { Random } from '../../test/sim/random.js';
import {
  START,
  START_S,
  revocation,
  signer,
  trustStatement,
  vouch,
  type Signer,
} from '../../test/support/signers.js';

export interface IdentityResult {
  readonly attempts: number;
  readonly right: number;
  readonly byKind: Readonly<Record<string, { readonly attempts: number; readonly right: number }>>;
}

const KINDS = ['honest', 'impersonation', 'tampering', 'replay', 'stolenOldKey'] as const;

/** Of each kind as many attempts, by Ed25519 and by P-256 keys in turn. */
export function identityAttempts(each: number, seed: number): IdentityResult {
  const random = new Random(seed);
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, { attempts: 0, right: 0 }]));
  for (let i = 0; i < each; i++) {
    const algorithm = i % 2 === 0 ? 'ed25519' : 'p256';
    const [victim, attacker] = [
      signer(`victim ${i}`, algorithm),
      signer(`attacker ${i}`, algorithm),
    ];
    for (const kind of KINDS) {
      const count = counts[kind]!;
      count.attempts++;
      if (judgedRightly(kind, { victim, attacker, random })) count.right++;
    }
  }
  const all = Object.values(counts);
  return {
    attempts: all.reduce((sum, { attempts }) => sum + attempts, 0),
    right: all.reduce((sum, { right }) => sum + right, 0),
    byKind: counts,
  };
}

interface Scene {
  readonly victim: Signer;
  readonly attacker: Signer;
  readonly random: Random;
}

const me = signer('me');
const friend = signer('friend');

function judgedRightly(kind: (typeof KINDS)[number], { victim, attacker, random }: Scene): boolean {
  const web = new WebOfTrust({ self: me.did, policy: DEFAULT_POLICY });
  web.add(vouch(me, victim), null);
  web.add(vouch(me, friend), null);
  web.add(vouch(friend, attacker), null);
  const lie = trustStatement(victim, attacker);
  const counts = (text: string): boolean => {
    const verdict = verifyStatement(text, START);
    if (verdict.kind === 'verified') web.add(verdict.statement, null);
    return web.evaluate(attacker.did, 'net', START).indirect.kind === 'known';
  };
  switch (kind) {
    case 'honest':
      return counts(signedBy(victim, lie));
    case 'impersonation':
      return !counts(signedBy(attacker, lie));
    case 'tampering': {
      const text = signedBy(victim, trustStatement(victim, attacker, { level: 0.5 }));
      const at = random.integer(0, text.length - 1);
      const changed =
        text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
      return !counts(random.chance(0.5) ? text.replace('"level":0.5', '"level":1') : changed);
    }
    case 'replay':
      // The victim has taken an earlier word back; the attacker brings the earlier one again.
      web.add(vouch(victim, attacker, { issued: START_S + 1, level: 0.5 }), null);
      return !counts(signedBy(victim, lie));
    case 'stolenOldKey':
      web.add(revocation(victim, victim), null);
      return !counts(signedBy(victim, trustStatement(victim, attacker, { issued: START_S + 2 })));
  }
}

function signedBy(by: Signer, statement: Statement): string {
  const signature = Buffer.from(by.sign(statementToSign(statement))).toString('base64url');
  return canonicalJson({ signature, statement: statement as unknown as Json });
}
