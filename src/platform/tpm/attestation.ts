// The device's side of attestation: an attestation key, quotes, and credentials that prove which TPM
// it is. SPEC.md 10.26.
import { OperatorError } from '../../base/errors.js';
import { equalConstantTime } from '../../base/bytes.js';
import type { Secret } from '../../base/secret.js';
import type { Credential } from '../../tpm/credential.js';
import { TpmReader } from '../../tpm/encoding.js';
import { pcrDigest, type PcrSelection } from '../../tpm/pcr.js';
import type { Quote } from '../../tpm/quote.js';
import { ATTESTATION_KEY, ENDORSEMENT_KEY } from '../../tpm/templates.js';
import {
  activateCredential,
  create,
  createPrimary,
  quoteRegisters,
  readPcrValues,
  type Blob,
  type NamedPublic,
  type Parent,
} from './commands.js';
import type { TpmConnection } from './connection.js';

export const createAttestationKey = (tpm: TpmConnection, parent: Parent): Promise<Blob> =>
  create(tpm, parent, { template: ATTESTATION_KEY, secret: null });

/** The endorsement key's public area, from the TPM's endorsement seed: the same at every call. */
export const endorsementKey = (
  tpm: TpmConnection,
  endorsementAuth: Secret | null,
): Promise<NamedPublic> =>
  createPrimary(tpm, {
    hierarchy: 'endorsement',
    hierarchyAuth: endorsementAuth,
    template: ENDORSEMENT_KEY,
    persistent: null,
  });

/** What the verifier sealed for this TPM and this attestation key. The caller owns it. */
export const openCredential = (
  tpm: TpmConnection,
  parent: Parent,
  given: {
    readonly key: Blob;
    readonly credential: Credential;
    readonly endorsementAuth: Secret | null;
  },
): Promise<Secret> =>
  activateCredential(tpm, parent, {
    key: given.key,
    endorsementAuth: given.endorsementAuth,
    endorsementKey: ENDORSEMENT_KEY,
    ...given.credential,
  });

const ATTEMPTS = 5;

/** A quote with the values that make its digest. Reads again while registers change in between. */
export async function takeQuote(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly key: Blob; readonly nonce: Uint8Array; readonly pcrs: PcrSelection },
): Promise<Quote> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { statement, signature } = await quoteRegisters(tpm, parent, wanted);
    const values = await readPcrValues(tpm, wanted.pcrs);
    if (equalConstantTime(digestIn(statement), pcrDigest(values))) {
      return { statement, signature, values };
    }
  }
  throw new OperatorError({
    code: 'E_TPM_REGISTERS',
    place: tpm.tcti,
    expected: 'registers that stay as they are for some milliseconds',
    found: `they changed between ${ATTEMPTS} quotes and as many readings`,
    remedy: 'quote fewer registers: some are extended all the time (10, by IMA)',
  });
}

/** The digest is the last field of a quote's statement. */
function digestIn(statement: Uint8Array): Uint8Array {
  const size = 2 + 32;
  const reader = new TpmReader(statement.subarray(Math.max(0, statement.length - size)));
  return reader.sized();
}
