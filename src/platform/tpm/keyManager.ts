// Signing keys that this TPM made and that never leave it. What is kept of each is a blob which only
// this TPM loads. SPEC.md 10.20.
import { OperatorError } from '../../base/errors.js';
import { concat, toHex } from '../../base/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { compressedP256 } from '../../crypto/p256.js';
import type {
  HeldKey,
  KeyBlobs,
  KeyName,
  RollbackCounter,
  TpmKeyManager,
  TunnelId,
} from '../../ports/keyManager.js';
import { sized, TpmReader } from '../../tpm/encoding.js';
import { decodePublic, nameOf } from '../../tpm/publicArea.js';
import { COUNTER_INDEX, SIGNING_KEY } from '../../tpm/templates.js';
import { create, signDigest, type Blob, type Parent } from './commands.js';
import type { TpmConnection } from './connection.js';
import { incrementCounter, readCounter } from './counter.js';
import { withSlots } from './slots.js';

export interface TpmKeyManagerOptions {
  readonly tpm: TpmConnection;
  /** The storage key as it was pinned at enrolment (SealedSlot). */
  readonly parent: Parent;
  readonly blobs: KeyBlobs;
  readonly counterIndex?: number;
}

export function tpmKeyManager(options: TpmKeyManagerOptions): TpmKeyManager {
  return new Manager(options);
}

const IDENTITY: KeyName = { kind: 'identity' };

class Manager implements TpmKeyManager {
  readonly kind = 'tpm';
  readonly algorithm = 'p256';
  readonly rollbackCounter: RollbackCounter;
  readonly #tpm: TpmConnection;
  readonly #parent: Parent;
  readonly #blobs: KeyBlobs;

  constructor(options: TpmKeyManagerOptions) {
    this.#tpm = options.tpm;
    this.#parent = options.parent;
    this.#blobs = options.blobs;
    this.rollbackCounter = tpmRollbackCounter(options.tpm, options.parent, options.counterIndex);
  }

  createIdentity(): Promise<HeldKey> {
    return this.#create(IDENTITY);
  }

  loadIdentity(): Promise<HeldKey | null> {
    return settled(() => this.#held(IDENTITY));
  }

  createTunnelKey(tunnelId: TunnelId): Promise<HeldKey> {
    if (this.#newest(tunnelId) !== null) return Promise.reject(keyExists(tunnelKey(tunnelId, 1)));
    return this.#create(tunnelKey(tunnelId, 1));
  }

  loadTunnelKey(tunnelId: TunnelId): Promise<HeldKey | null> {
    return settled(() => {
      const newest = this.#newest(tunnelId);
      return newest === null ? null : this.#held(newest);
    });
  }

  async rotateTunnelKey(tunnelId: TunnelId): Promise<HeldKey> {
    const newest = this.#newest(tunnelId);
    if (newest === null) throw noKey(tunnelKey(tunnelId, 1));
    return this.#create(tunnelKey(tunnelId, newest.generation + 1));
  }

  signWithIdentity(message: Uint8Array): Promise<Uint8Array> {
    return this.#sign(IDENTITY, message);
  }

  async signWithTunnelKey(tunnelId: TunnelId, message: Uint8Array): Promise<Uint8Array> {
    return this.#sign(this.#newest(tunnelId) ?? tunnelKey(tunnelId, 1), message);
  }

  list(): Promise<readonly HeldKey[]> {
    const names = [...this.#blobs.list()].sort(inOrder);
    return settled(() => names.flatMap((name) => this.#held(name) ?? []));
  }

  destroy(name: KeyName): Promise<boolean> {
    // The TPM keeps nothing of it: without the blob there is no key.
    return this.#blobs.remove(name);
  }

  close(): Promise<void> {
    return this.#tpm.close();
  }

  async #create(name: KeyName): Promise<HeldKey> {
    if (this.#blob(name) !== null) throw keyExists(name);
    const blob = await create(this.#tpm, this.#parent, { template: SIGNING_KEY, secret: null });
    await this.#blobs.write(name, encodeBlob(blob));
    return heldKey(name, blob);
  }

  #held(name: KeyName): HeldKey | null {
    const blob = this.#blob(name);
    return blob === null ? null : heldKey(name, blob);
  }

  async #sign(name: KeyName, message: Uint8Array): Promise<Uint8Array> {
    const key = this.#blob(name);
    if (key === null) throw noKey(name);
    const own = new Set([toHex(nameOf(key.publicBytes))]);
    const wanted = { key, digest: sha256.hash(message) };
    return withSlots(this.#tpm, own, () => signDigest(this.#tpm, this.#parent, wanted));
  }

  #blob(name: KeyName): Blob | null {
    const kept = this.#blobs.read(name);
    if (kept === null) return null;
    try {
      const blob = decodeBlob(kept.expose());
      if (blob === null) throw damaged(name);
      return blob;
    } finally {
      kept.destroy();
    }
  }

  #newest(tunnelId: TunnelId): Extract<KeyName, { kind: 'tunnel' }> | null {
    const names = this.#blobs
      .list()
      .filter((name) => name.kind === 'tunnel' && name.tunnelId === tunnelId);
    const newest = names.sort(inOrder).at(-1);
    return newest?.kind === 'tunnel' ? newest : null;
  }
}

/** The counter that sealing made (10.23); rejects with TpmError of kind `missing` if it isn't there. */
export function tpmRollbackCounter(
  tpm: TpmConnection,
  parent: Parent,
  index = COUNTER_INDEX,
): RollbackCounter {
  const place = { tpm, parent, index };
  return { read: () => readCounter(place), increment: () => incrementCounter(place) };
}

/** As a promise, failures included. */
const settled = <Result>(work: () => Result): Promise<Result> => Promise.resolve().then(work);

const tunnelKey = (
  tunnelId: TunnelId,
  generation: number,
): Extract<KeyName, { kind: 'tunnel' }> => ({ kind: 'tunnel', tunnelId, generation });

/** Identity first, then tunnels by name and generation. */
function inOrder(a: KeyName, b: KeyName): number {
  if (a.kind === 'identity') return b.kind === 'identity' ? 0 : -1;
  if (b.kind === 'identity') return 1;
  if (a.tunnelId !== b.tunnelId) return a.tunnelId < b.tunnelId ? -1 : 1;
  return a.generation - b.generation;
}

export const encodeBlob = ({ privateBytes, publicBytes }: Blob): Uint8Array =>
  concat(sized(privateBytes), sized(publicBytes));

/** Null for anything but what encodeBlob wrote. */
export function decodeBlob(bytes: Uint8Array): Blob | null {
  const reader = new TpmReader(bytes);
  const blob = { privateBytes: reader.sized(), publicBytes: reader.sized() };
  return reader.finished && pointOf(blob) !== null ? blob : null;
}

function pointOf({ publicBytes }: Blob): { x: Uint8Array; y: Uint8Array } | null {
  const area = decodePublic(publicBytes);
  return area?.kind === 'ecc' && area.point.x.length > 0 ? area.point : null;
}

function heldKey(name: KeyName, blob: Blob): HeldKey {
  const point = pointOf(blob);
  if (point === null) throw damaged(name);
  return { name, algorithm: 'p256', publicKey: compressedP256(point.x, point.y) };
}

const placeOf = (name: KeyName): string =>
  name.kind === 'identity' ? 'identity' : `key ${name.generation} of tunnel ${name.tunnelId}`;

const keyExists = (name: KeyName): OperatorError =>
  new OperatorError({
    code: 'E_KEY_EXISTS',
    place: placeOf(name),
    expected: 'no key yet',
    found: 'one that the TPM made',
    remedy: 'use it, rotate it (`beam key rotate`), or destroy it first (`beam key destroy`)',
  });

const noKey = (name: KeyName): OperatorError =>
  new OperatorError({
    code: 'E_NO_KEY',
    place: placeOf(name),
    expected: 'a key',
    found: 'none',
    remedy: 'make one (`beam key init`)',
  });

const damaged = (name: KeyName): OperatorError =>
  new OperatorError({
    code: 'E_TPM_BLOB',
    place: placeOf(name),
    expected: 'a key blob of this TPM',
    found: 'other bytes',
    remedy: 'the store was written by another program; restore it from a backup',
  });
