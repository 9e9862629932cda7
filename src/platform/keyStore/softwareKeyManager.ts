// Signing keys without hardware: Ed25519 seeds as records of the store. SPEC.md 10.2.
import { OperatorError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { ed25519PublicKey, signEd25519 } from '../../crypto/signature.js';
import type { Entropy } from '../../ports/entropy.js';
import type {
  HeldKey,
  KeyBlobs,
  KeyName,
  SoftwareKeyManager,
  TunnelId,
} from '../../ports/keyManager.js';

const SEED_BYTES = 32;
const IDENTITY: KeyName = { kind: 'identity' };

export function softwareKeyManager(blobs: KeyBlobs, entropy: Entropy): SoftwareKeyManager {
  const create = async (name: KeyName): Promise<HeldKey> => {
    const seed = new Secret(entropy(SEED_BYTES));
    try {
      return await put(blobs, name, seed);
    } finally {
      seed.destroy();
    }
  };
  return {
    kind: 'software',
    algorithm: 'ed25519',
    rollbackCounter: null,
    createIdentity: () => create(IDENTITY),
    loadIdentity: () => Promise.resolve(heldKey(blobs, IDENTITY)),
    createTunnelKey(tunnelId) {
      const newest = newestKeyName(blobs, tunnelId);
      if (newest !== null) return Promise.reject(keyExists(newest));
      return create({ kind: 'tunnel', tunnelId, generation: 1 });
    },
    loadTunnelKey(tunnelId) {
      const name = newestKeyName(blobs, tunnelId);
      return Promise.resolve(name === null ? null : heldKey(blobs, name));
    },
    rotateTunnelKey(tunnelId) {
      const newest = newestKeyName(blobs, tunnelId);
      if (newest === null) return Promise.reject(noKey(tunnelId));
      return create({ ...newest, generation: newest.generation + 1 });
    },
    signWithIdentity: (message) => sign(blobs, IDENTITY, message),
    signWithTunnelKey: (tunnelId, message) => sign(blobs, newestKeyName(blobs, tunnelId), message),
    list: () =>
      Promise.resolve(
        blobs
          .list()
          .map((name) => heldKey(blobs, name))
          .filter((key) => key !== null),
      ),
    destroy: (name) => blobs.remove(name),
    close: () => Promise.resolve(),
    exportKey: (name) => Promise.resolve(blobs.read(name)),
    importKey: (name, seed) => put(blobs, name, seed),
  };
}

/** The newest generation of a tunnel's signing key. */
export function newestKeyName(
  blobs: KeyBlobs,
  tunnelId: TunnelId,
): Extract<KeyName, { kind: 'tunnel' }> | null {
  const generations = blobs
    .list()
    .filter((name) => name.kind === 'tunnel')
    .filter((name) => name.tunnelId === tunnelId);
  return generations.reduce<(typeof generations)[number] | null>(
    (newest, name) => (newest === null || name.generation > newest.generation ? name : newest),
    null,
  );
}

async function put(blobs: KeyBlobs, name: KeyName, seed: Secret): Promise<HeldKey> {
  const existing = blobs.read(name);
  if (existing !== null) {
    existing.destroy();
    throw keyExists(name);
  }
  const publicKey = ed25519PublicKey(seed.expose());
  await blobs.write(name, seed.expose());
  return { name, algorithm: 'ed25519', publicKey };
}

function heldKey(blobs: KeyBlobs, name: KeyName): HeldKey | null {
  return withSeed(blobs, name, (seed) => ({
    name,
    algorithm: 'ed25519',
    publicKey: ed25519PublicKey(seed.expose()),
  }));
}

function sign(blobs: KeyBlobs, name: KeyName | null, message: Uint8Array): Promise<Uint8Array> {
  const signature =
    name === null ? null : withSeed(blobs, name, (seed) => signEd25519(seed.expose(), message));
  return signature === null ? Promise.reject(noKey('the store')) : Promise.resolve(signature);
}

function withSeed<Result>(
  blobs: KeyBlobs,
  name: KeyName,
  use: (seed: Secret) => Result,
): Result | null {
  const seed = blobs.read(name);
  if (seed === null) return null;
  try {
    if (seed.byteLength !== SEED_BYTES) throw otherHolder(name);
    return use(seed);
  } finally {
    seed.destroy();
  }
}

const keyText = (name: KeyName): string =>
  name.kind === 'identity' ? 'the identity' : `${name.tunnelId}, generation ${name.generation}`;

export const keyExists = (name: KeyName): OperatorError =>
  new OperatorError({
    code: 'E_KEY_EXISTS',
    place: keyText(name),
    expected: 'no key of this name yet',
    found: 'one',
    remedy: 'rotate it, or destroy it first: `beam key rotate`, `beam key destroy`',
  });

export const noKey = (place: string): OperatorError =>
  new OperatorError({
    code: 'E_NO_KEY',
    place,
    expected: 'a signing key of this name',
    found: 'none',
    remedy: 'see `beam key list`; an identity is made by `beam key init`',
  });

const otherHolder = (name: KeyName): OperatorError =>
  new OperatorError({
    code: 'E_KEY_HOLDER',
    place: keyText(name),
    expected: 'an Ed25519 seed of 32 bytes',
    found: 'the record of another holder, a TPM or a token',
    remedy: 'use the holder that made the key',
  });
