// Credential and signature in a payload of fixed size (SPEC.md 11.5).
import { IDENTITY_PAYLOAD_BYTES } from './beamLayout.js';

const SIZE_BYTES = 2;

/** What one side shows of its identity, as bytes that chapter 10 gives a meaning. */
export interface IdentityPayload {
  readonly credential: Uint8Array;
  readonly signature: Uint8Array;
}

/** Of credential and signature together. */
export const MAX_IDENTITY_BYTES = IDENTITY_PAYLOAD_BYTES - 2 * SIZE_BYTES;

/** 768 bytes; null if the two don't fit, or one is empty. */
export function encodeIdentityPayload({
  credential,
  signature,
}: IdentityPayload): Uint8Array | null {
  if (credential.length + signature.length > MAX_IDENTITY_BYTES) return null;
  if (credential.length === 0 || signature.length === 0) return null;
  const payload = new Uint8Array(IDENTITY_PAYLOAD_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint16(0, credential.length, true);
  payload.set(credential, SIZE_BYTES);
  const signatureAt = SIZE_BYTES + credential.length;
  view.setUint16(signatureAt, signature.length, true);
  payload.set(signature, signatureAt + SIZE_BYTES);
  return payload;
}

/** Views of the payload; null for a wrong size, an empty or overlong field, or bytes behind them. */
export function decodeIdentityPayload(payload: Uint8Array): IdentityPayload | null {
  if (payload.length !== IDENTITY_PAYLOAD_BYTES) return null;
  const credential = sizedField(payload, 0);
  const signature = credential && sizedField(payload, SIZE_BYTES + credential.length);
  if (credential === null || signature === null) return null;
  const end = 2 * SIZE_BYTES + credential.length + signature.length;
  return payload.subarray(end).every((byte) => byte === 0) ? { credential, signature } : null;
}

function sizedField(payload: Uint8Array, at: number): Uint8Array | null {
  if (at + SIZE_BYTES > payload.length) return null;
  const size = payload[at]! | (payload[at + 1]! << 8);
  const start = at + SIZE_BYTES;
  return size === 0 || start + size > payload.length ? null : payload.subarray(start, start + size);
}
