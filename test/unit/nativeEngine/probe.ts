// Drives the native packet functions (native/engine/probe) from TypeScript.
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { EngineAddon } from '../../../src/platform/nativeEngineAddon.js';
import { loadEngineAddon } from '../../../src/platform/nativeEngineAddon.js';
import { skip } from '../../support/skip.js';

export const OPERATION = { replay: 0, allowedIps: 1, segment: 2, coalesce: 3, aead: 4, hash: 5 };

/** A test that needs the addon; skipped with the reason where there is none. */
export function addonTest(
  claim: string,
  run: (t: ExecutionContext, addon: EngineAddon) => void,
): void {
  test(claim, (t) => {
    const load = loadEngineAddon();
    if (load.addon === null) skip(t, load.reason);
    else run(t, load.addon);
  });
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function u64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** Each with its length in front. */
export const frame = (packets: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(packets.flatMap((packet) => [u32(packet.length), packet]));

export function unframe(bytes: Buffer): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    packets.push(new Uint8Array(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return packets;
}

export interface AeadCase {
  readonly suite: 'chacha20-poly1305' | 'aes-256-gcm';
  readonly key: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
}

export const BACKENDS = { 'openssl-evp': 1, 'ipsec-mb': 2 } as const;

/** Whether this machine can run it. */
export const hasBackend = (addon: EngineAddon, backend: keyof typeof BACKENDS): boolean =>
  seal(addon, backend, blankCase, new Uint8Array(1)) !== null;

const blankCase: AeadCase = {
  suite: 'aes-256-gcm',
  key: new Uint8Array(32),
  nonce: new Uint8Array(12),
  associated: new Uint8Array(0),
};

const aead = (
  addon: EngineAddon,
  backend: keyof typeof BACKENDS,
  direction: 0 | 1,
  { suite, key, nonce, associated }: AeadCase,
  text: Uint8Array,
): Buffer | null =>
  addon.probe(
    OPERATION.aead,
    Buffer.concat([
      Uint8Array.of(BACKENDS[backend], suite === 'aes-256-gcm' ? 1 : 0, direction),
      key,
      nonce,
      u32(associated.length),
      associated,
      text,
    ]),
  );

/** Ciphertext and tag; null if there is no such backend here. */
export const seal = (
  addon: EngineAddon,
  backend: keyof typeof BACKENDS,
  input: AeadCase,
  plaintext: Uint8Array,
): Buffer | null => aead(addon, backend, 0, input, plaintext);

/** null if it isn't authentic. */
export const open = (
  addon: EngineAddon,
  backend: keyof typeof BACKENDS,
  input: AeadCase,
  sealed: Uint8Array,
): Buffer | null => aead(addon, backend, 1, input, sealed);
