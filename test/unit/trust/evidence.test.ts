import test from 'ava';
import { judgeEvidence } from '../../../src/trust/evidence.js';
import { DEFAULT_POLICY } from '../../../src/trust/policy.js';
import { WebOfTrust } from '../../../src/trust/webOfTrust.js';
import type { EvidenceKind } from '../../../src/trust/statement/statement.js';
import { report, revocation, signer, vouch } from '../../support/signers.js';

const [ann, bob, peer] = [signer('ann'), signer('bob'), signer('peer')];
const counts = { positive: 3, negative: 0 };
const held = {
  introduction: vouch(bob, peer),
  ownWord: vouch(ann, peer, { context: 'office' }),
  aboutAnother: vouch(bob, ann),
  behaviour: report(ann, peer, counts),
  anothersReport: report(bob, peer, counts),
  revocation: revocation(peer, peer),
};
const web = new WebOfTrust({ self: ann.did, policy: DEFAULT_POLICY });
for (const one of Object.values(held)) web.add(one, null);

const verdict = (kind: EvidenceKind, digest: string): string =>
  judgeEvidence(web, { issuer: ann.did, subject: peer.did }, { kind, digest });

test('an introduction is another’s word about the same subject that is in the store', (t) => {
  t.is(verdict('introduction', held.introduction.id), 'holds');
  for (const other of [held.ownWord, held.aboutAnother, held.behaviour, held.revocation]) {
    t.is(verdict('introduction', other.id), 'fails');
  }
  t.is(verdict('introduction', '00'.repeat(32)), 'fails');
});

test('behaviour is the issuer’s own report about the subject', (t) => {
  t.is(verdict('behaviour', held.behaviour.id), 'holds');
  for (const other of [held.anothersReport, held.introduction]) {
    t.is(verdict('behaviour', other.id), 'fails');
  }
});

test('an operator’s word holds by itself, and an attestation is not judged here', (t) => {
  t.is(verdict('operator', '00'.repeat(32)), 'holds');
  t.is(verdict('attestation', '00'.repeat(32)), 'unchecked');
});
