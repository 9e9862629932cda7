// The public areas that Beam asks a TPM for. SPEC.md 10.20.
import { concat, fromHex } from '../base/bytes.js';
import { ALG, NV, OBJECT } from './constants.js';
import { sized, u16, u32 } from './encoding.js';
import { NO_POINT, type PublicArea } from './publicArea.js';

const NO_POLICY = new Uint8Array(0);

/** Made in this TPM, bound to it and to its parent. */
const BORN_HERE = OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.sensitiveDataOrigin;

/** Where it lives (TCG TPM v2.0 Provisioning Guidance, 7.8.1). */
export const STORAGE_KEY_HANDLE = 0x81000001;

/** The storage root key: template L-2's cipher and curve. */
export const STORAGE_KEY: PublicArea = {
  kind: 'ecc',
  attributes: BORN_HERE | OBJECT.userWithAuth | OBJECT.noDA | OBJECT.restricted | OBJECT.decrypt,
  authPolicy: NO_POLICY,
  symmetric: 'aes128cfb',
  scheme: 'none',
  point: NO_POINT,
};

/** Signs whatever it is given: identities and tunnel keys. */
export const SIGNING_KEY: PublicArea = {
  kind: 'ecc',
  attributes: BORN_HERE | OBJECT.userWithAuth | OBJECT.noDA | OBJECT.sign,
  authPolicy: NO_POLICY,
  symmetric: 'none',
  scheme: 'ecdsaSha256',
  point: NO_POINT,
};

/** Signs only what the TPM itself says: quotes. */
export const ATTESTATION_KEY: PublicArea = {
  ...SIGNING_KEY,
  attributes: SIGNING_KEY.attributes | OBJECT.restricted,
};

/** Opens by policy alone: userWithAuth is clear, so its authorization value opens nothing. */
export const sealedTemplate = (authPolicy: Uint8Array): PublicArea => ({
  kind: 'sealed',
  attributes: OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.noDA,
  authPolicy,
  unique: new Uint8Array(0),
});

/** PolicySecret of the endorsement hierarchy (TCG EK Credential Profile, B.3.3, policy A). */
export const ENDORSEMENT_POLICY = fromHex(
  '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa',
  32,
)!;

/** The endorsement key: template L-2, ECC P-256 (TCG EK Credential Profile, B.3.4). */
export const ENDORSEMENT_KEY: PublicArea = {
  kind: 'ecc',
  attributes: BORN_HERE | OBJECT.adminWithPolicy | OBJECT.restricted | OBJECT.decrypt,
  authPolicy: ENDORSEMENT_POLICY,
  symmetric: 'aes128cfb',
  scheme: 'none',
  point: { x: new Uint8Array(32), y: new Uint8Array(32) },
};

/** In the range of owners (TCG Registry of Reserved TPM 2.0 Handles, 2.2). */
export const COUNTER_INDEX = 0x0180beac;
export const COUNTER_BYTES = 8;

/** Counts up by one, whoever asks; only the owner can remove it, and a new one starts above it. */
export const COUNTER_ATTRIBUTES = NV.authRead | NV.authWrite | NV.counterType | NV.noDA;

/** TPM2B_NV_PUBLIC. Part 2, 13.6. */
export const encodeNvPublic = (index: number, attributes: number, byteLength: number): Uint8Array =>
  sized(concat(u32(index), u16(ALG.SHA256), u32(attributes), sized(NO_POLICY), u16(byteLength)));
