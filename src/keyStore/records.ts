// What lies in the store, by purpose and name. SPEC.md 10.7.
import type { KeyName } from '../ports/keyManager.js';

export type RecordPurpose = 'identity' | 'tunnelSigning' | 'tunnelKey' | 'holder' | 'succession';

/** As it stands in the file; also the order of records in it. */
export const PURPOSE_CODES: Readonly<Record<RecordPurpose, number>> = {
  identity: 1,
  tunnelSigning: 2,
  tunnelKey: 3,
  holder: 4,
  succession: 5,
};

export const purposeOfCode = (code: number): RecordPurpose | null =>
  (Object.keys(PURPOSE_CODES) as RecordPurpose[]).find((one) => PURPOSE_CODES[one] === code) ??
  null;

export interface RecordId {
  readonly purpose: RecordPurpose;
  readonly name: string;
}

const RECORD_NAME = /^[a-zA-Z0-9_=+./-]{1,64}$/;

export const isRecordName = (name: string): boolean => RECORD_NAME.test(name);

/** `purpose name`, for maps. */
export const recordKey = ({ purpose, name }: RecordId): string => `${purpose} ${name}`;

/** Where a holder's signing key or blob lies. */
export const recordOfKey = (name: KeyName): RecordId =>
  name.kind === 'identity'
    ? { purpose: 'identity', name: 'identity' }
    : { purpose: 'tunnelSigning', name: `${name.tunnelId}/${name.generation}` };

/** Null if it is no record of a signing key. */
export function keyOfRecord({ purpose, name }: RecordId): KeyName | null {
  if (purpose === 'identity' && name === 'identity') return { kind: 'identity' };
  const parts = /^(.{1,15})\/([1-9]\d{0,8})$/.exec(name);
  if (purpose !== 'tunnelSigning' || parts === null) return null;
  return { kind: 'tunnel', tunnelId: parts[1]!, generation: Number(parts[2]) };
}
