// The store key wrapped by an AES key of a PKCS#11 token. SPEC.md 10.12.
import { concat } from '../../base/bytes.js';
import { ByteReader } from '../../base/byteReader.js';
import { moveToLocked } from '../../crypto/lockedMemory.js';
import { STORE_KEY_BYTES } from '../../keyStore/keySlots.js';
import type { Entropy } from '../../ports/entropy.js';
import type { StoreKeyHolder, UnsealOutcome } from '../../ports/keyManager.js';
import { OBJECT_ID_BYTES, TokenError, TokenSession, type TokenOptions } from './token.js';

const VERSION = 1;
const IV_BYTES = 12;
const SEALED_BYTES = STORE_KEY_BYTES + 16;
const CONTEXT = new TextEncoder().encode('Beam slot 1 pkcs11\0');

/** Opens a session for each call: a token may go and come back. */
export function pkcs11StoreKeyHolder(options: TokenOptions, entropy: Entropy): StoreKeyHolder {
  return {
    kind: 'pkcs11',
    seal: (storeKey) =>
      withSession(options, (session) => {
        const [id, iv] = [entropy(OBJECT_ID_BYTES), entropy(IV_BYTES)];
        const key = session.generateKey(wrappingKeyTemplate(session, id));
        const head = concat(Uint8Array.of(VERSION), id, iv);
        const sealed = session.seal(key, storeKey.expose(), {
          iv,
          associated: concat(CONTEXT, head),
        });
        return concat(head, sealed);
      }),
    unseal: (body) => withSession(options, (session) => unseal(session, body)).catch(asRefusal),
    destroySeal: (body) =>
      withSession(options, (session) => {
        const slot = decode(body);
        if (slot !== null) session.destroyAll(wrappingKeyQuery(session, slot.id));
      }),
  };
}

function unseal(session: TokenSession, body: Uint8Array): UnsealOutcome {
  const slot = decode(body);
  if (slot === null) return refused('damaged', 'a slot that a token wrote', 'other bytes');
  const key = session.find(wrappingKeyQuery(session, slot.id));
  if (key === null) {
    return refused('otherDevice', 'the token with the wrapping key', 'a token without it');
  }
  const opened = session.open(key, slot.sealed, {
    iv: slot.iv,
    associated: concat(CONTEXT, slot.head),
  });
  if (opened?.length !== STORE_KEY_BYTES) {
    return refused('damaged', 'a store key that the token wrapped', 'other bytes');
  }
  return { kind: 'unsealed', storeKey: moveToLocked(opened) };
}

interface Slot {
  readonly id: Uint8Array;
  readonly iv: Uint8Array;
  readonly head: Uint8Array;
  readonly sealed: Uint8Array;
}

function decode(body: Uint8Array): Slot | null {
  const reader = new ByteReader(body);
  const version = reader.number(1);
  const [id, iv] = [reader.take(OBJECT_ID_BYTES), reader.take(IV_BYTES)];
  const head = body.slice(0, reader.offset);
  const sealed = reader.take(SEALED_BYTES);
  if (version !== VERSION || id === null || iv === null || sealed === null) return null;
  return reader.atEnd ? { id, iv, head, sealed } : null;
}

type Template = Parameters<TokenSession['find']>[0];

const wrappingKeyQuery = ({ library }: TokenSession, id: Uint8Array): Template => [
  { type: library.CKA_CLASS, value: library.CKO_SECRET_KEY },
  { type: library.CKA_ID, value: Buffer.from(id) },
];

/** Stays in the token, and never comes out of it. */
const wrappingKeyTemplate = (session: TokenSession, id: Uint8Array): Template => {
  const { library } = session;
  return [
    ...wrappingKeyQuery(session, id),
    { type: library.CKA_KEY_TYPE, value: library.CKK_AES },
    { type: library.CKA_VALUE_LEN, value: 32 },
    { type: library.CKA_LABEL, value: 'Beam store key' },
    { type: library.CKA_TOKEN, value: true },
    { type: library.CKA_PRIVATE, value: true },
    { type: library.CKA_SENSITIVE, value: true },
    { type: library.CKA_EXTRACTABLE, value: false },
    { type: library.CKA_ENCRYPT, value: true },
    { type: library.CKA_DECRYPT, value: true },
  ];
};

function asRefusal(error: unknown): UnsealOutcome {
  if (!(error instanceof TokenError)) throw error;
  return { kind: 'refused', reason: error.reason, details: error.details };
}

const refused = (
  reason: Extract<UnsealOutcome, { kind: 'refused' }>['reason'],
  expected: string,
  found: string,
): UnsealOutcome => ({
  kind: 'refused',
  reason,
  details: {
    code: 'E_STORE_LOCKED',
    place: 'the PKCS#11 token',
    expected,
    found,
    remedy: 'use that token, or the recovery key: `beam key recover`',
  },
});

/** Work that throws before its first promise rejects too. */
function withSession<Result>(
  options: TokenOptions,
  use: (session: TokenSession) => Result,
): Promise<Result> {
  return new Promise((resolve) => {
    const session = TokenSession.open(options);
    try {
      resolve(use(session));
    } finally {
      session.close();
    }
  });
}
