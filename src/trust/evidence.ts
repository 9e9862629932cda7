// Whether the evidence that a statement of trust refers to is there. SPEC.md 12.7.
import type { Evidence, TrustStatement } from './statement/statement.js';
import type { WebOfTrust } from './webOfTrust.js';

/** `unchecked`: statements alone can't tell. */
export type EvidenceVerdict = 'holds' | 'fails' | 'unchecked';

export function judgeEvidence(
  web: Pick<WebOfTrust, 'find'>,
  { issuer, subject }: Pick<TrustStatement, 'issuer' | 'subject'>,
  { kind, digest }: Evidence,
): EvidenceVerdict {
  const found = web.find(digest)?.statement;
  switch (kind) {
    case 'operator':
      return 'holds';
    case 'attestation':
      return 'unchecked';
    case 'introduction': {
      const introduces = found?.kind === 'trust' && found.subject === subject;
      return introduces && found.issuer !== issuer ? 'holds' : 'fails';
    }
    case 'behaviour': {
      const reports = found?.kind === 'reputation' && found.subject === subject;
      return reports && found.issuer === issuer ? 'holds' : 'fails';
    }
  }
}
