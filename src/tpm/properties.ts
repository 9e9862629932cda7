// What a TPM says about itself, read from capabilities, and what the state of its lock means. TPM 2.0
// Library, Part 1, 19.8, and Part 2, 10.8; SPEC.md 10.25.
import { CAPABILITY, PERMANENT, PROPERTY } from './constants.js';
import { TpmReader } from './encoding.js';

export interface TpmProperties {
  /** Four letters of the TCG Vendor ID Registry, `IBM`, `INTC`, `STM`. */
  readonly manufacturer: string;
  readonly vendor: string;
  /** `2.0`, and the library's revision, 1.64. */
  readonly family: string;
  readonly revision: string;
  /** `major.minor.…` as the vendor counts. */
  readonly firmware: string;
  readonly ownerAuthSet: boolean;
  readonly endorsementAuthSet: boolean;
  readonly transientSlots: number;
  readonly lock: DictionaryLock;
}

/** The dictionary-attack lock: wrong authorizations of objects that are not noDA. */
export interface DictionaryLock {
  readonly locked: boolean;
  readonly failures: number;
  readonly allowedFailures: number;
  /** After so long one failure is forgotten; 0 for never. */
  readonly forgetOneS: number;
  /** After a failure of the lockout authorization so long nobody can use it; 0: until a reboot. */
  readonly lockoutAuthWaitS: number;
  readonly lockoutAuthSet: boolean;
}

/** Values by property. Null if the bytes aren't a list of properties. */
export function readProperties(bytes: Uint8Array): ReadonlyMap<number, number> | null {
  const reader = new TpmReader(bytes);
  reader.u8();
  if (reader.u32() !== CAPABILITY.properties) return null;
  const found = new Map<number, number>();
  for (let left = reader.u32(); left > 0 && reader.ok; left--)
    found.set(reader.u32(), reader.u32());
  return reader.finished ? found : null;
}

/** Null if the bytes aren't a list of handles. */
export function readHandles(bytes: Uint8Array): readonly number[] | null {
  const reader = new TpmReader(bytes);
  reader.u8();
  if (reader.u32() !== CAPABILITY.handles) return null;
  const found: number[] = [];
  for (let left = reader.u32(); left > 0 && reader.ok; left--) found.push(reader.u32());
  return reader.finished ? found : null;
}

export function describeProperties(found: ReadonlyMap<number, number>): TpmProperties {
  const value = (property: number): number => found.get(property) ?? 0;
  const permanent = value(PROPERTY.permanent);
  const isSet = (bit: number): boolean => (permanent & bit) !== 0;
  const words = [value(PROPERTY.firmwareVersion1), value(PROPERTY.firmwareVersion2)];
  return {
    manufacturer: letters(value(PROPERTY.manufacturer)),
    vendor: [0, 1, 2, 3]
      .map((i) => letters(value(PROPERTY.vendorString1 + i)))
      .join('')
      .trim(),
    family: letters(value(PROPERTY.familyIndicator)),
    revision: (value(PROPERTY.revision) / 100).toFixed(2),
    firmware: words.flatMap((word) => [word >>> 16, word & 0xffff]).join('.'),
    ownerAuthSet: isSet(PERMANENT.ownerAuthSet),
    endorsementAuthSet: isSet(PERMANENT.endorsementAuthSet),
    transientSlots: value(PROPERTY.transientAvailable),
    lock: {
      locked: isSet(PERMANENT.inLockout),
      failures: value(PROPERTY.lockoutCounter),
      allowedFailures: value(PROPERTY.maxAuthFail),
      forgetOneS: value(PROPERTY.lockoutInterval),
      lockoutAuthWaitS: value(PROPERTY.lockoutRecovery),
      lockoutAuthSet: isSet(PERMANENT.lockoutAuthSet),
    },
  };
}

/** Four characters in a number, without the zeros and spaces at the end. */
const letters = (word: number): string =>
  [24, 16, 8, 0]
    .map((shift) => (word >>> shift) & 0xff)
    .filter((code) => code >= 0x20 && code < 0x7f)
    .map((code) => String.fromCharCode(code))
    .join('')
    .trim();

/** One sentence for people. */
export function explainLock(lock: DictionaryLock): string {
  const mine = 'Beam’s keys are exempt (noDA)';
  const { locked, failures, allowedFailures, forgetOneS } = lock;
  const wait =
    forgetOneS === 0
      ? 'failures are not forgotten by themselves'
      : `one failure is forgotten every ${duration(forgetOneS)}`;
  if (locked) {
    return `locked after ${failures} wrong authorizations: other software’s keys are refused until it is reset with the lockout authorization (tpm2_dictionarylockout --clear-lockout); ${wait}; ${mine}`;
  }
  return `open: ${failures} of ${allowedFailures} wrong authorizations; ${wait}; ${mine}`;
}

function duration(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
