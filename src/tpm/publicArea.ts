// The public area of an object (TPM2B_PUBLIC): P-256 keys and sealed data, which is all that Beam
// makes or looks at. TPM 2.0 Library, Part 2, 12.2; SPEC.md 10.20.
import { concat } from '../base/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { ALG, CURVE_P256 } from './constants.js';
import { sized, TpmReader, u16, u32 } from './encoding.js';

export interface EccPoint {
  /** 32 bytes each. */
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

/** The cipher of a storage key, for what is under it; signing keys have none. */
export type Symmetric = 'aes128cfb' | 'none';
/** `sign`: ECDSA over SHA-256. */
export type Scheme = 'ecdsaSha256' | 'none';

export type PublicArea =
  | {
      readonly kind: 'ecc';
      readonly attributes: number;
      /** Empty, or 32 bytes. */
      readonly authPolicy: Uint8Array;
      readonly symmetric: Symmetric;
      readonly scheme: Scheme;
      /** Zero-length parts in a template: the TPM chooses. */
      readonly point: EccPoint;
    }
  | {
      readonly kind: 'sealed';
      readonly attributes: number;
      readonly authPolicy: Uint8Array;
      /** Empty in a template; else 32 bytes that the TPM computed. */
      readonly unique: Uint8Array;
    };

export const NO_POINT: EccPoint = { x: new Uint8Array(0), y: new Uint8Array(0) };

/** TPMT_PUBLIC: what a name is computed over. */
export function encodePublic(area: PublicArea): Uint8Array {
  const type = area.kind === 'ecc' ? ALG.ECC : ALG.KEYEDHASH;
  return concat(
    u16(type),
    u16(ALG.SHA256),
    u32(area.attributes),
    sized(area.authPolicy),
    area.kind === 'ecc' ? encodeEcc(area) : concat(u16(ALG.NULL), sized(area.unique)),
  );
}

type EccArea = Extract<PublicArea, { kind: 'ecc' }>;

function encodeEcc({ symmetric, scheme, point }: EccArea): Uint8Array {
  return concat(
    symmetric === 'none' ? u16(ALG.NULL) : concat(u16(ALG.AES), u16(128), u16(ALG.CFB)),
    scheme === 'none' ? u16(ALG.NULL) : concat(u16(ALG.ECDSA), u16(ALG.SHA256)),
    u16(CURVE_P256),
    u16(ALG.NULL), // kdf
    sized(point.x),
    sized(point.y),
  );
}

/** From TPMT_PUBLIC. Null for anything that isn't a P-256 key or sealed data of the forms above. */
export function decodePublic(bytes: Uint8Array): PublicArea | null {
  const reader = new TpmReader(bytes);
  const type = reader.u16();
  const nameAlgorithm = reader.u16();
  const attributes = reader.u32();
  const authPolicy = reader.sized();
  if (nameAlgorithm !== ALG.SHA256) return null;
  const area = type === ALG.ECC ? decodeEcc(reader) : decodeSealed(reader);
  if (area === null || !reader.finished) return null;
  const whole = { ...area, attributes, authPolicy };
  // One encoding for one area: what is compared and named is what was read.
  return sameBytes(encodePublic(whole), bytes) ? whole : null;
}

type Rest<Area> = Area extends PublicArea ? Omit<Area, 'attributes' | 'authPolicy'> : never;

function decodeEcc(reader: TpmReader): Rest<EccArea> | null {
  const cipher = reader.u16();
  const isAes = cipher === ALG.AES && reader.u16() === 128 && reader.u16() === ALG.CFB;
  if (!isAes && cipher !== ALG.NULL) return null;
  const signature = reader.u16();
  const isEcdsa = signature === ALG.ECDSA && reader.u16() === ALG.SHA256;
  if (!isEcdsa && signature !== ALG.NULL) return null;
  if (reader.u16() !== CURVE_P256 || reader.u16() !== ALG.NULL) return null;
  const point = { x: padded(reader.sized()), y: padded(reader.sized()) };
  if (point.x.length > COORDINATE_BYTES || point.y.length > COORDINATE_BYTES) return null;
  return {
    kind: 'ecc',
    symmetric: isAes ? 'aes128cfb' : 'none',
    scheme: isEcdsa ? 'ecdsaSha256' : 'none',
    point,
  };
}

function decodeSealed(reader: TpmReader): Rest<Extract<PublicArea, { kind: 'sealed' }>> | null {
  if (reader.u16() !== ALG.NULL) return null;
  return { kind: 'sealed', unique: reader.sized() };
}

export const COORDINATE_BYTES = 32;

/** TPMs may leave leading zeros out; 32 bytes, or none where there are none. */
export function padded(coordinate: Uint8Array): Uint8Array {
  if (coordinate.length === 0 || coordinate.length >= COORDINATE_BYTES) return coordinate;
  const whole = new Uint8Array(COORDINATE_BYTES);
  whole.set(coordinate, COORDINATE_BYTES - coordinate.length);
  return whole;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The name of an object: its hash algorithm and the hash of its public area. Part 1, 16. */
export function nameOf(publicBytes: Uint8Array): Uint8Array {
  return concat(u16(ALG.SHA256), sha256.hash(publicBytes));
}

/** The name that says under which parents an object is: Part 1, 16. `names` from the primary key down. */
export function qualifiedNameOf(hierarchy: number, names: readonly Uint8Array[]): Uint8Array {
  let qualified: Uint8Array = u32(hierarchy);
  for (const name of names) qualified = nameOf(concat(qualified, name));
  return qualified;
}

/** SEC 1, 2.3.3, uncompressed: 65 bytes. */
export const uncompressed = ({ x, y }: EccPoint): Uint8Array => concat(Uint8Array.of(4), x, y);
