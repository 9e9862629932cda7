// Signing keys in a PKCS#11 token: ECDSA P-256, made there and never out of it. SPEC.md 10.12.
import { sha256 } from '../../crypto/hash.js';
import { compressP256, toLowS } from '../../crypto/signature.js';
import type { Entropy } from '../../ports/entropy.js';
import type { HeldKey, KeyBlobs, KeyName, Pkcs11KeyManager } from '../../ports/keyManager.js';
import { keyExists, newestKeyName, noKey } from '../keyStore/softwareKeyManager.js';
import { OBJECT_ID_BYTES, TokenError, type TokenSession } from './token.js';

const IDENTITY: KeyName = { kind: 'identity' };
/** DER of the object identifier of P-256, 1.2.840.10045.3.1.7. */
const P256_PARAMETERS = Buffer.from('06082a8648ce3d030107', 'hex');

/** Takes the session over. The records of the store hold the objects' ids. */
export function pkcs11KeyManager(
  session: TokenSession,
  blobs: KeyBlobs,
  entropy: Entropy,
): Pkcs11KeyManager {
  const keys = new TokenKeys(session, blobs, entropy);
  const newest = (tunnelId: string): KeyName => {
    const name = newestKeyName(blobs, tunnelId);
    if (name === null) throw noKey(tunnelId);
    return name;
  };
  return {
    kind: 'pkcs11',
    algorithm: 'p256',
    rollbackCounter: null,
    createIdentity: () => keys.create(IDENTITY),
    loadIdentity: () => keys.load(IDENTITY),
    createTunnelKey: (tunnelId) =>
      keys.create(newestKeyName(blobs, tunnelId) ?? { kind: 'tunnel', tunnelId, generation: 1 }),
    loadTunnelKey: async (tunnelId) => {
      const name = newestKeyName(blobs, tunnelId);
      return name === null ? null : keys.load(name);
    },
    rotateTunnelKey: async (tunnelId) => {
      const name = newestKeyName(blobs, tunnelId);
      if (name === null) throw noKey(tunnelId);
      return keys.create({ ...name, generation: name.generation + 1 });
    },
    signWithIdentity: (message) => keys.sign(IDENTITY, message),
    signWithTunnelKey: async (tunnelId, message) => keys.sign(newest(tunnelId), message),
    list: async () => {
      const held = await Promise.all(blobs.list().map((name) => keys.load(name)));
      return held.filter((key) => key !== null);
    },
    destroy: (name) => keys.destroy(name),
    close: () => {
      session.close();
      return Promise.resolve();
    },
  };
}

type Template = Parameters<TokenSession['find']>[0];

class TokenKeys {
  readonly #session: TokenSession;
  readonly #blobs: KeyBlobs;
  readonly #entropy: Entropy;
  /** A session does one operation at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(session: TokenSession, blobs: KeyBlobs, entropy: Entropy) {
    this.#session = session;
    this.#blobs = blobs;
    this.#entropy = entropy;
  }

  /** The record is written once the token has the key; if that fails, the key goes again. */
  async create(name: KeyName): Promise<HeldKey> {
    if (this.#idOf(name) !== null) throw keyExists(name);
    const id = this.#entropy(OBJECT_ID_BYTES);
    const { publicTemplate, privateTemplate } = this.#templates(id);
    this.#session.generateKeyPair(publicTemplate, privateTemplate);
    try {
      await this.#blobs.write(name, id);
    } catch (error) {
      this.#session.destroyAll([{ type: this.#session.library.CKA_ID, value: Buffer.from(id) }]);
      throw error;
    }
    return { name, algorithm: 'p256', publicKey: this.#publicKey(name, id) };
  }

  load(name: KeyName): Promise<HeldKey | null> {
    return new Promise((resolve) => {
      const id = this.#idOf(name);
      resolve(
        id === null ? null : { name, algorithm: 'p256', publicKey: this.#publicKey(name, id) },
      );
    });
  }

  async sign(name: KeyName, message: Uint8Array): Promise<Uint8Array> {
    const id = this.#idOf(name);
    if (id === null) throw noKey('the store');
    const { library } = this.#session;
    const key = this.#session.find(this.#query(library.CKO_PRIVATE_KEY, id));
    if (key === null) throw notInToken(name);
    const earlier = this.#turn;
    const work = (async () => {
      await earlier.catch(() => undefined);
      return this.#session.sign(key, sha256.hash(message));
    })();
    this.#turn = work;
    return toLowS(await work);
  }

  async destroy(name: KeyName): Promise<boolean> {
    const id = this.#idOf(name);
    if (id === null) return false;
    this.#session.destroyAll([{ type: this.#session.library.CKA_ID, value: Buffer.from(id) }]);
    return this.#blobs.remove(name);
  }

  #idOf(name: KeyName): Uint8Array | null {
    const blob = this.#blobs.read(name);
    if (blob === null) return null;
    const id = blob.expose().slice();
    blob.destroy();
    return id;
  }

  #publicKey(name: KeyName, id: Uint8Array): Uint8Array {
    const { library } = this.#session;
    const object = this.#session.find(this.#query(library.CKO_PUBLIC_KEY, id));
    if (object === null) throw notInToken(name);
    const point = this.#session.attribute(object, library.CKA_EC_POINT);
    // An octet string in DER around the uncompressed point; some tokens leave it out.
    const key = compressP256(point.length === 67 ? point.subarray(2) : point);
    if (key === null) throw notInToken(name);
    return key;
  }

  #query(objectClass: number, id: Uint8Array): Template {
    const { library } = this.#session;
    return [
      { type: library.CKA_CLASS, value: objectClass },
      { type: library.CKA_ID, value: Buffer.from(id) },
    ];
  }

  #templates(id: Uint8Array): { publicTemplate: Template; privateTemplate: Template } {
    const { library } = this.#session;
    const both: Template = [
      { type: library.CKA_KEY_TYPE, value: library.CKK_EC },
      { type: library.CKA_TOKEN, value: true },
      { type: library.CKA_LABEL, value: 'Beam signing key' },
    ];
    return {
      publicTemplate: [
        ...this.#query(library.CKO_PUBLIC_KEY, id),
        ...both,
        { type: library.CKA_VERIFY, value: true },
        { type: library.CKA_EC_PARAMS, value: P256_PARAMETERS },
      ],
      privateTemplate: [
        ...this.#query(library.CKO_PRIVATE_KEY, id),
        ...both,
        { type: library.CKA_PRIVATE, value: true },
        { type: library.CKA_SENSITIVE, value: true },
        { type: library.CKA_EXTRACTABLE, value: false },
        { type: library.CKA_SIGN, value: true },
      ],
    };
  }
}

const notInToken = (name: KeyName): TokenError =>
  new TokenError('otherDevice', {
    code: 'E_KEY_HOLDER',
    place: name.kind === 'identity' ? 'the identity' : `${name.tunnelId}/${name.generation}`,
    expected: 'its P-256 key in the token',
    found: 'a token without it',
    remedy: 'use the token that made the key',
  });
