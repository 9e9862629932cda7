// Response codes of a TPM and of tpm2-tss, told apart by what somebody can do about them. TPM 2.0
// Library, Part 2, 6.6; TSS 2.0 Overview, 3.3; SPEC.md 10.28.
import type { OperatorErrorDetails } from '../base/errors.js';

/** As beam_tpm gives it. */
export interface TpmFailure {
  /** TSS2_RC: the layer in bits 16 to 23. */
  readonly code: number;
  /** The function of tpm2-tss that answered it. */
  readonly step: string;
  /** tpm2-tss's words. */
  readonly meaning: string;
}

export type FailureKind =
  | 'absent'
  | 'disconnected'
  | 'policy'
  | 'approval'
  | 'foreign'
  | 'wrongParent'
  | 'missing'
  | 'lockedOut'
  | 'authorization'
  | 'slots'
  | 'exists'
  | 'unwritten'
  | 'nvSpace'
  | 'rate'
  | 'notStarted'
  | 'broken'
  | 'tampered'
  | 'unknown';

const LAYER = { tpm: 0x00, esys: 0x07, sys: 0x08, tcti: 0x0a, resourceManager: 0x0b, own: 0xbe };
const RESOURCE_MANAGER_TPM = 0x0c;

/** Format one: bits 0 to 5 of the code, whatever handle, session or parameter it is about. */
const FORMAT_ONE: ReadonlyMap<number, FailureKind> = new Map([
  [0x0b, 'missing'], // TPM_RC_HANDLE
  [0x0e, 'authorization'], // TPM_RC_AUTH_FAIL
  [0x22, 'authorization'], // TPM_RC_BAD_AUTH
  [0x1b, 'approval'], // TPM_RC_SIGNATURE
  [0x20, 'approval'], // TPM_RC_TICKET
  [0x1d, 'policy'], // TPM_RC_POLICY_FAIL
  [0x1f, 'foreign'], // TPM_RC_INTEGRITY
]);
const VALUE = 0x04;

/** Format zero: the whole code. */
const FORMAT_ZERO: ReadonlyMap<number, FailureKind> = new Map([
  [0x100, 'notStarted'], // TPM_RC_INITIALIZE
  [0x101, 'broken'], // TPM_RC_FAILURE
  [0x126, 'policy'], // TPM_RC_POLICY
  [0x128, 'policy'], // TPM_RC_PCR_CHANGED
  [0x14a, 'unwritten'], // TPM_RC_NV_UNINITIALIZED
  [0x14b, 'nvSpace'], // TPM_RC_NV_SPACE
  [0x14c, 'exists'], // TPM_RC_NV_DEFINED
  [0x902, 'slots'], // TPM_RC_OBJECT_MEMORY
  [0x903, 'slots'], // TPM_RC_SESSION_MEMORY
  [0x904, 'slots'], // TPM_RC_MEMORY
  [0x905, 'slots'], // TPM_RC_SESSION_HANDLES
  [0x920, 'rate'], // TPM_RC_NV_RATE
  [0x921, 'lockedOut'], // TPM_RC_LOCKOUT
  [0x923, 'rate'], // TPM_RC_NV_UNAVAILABLE
]);

/** TSS2_BASE_RC; TSS 2.0 Overview, 3.3.3. */
const BASE = { noConnection: 8, ioError: 10, malformedResponse: 17, answerAuthFailed: 27 };
const OWN_WRONG_PARENT = 3;

export function kindOf({ code, step }: TpmFailure): FailureKind {
  const layer = (code >>> 16) & 0xff;
  const base = code & 0xffff;
  if (step === 'Tss2_TctiLdr_Initialize') return 'absent';
  switch (layer) {
    case LAYER.tpm:
    case LAYER.resourceManager:
    case RESOURCE_MANAGER_TPM:
      return kindOfTpmCode(base, step);
    case LAYER.tcti:
      return base === BASE.noConnection ? 'absent' : 'disconnected';
    case LAYER.esys:
    case LAYER.sys:
      if (base === BASE.answerAuthFailed || base === BASE.malformedResponse) return 'tampered';
      return base === BASE.ioError ? 'disconnected' : 'unknown';
    case LAYER.own:
      return base === OWN_WRONG_PARENT ? 'wrongParent' : 'unknown';
    default:
      return 'unknown';
  }
}

function kindOfTpmCode(code: number, step: string): FailureKind {
  if ((code & 0x80) === 0) return FORMAT_ZERO.get(code) ?? 'unknown';
  const error = code & 0x3f;
  if (error === VALUE && step === 'Esys_PolicyAuthorize') {
    // Parameter 1: the session's policy so far (the registers) isn't the one that was approved. 4: the
    // ticket isn't for it.
    return (code & 0xf00) === 0x100 ? 'policy' : 'approval';
  }
  // Nothing is at a transient or persistent handle.
  if (error === VALUE && step === 'Esys_TR_FromTPMPublic') return 'missing';
  return FORMAT_ONE.get(error) ?? 'unknown';
}

type Words = Pick<OperatorErrorDetails, 'code' | 'expected' | 'found' | 'remedy'>;

const WORDS: Readonly<Record<FailureKind, Words>> = {
  absent: {
    code: 'E_TPM_ABSENT',
    expected: 'a TPM 2.0',
    found: 'none that answers',
    remedy:
      'look whether /dev/tpmrm0 is there and Beam may open it (group tss), or switch the TPM on in the firmware; without it the store opens by `beam key recover`',
  },
  disconnected: {
    code: 'E_TPM_LOST',
    expected: 'that the TPM answers',
    found: 'the connection to it ended',
    remedy: 'try again; the kernel’s log (dmesg) says what happened to the device',
  },
  policy: {
    code: 'E_TPM_POLICY',
    expected: 'register values that the operator’s key has approved',
    found: 'other values: what is measured at start has changed',
    remedy:
      'if the change was yours, approve the new values with `beam tpm reseal`; if not, find out what changed before you do',
  },
  approval: {
    code: 'E_TPM_APPROVAL',
    expected: 'an approval signed by the operator’s key',
    found: 'a signature that is not by that key',
    remedy: 'approve again with the key that the store was sealed for (`beam tpm reseal`)',
  },
  foreign: {
    code: 'E_TPM_FOREIGN',
    expected: 'an object that this TPM made',
    found: 'one that it can’t read: made by another TPM, before it was cleared, or damaged',
    remedy: 'recover with the recovery key (`beam key recover`), which seals anew',
  },
  wrongParent: {
    code: 'E_TPM_STORAGE_KEY',
    expected: 'the storage key that was pinned at enrolment',
    found:
      'another key at its handle: the TPM was cleared or exchanged, or somebody pretends to be it',
    remedy:
      'if the TPM was cleared or exchanged by you, recover with the recovery key (`beam key recover`); if not, treat the machine as tampered with',
  },
  missing: {
    code: 'E_TPM_MISSING',
    expected: 'an object at the handle',
    found: 'nothing there: the TPM was cleared, or it was removed',
    remedy: 'recover with the recovery key (`beam key recover`), which makes it again',
  },
  lockedOut: {
    code: 'E_TPM_LOCKED',
    expected: 'a TPM that takes authorizations',
    found: 'its dictionary-attack lock is on',
    remedy:
      'wait (`beam tpm status` says how long), or reset it with the lockout authorization: tpm2_dictionarylockout --clear-lockout',
  },
  authorization: {
    code: 'E_TPM_AUTH',
    expected: 'the right authorization value',
    found: 'another one',
    remedy: 'give the owner’s or endorsement authorization that was set on this TPM',
  },
  slots: {
    code: 'E_TPM_SLOTS',
    expected: 'a free slot for an object or a session in the TPM',
    found: 'all are taken by other programs',
    remedy:
      'use the kernel’s resource manager (/dev/tpmrm0), or end the program that holds them; tpm2_getcap handles-transient lists them',
  },
  exists: {
    code: 'E_TPM_EXISTS',
    expected: 'a free handle or index',
    found: 'something is there already',
    remedy: 'look what it is (`beam tpm status`) and remove it if it is yours',
  },
  unwritten: {
    code: 'E_TPM_UNWRITTEN',
    expected: 'a counter that has counted',
    found: 'one that was never increased',
    remedy: 'seal again (`beam tpm seal`)',
  },
  nvSpace: {
    code: 'E_TPM_NV_SPACE',
    expected: 'room in the TPM’s non-volatile memory',
    found: 'none left',
    remedy: 'remove indices that nobody needs: tpm2_getcap handles-nv-index, tpm2_nvundefine',
  },
  rate: {
    code: 'E_TPM_RATE',
    expected: 'a write to the TPM’s non-volatile memory',
    found: 'it is limiting writes to spare the memory',
    remedy: 'wait a minute and try again',
  },
  notStarted: {
    code: 'E_TPM_NOT_STARTED',
    expected: 'a TPM that was started by the firmware',
    found: 'one that was not',
    remedy: 'reboot; a simulator needs --flags startup-clear',
  },
  broken: {
    code: 'E_TPM_FAILURE',
    expected: 'a TPM that works',
    found: 'it is in failure mode after a self-test',
    remedy: 'reboot; if it comes back the TPM is broken: recover onto other hardware',
  },
  tampered: {
    code: 'E_TPM_ANSWER',
    expected: 'an answer that the TPM authenticated',
    found: 'one that was changed on its way or is malformed',
    remedy: 'treat the machine as tampered with until the cause is known',
  },
  unknown: {
    code: 'E_TPM',
    expected: 'that the TPM does what it was asked',
    found: 'an error that Beam has no words for',
    remedy: 'report it with the code',
  },
};

/** For who finds out before the TPM does. */
export const POLICY_WORDS = WORDS.policy;

/** The failure for people: what it means, and the code and step for a search. */
export function explainFailure(failure: TpmFailure, place: string): OperatorErrorDetails {
  const words = WORDS[kindOf(failure)];
  const code = `0x${failure.code.toString(16).padStart(8, '0')}`;
  return { ...words, place, found: `${words.found} (${failure.step} ${code}, ${failure.meaning})` };
}
