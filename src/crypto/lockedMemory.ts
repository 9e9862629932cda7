// Secrets that live long: in guarded memory that is locked where the system allows it, zeroed when
// they are destroyed or collected. SPEC.md 10.16.
import sodium from 'sodium-native';
import { Secret } from '../base/secret.js';

/** A secret of `byteLength` bytes in such memory, for the caller to fill at once. */
export function lockedSecret(byteLength: number): Secret {
  const { buffer, byteOffset } = sodium.sodium_malloc(byteLength);
  // Without Buffer's methods: its `slice` doesn't copy, and who copies a key means it.
  return new Secret(new Uint8Array(buffer, byteOffset, byteLength));
}

/** Moves the bytes there and zeroes where they were. */
export function moveToLocked(bytes: Uint8Array): Secret {
  const secret = copyToLocked(bytes);
  bytes.fill(0);
  return secret;
}

/** Copies the bytes there; the source stays with its owner. */
export function copyToLocked(bytes: Uint8Array): Secret {
  const secret = lockedSecret(bytes.length);
  secret.expose().set(bytes);
  return secret;
}
