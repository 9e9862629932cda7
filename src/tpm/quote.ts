// A quote: what an attestation key says about registers, and the verifier's side of it. TPM 2.0
// Library, Part 2, 10.12; SPEC.md 10.26.
import { equalConstantTime } from '../base/bytes.js';
import { verifyP256 } from '../crypto/p256.js';
import { ATTEST_QUOTE, GENERATED_VALUE, OBJECT } from './constants.js';
import { TpmReader } from './encoding.js';
import { pcrDigest, readPcrs, type PcrSelection } from './pcr.js';
import { decodePublic, uncompressed, type PublicArea } from './publicArea.js';
import { decodeSignature } from './signature.js';

export interface Quote {
  /** TPMS_ATTEST, as it was signed. */
  readonly statement: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  /** What the registers hold, in the order of their indices; proved by the statement's digest. */
  readonly values: readonly Uint8Array[];
}

export interface Expected {
  /** TPMT_PUBLIC of the attestation key, known from credential activation. */
  readonly attestationKey: Uint8Array;
  /** Its qualified name (qualifiedNameOf), where the verifier knows the key's parents; else null. */
  readonly qualifiedSigner: Uint8Array | null;
  /** What the verifier sent for this quote alone; null for a quote that is only read again. */
  readonly nonce: Uint8Array | null;
  readonly pcrs: PcrSelection;
  /** The clock of the last quote of this device; null for the first. */
  readonly previous: Pick<TpmClock, 'resetCount' | 'restartCount' | 'clockMs'> | null;
}

/** TPMS_CLOCK_INFO. Part 2, 10.11.1. */
export interface TpmClock {
  /** Milliseconds that the TPM was powered, over its whole life. */
  readonly clockMs: bigint;
  /** Reboots since the TPM was cleared. */
  readonly resetCount: number;
  /** Resumes and hibernations since the last reboot. */
  readonly restartCount: number;
  /** False: `clockMs` may have been set back by a loss of power. */
  readonly safe: boolean;
}

export interface VerifiedQuote {
  readonly values: readonly Uint8Array[];
  readonly clock: TpmClock;
  readonly firmwareVersion: bigint;
  /** Against `previous`. */
  readonly since: 'first' | 'running' | 'resumed' | 'rebooted';
}

export type QuoteRefusal =
  | 'attestation key: not a restricted P-256 signing key of a TPM'
  | 'signature: not the attestation key’s'
  | 'statement: not made by a TPM'
  | 'statement: not a quote'
  | 'signer: another key than the statement names'
  | 'nonce: not the one that was asked for'
  | 'registers: others than were asked for'
  | 'registers: values that don’t make the digest'
  | 'clock: behind the last quote';

export type QuoteVerdict =
  | { readonly kind: 'verified'; readonly quote: VerifiedQuote }
  | { readonly kind: 'refused'; readonly reason: QuoteRefusal };

/** Never throws: `quote` is what a stranger sent. */
export function verifyQuote(quote: Quote, expected: Expected): QuoteVerdict {
  const refused = (reason: QuoteRefusal): QuoteVerdict => ({ kind: 'refused', reason });
  const key = decodePublic(expected.attestationKey);
  if (key === null || !isAttestationKey(key)) {
    return refused('attestation key: not a restricted P-256 signing key of a TPM');
  }
  const signature = decodeSignature(quote.signature);
  if (signature === null || !verifyP256(uncompressed(key.point), quote.statement, signature)) {
    return refused('signature: not the attestation key’s');
  }
  const statement = decodeStatement(quote.statement);
  if (typeof statement === 'string') return refused(statement);
  const signer = expected.qualifiedSigner;
  if (signer !== null && !equalConstantTime(statement.qualifiedSigner, signer)) {
    return refused('signer: another key than the statement names');
  }
  if (expected.nonce !== null && !equalConstantTime(statement.nonce, expected.nonce)) {
    return refused('nonce: not the one that was asked for');
  }
  if (statement.pcrs.join() !== expected.pcrs.join()) {
    return refused('registers: others than were asked for');
  }
  if (!equalConstantTime(statement.digest, pcrDigest(quote.values))) {
    return refused('registers: values that don’t make the digest');
  }
  const since = compareClocks(statement.clock, expected.previous);
  if (since === null) return refused('clock: behind the last quote');
  const { clock, firmwareVersion } = statement;
  return { kind: 'verified', quote: { values: quote.values, clock, firmwareVersion, since } };
}

type EccKey = Extract<PublicArea, { kind: 'ecc' }>;

/** Only a restricted key can't be made to sign a statement that somebody else wrote. */
function isAttestationKey(area: PublicArea): area is EccKey {
  const needed = OBJECT.restricted | OBJECT.sign | OBJECT.fixedTPM | OBJECT.sensitiveDataOrigin;
  const isRestricted = (area.attributes & needed) === needed;
  return area.kind === 'ecc' && isRestricted && (area.attributes & OBJECT.decrypt) === 0;
}

interface Statement {
  readonly qualifiedSigner: Uint8Array;
  readonly nonce: Uint8Array;
  readonly clock: TpmClock;
  readonly firmwareVersion: bigint;
  readonly pcrs: PcrSelection;
  readonly digest: Uint8Array;
}

/** From TPMS_ATTEST. */
function decodeStatement(bytes: Uint8Array): Statement | QuoteRefusal {
  const reader = new TpmReader(bytes);
  if (reader.u32() !== GENERATED_VALUE) return 'statement: not made by a TPM';
  if (reader.u16() !== ATTEST_QUOTE) return 'statement: not a quote';
  const qualifiedSigner = reader.sized();
  const nonce = reader.sized();
  const clock: TpmClock = {
    clockMs: reader.u64(),
    resetCount: reader.u32(),
    restartCount: reader.u32(),
    safe: reader.u8() === 1,
  };
  const firmwareVersion = reader.u64();
  const pcrs = readPcrs(reader);
  const digest = reader.sized();
  if (pcrs === null || !reader.finished) return 'statement: not a quote';
  return { qualifiedSigner, nonce, clock, firmwareVersion, pcrs, digest };
}

/** `rebooted` also where the count went up by more than one. Null if something went back. */
function compareClocks(
  now: TpmClock,
  previous: Expected['previous'],
): VerifiedQuote['since'] | null {
  if (previous === null) return 'first';
  if (now.resetCount < previous.resetCount) return null;
  if (now.resetCount > previous.resetCount) return 'rebooted';
  if (now.restartCount < previous.restartCount) return null;
  // Within one boot the clock can't be set back, safe or not.
  if (now.clockMs < previous.clockMs) return null;
  return now.restartCount > previous.restartCount ? 'resumed' : 'running';
}
