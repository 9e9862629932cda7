// A session with a PKCS#11 token (OASIS PKCS#11 2.40), through pkcs11js, which is built beside the
// addons and may be missing. SPEC.md 10.12.
import { createRequire } from 'node:module';
import type * as Pkcs11Js from 'pkcs11js';
import { OperatorError, type OperatorErrorDetails } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { UnsealRefusal } from '../../ports/keyManager.js';

export interface TokenOptions {
  /** The token's library, an absolute path. */
  readonly modulePath: string;
  readonly tokenLabel: string;
  /** Borrowed for the length of the call. */
  readonly pin: Secret;
}

export const OBJECT_ID_BYTES = 16;

type Library = typeof Pkcs11Js;
type Template = Pkcs11Js.Template;
type Handle = Pkcs11Js.Handle;

/** One user session. The owner calls `close`. */
export class TokenSession {
  readonly library: Library;
  readonly #pkcs11: Pkcs11Js.PKCS11;
  readonly #session: Handle;

  private constructor(library: Library, pkcs11: Pkcs11Js.PKCS11, session: Handle) {
    this.library = library;
    this.#pkcs11 = pkcs11;
    this.#session = session;
  }

  /** Throws TokenError. */
  static open(options: TokenOptions): TokenSession {
    const { modulePath, tokenLabel, pin } = options;
    const library = loadLibrary(modulePath);
    const pkcs11 = new library.PKCS11();
    return told(modulePath, () => {
      pkcs11.load(modulePath);
      initialize(library, pkcs11);
      const slot = pkcs11
        .C_GetSlotList(true)
        .find((one) => pkcs11.C_GetTokenInfo(one).label.trim() === tokenLabel);
      if (slot === undefined) throw noToken(modulePath, tokenLabel);
      const session = pkcs11.C_OpenSession(
        slot,
        library.CKF_SERIAL_SESSION | library.CKF_RW_SESSION,
      );
      try {
        login(library, pkcs11, { session, pin });
        return new TokenSession(library, pkcs11, session);
      } catch (error) {
        pkcs11.C_CloseSession(session);
        throw error;
      }
    });
  }

  /** Null if the token has no such object. */
  find(template: Template): Handle | null {
    return told('the token', () => {
      this.#pkcs11.C_FindObjectsInit(this.#session, template);
      try {
        return this.#pkcs11.C_FindObjects(this.#session);
      } finally {
        this.#pkcs11.C_FindObjectsFinal(this.#session);
      }
    });
  }

  /** Destroys all that fit; true if there was one. */
  destroyAll(template: Template): boolean {
    let found = false;
    for (let handle = this.find(template); handle !== null; handle = this.find(template)) {
      const object = handle;
      told('the token', () => this.#pkcs11.C_DestroyObject(this.#session, object));
      found = true;
    }
    return found;
  }

  attribute(handle: Handle, type: number): Uint8Array {
    const [found] = told('the token', () =>
      this.#pkcs11.C_GetAttributeValue(this.#session, handle, [{ type }]),
    );
    return Uint8Array.from(found?.value ?? []);
  }

  generateKey(template: Template): Handle {
    const mechanism = { mechanism: this.library.CKM_AES_KEY_GEN };
    return told('the token', () => this.#pkcs11.C_GenerateKey(this.#session, mechanism, template));
  }

  generateKeyPair(publicTemplate: Template, privateTemplate: Template): Pkcs11Js.KeyPair {
    const mechanism = { mechanism: this.library.CKM_EC_KEY_PAIR_GEN };
    return told('the token', () =>
      this.#pkcs11.C_GenerateKeyPair(this.#session, mechanism, publicTemplate, privateTemplate),
    );
  }

  /** r and s of ECDSA over a digest of 32 bytes. Off the main thread. */
  async sign(key: Handle, digest: Uint8Array): Promise<Uint8Array> {
    return toldLater(async () => {
      this.#pkcs11.C_SignInit(this.#session, { mechanism: this.library.CKM_ECDSA }, key);
      const signature = Buffer.alloc(64);
      return Uint8Array.from(
        await this.#pkcs11.C_SignAsync(this.#session, Buffer.from(digest), signature),
      );
    });
  }

  /** AES-GCM, tag of 16 bytes at the end. */
  seal(key: Handle, plaintext: Uint8Array, gcm: GcmInput): Uint8Array {
    return told('the token', () => {
      this.#pkcs11.C_EncryptInit(this.#session, this.#gcm(gcm), key);
      const target = Buffer.alloc(plaintext.length + 16);
      const input = Buffer.from(plaintext);
      try {
        return Uint8Array.from(this.#pkcs11.C_Encrypt(this.#session, input, target));
      } finally {
        input.fill(0);
      }
    });
  }

  /** Null if it isn't authentic. */
  open(key: Handle, sealed: Uint8Array, gcm: GcmInput): Uint8Array | null {
    const target = Buffer.alloc(sealed.length);
    try {
      this.#pkcs11.C_DecryptInit(this.#session, this.#gcm(gcm), key);
      return Uint8Array.from(this.#pkcs11.C_Decrypt(this.#session, Buffer.from(sealed), target));
    } catch {
      return null;
    } finally {
      target.fill(0);
    }
  }

  #gcm({ iv, associated }: GcmInput): Pkcs11Js.Mechanism {
    const { CKM_AES_GCM, CK_PARAMS_AES_GCM_v240 } = this.library;
    const parameter = {
      type: CK_PARAMS_AES_GCM_v240,
      iv: Buffer.from(iv),
      ivBits: iv.length * 8,
      aad: Buffer.from(associated),
      tagBits: 128,
    };
    return { mechanism: CKM_AES_GCM, parameter };
  }

  close(): void {
    this.#pkcs11.C_CloseSession(this.#session);
    this.#pkcs11.close();
  }
}

interface GcmInput {
  readonly iv: Uint8Array;
  readonly associated: Uint8Array;
}

/** An operator's error that also says why a store stays locked. */
export class TokenError extends OperatorError {
  readonly reason: UnsealRefusal;

  constructor(reason: UnsealRefusal, details: OperatorErrorDetails, cause?: unknown) {
    super(details, { cause });
    this.reason = reason;
  }
}

function loadLibrary(modulePath: string): Library {
  try {
    return createRequire(import.meta.url)('pkcs11js') as Library;
  } catch (cause) {
    const details = {
      code: 'E_PKCS11',
      place: modulePath,
      expected: 'the binding for PKCS#11, built',
      found: 'none',
      remedy: 'run `npm run setup` on a machine with a C++ compiler',
    } as const;
    throw new TokenError('absent', details, cause);
  }
}

/** A library is initialised once for the process, whoever does it first. */
function initialize(library: Library, pkcs11: Pkcs11Js.PKCS11): void {
  try {
    pkcs11.C_Initialize({ flags: library.CKF_OS_LOCKING_OK });
  } catch (error) {
    if (codeOf(error) !== library.CKR_CRYPTOKI_ALREADY_INITIALIZED) throw error;
  }
}

/** The login holds for all sessions of the process with that token. */
function login(
  library: Library,
  pkcs11: Pkcs11Js.PKCS11,
  { session, pin }: { readonly session: Handle; readonly pin: Secret },
): void {
  try {
    pkcs11.C_Login(session, library.CKU_USER, Buffer.from(pin.expose()).toString('utf8'));
  } catch (error) {
    if (codeOf(error) !== library.CKR_USER_ALREADY_LOGGED_IN) throw error;
  }
}

const codeOf = (error: unknown): number | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;

function told<Result>(place: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw error instanceof TokenError ? error : tokenError(place, error);
  }
}

async function toldLater<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw tokenError('the token', error);
  }
}

/** CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_LOCKED: PKCS#11 2.40 base, 6.1. */
const PIN_REFUSALS: ReadonlyMap<number, UnsealRefusal> = new Map([
  [0xa0, 'denied'],
  [0xa1, 'denied'],
  [0xa2, 'denied'],
  [0xa4, 'lockedOut'],
]);

function tokenError(place: string, cause: unknown): TokenError {
  const code = codeOf(cause);
  const refusal = code === null ? undefined : PIN_REFUSALS.get(code);
  const found = cause instanceof Error ? cause.message : String(cause);
  if (refusal !== undefined) {
    const expected = 'the PIN of the token';
    const remedy =
      refusal === 'lockedOut'
        ? 'the token takes no PIN any more: have its security officer unlock it'
        : 'correct the PIN; after a few wrong ones the token locks itself';
    return new TokenError(refusal, { code: 'E_PKCS11_PIN', place, expected, found, remedy }, cause);
  }
  const expected = 'a token that does what it is asked';
  const remedy = 'check the module and the token with `pkcs11-tool --list-slots`';
  return new TokenError('absent', { code: 'E_PKCS11', place, expected, found, remedy }, cause);
}

const noToken = (place: string, label: string): TokenError =>
  new TokenError('absent', {
    code: 'E_PKCS11',
    place,
    expected: `a token labelled ${label}`,
    found: 'none of that label',
    remedy: 'see the labels with `pkcs11-tool --list-slots`',
  });
