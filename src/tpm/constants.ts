// Numbers of the TPM 2.0 Library, each block with its part and section.

/** TPM_ALG_ID. Part 2, 6.3; the TCG Algorithm Registry. */
export const ALG = {
  RSA: 0x0001,
  SHA1: 0x0004,
  AES: 0x0006,
  KEYEDHASH: 0x0008,
  SHA256: 0x000b,
  SHA384: 0x000c,
  SHA512: 0x000d,
  NULL: 0x0010,
  ECDSA: 0x0018,
  ECC: 0x0023,
  CFB: 0x0043,
} as const;

/** TPM_ECC_CURVE. Part 2, 6.4. */
export const CURVE_P256 = 0x0003;

/** TPMA_OBJECT. Part 2, 8.3. */
export const OBJECT = {
  fixedTPM: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDA: 1 << 10,
  encryptedDuplication: 1 << 11,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

/** TPMA_NV, with TPM_NT in bits 4 to 7. Part 2, 13.4. */
export const NV = {
  authWrite: 1 << 2,
  counterType: 1 << 4,
  typeMask: 0xf0,
  authRead: 1 << 18,
  noDA: 1 << 25,
  orderly: 1 << 26,
  written: 1 << 29,
} as const;

/** TPM_CC. Part 2, 6.5.2. Part of policy digests. */
export const COMMAND = { policyAuthorize: 0x16a, policyPCR: 0x17f, policySecret: 0x151 } as const;

/** TPM_RH. Part 2, 7.4. */
export const HIERARCHY = { owner: 0x40000001, endorsement: 0x4000000b } as const;

/** TPM_HT, the highest byte of a handle. Part 2, 7.2. */
export const HANDLE_RANGE = {
  nvIndex: 0x01000000,
  transient: 0x80000000,
  persistent: 0x81000000,
} as const;

/** TPM_CAP. Part 2, 6.12. */
export const CAPABILITY = { handles: 1, pcrs: 5, properties: 6 } as const;

/** TPM_PT. Part 2, 6.13. */
export const PROPERTY = {
  familyIndicator: 0x100,
  revision: 0x102,
  manufacturer: 0x105,
  vendorString1: 0x106,
  firmwareVersion1: 0x10b,
  firmwareVersion2: 0x10c,
  permanent: 0x200,
  startupClear: 0x201,
  transientAvailable: 0x207,
  lockoutCounter: 0x20e,
  maxAuthFail: 0x20f,
  lockoutInterval: 0x210,
  lockoutRecovery: 0x211,
} as const;

/** TPMA_PERMANENT. Part 2, 8.6. */
export const PERMANENT = {
  ownerAuthSet: 1 << 0,
  endorsementAuthSet: 1 << 1,
  lockoutAuthSet: 1 << 2,
  disableClear: 1 << 8,
  inLockout: 1 << 9,
} as const;

/** TPM_GENERATED_VALUE and TPM_ST_ATTEST_QUOTE. Part 2, 6.2 and 6.9. */
export const GENERATED_VALUE = 0xff544347;
export const ATTEST_QUOTE = 0x8018;
