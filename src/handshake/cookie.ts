// mac1, mac2 and cookies: who may make us compute (SPEC.md 3.5, and 11.7 for Beam's own messages).
import { assert } from '../base/assert.js';
import { concat, equalConstantTime } from '../base/bytes.js';
import type { Endpoint } from '../base/ip.js';
import { parseAddress } from '../base/ip.js';
import type { Instant } from '../base/time.js';
import { xchacha20Poly1305 } from '../crypto/aead.js';
import { blake2s } from '../crypto/hash.js';
import { keyedBlake2s } from '../crypto/mac.js';
import type { Entropy } from '../ports/entropy.js';
import {
  COOKIE_BYTES,
  KEY_BYTES,
  MAC1_FROM_END,
  MAC2_FROM_END,
  MAC_BYTES,
  TAG_BYTES,
  XNONCE_BYTES,
} from '../wire/constants.js';
import {
  carriesBeamMacs,
  decodeBeamCookieReply,
  encodeBeamCookieReply,
} from '../wire/beamMessages.js';
import { classify, decodeCookieReply, encodeCookieReply, senderIndex } from '../wire/messages.js';

/** Of the secret behind cookies, and of a cookie in use. SPEC.md 1.2. */
export const COOKIE_MAX_AGE_MS = 120_000;

const LABEL_MAC1 = new TextEncoder().encode('mac1----');
const LABEL_COOKIE = new TextEncoder().encode('cookie--');

/** The receiving side, one per device or mac context: checks macs and hands out cookies. */
export class CookieChecker {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  readonly #entropy: Entropy;
  #secret: { readonly bytes: Uint8Array; readonly madeAt: Instant } | null = null;

  /** `context` is the device's public key, 32 bytes, or Beam's mac context (SPEC.md 11.7). */
  constructor(context: Uint8Array, entropy: Entropy) {
    this.#mac1Key = blake2s.hash(LABEL_MAC1, context);
    this.#cookieKey = blake2s.hash(LABEL_COOKIE, context);
    this.#entropy = entropy;
  }

  /** True for a message with macs whose sender knows our public key, or the context. */
  checkMac1(message: Uint8Array): boolean {
    return hasMacs(message) && equalConstantTime(mac1Of(message), mac1(this.#mac1Key, message));
  }

  /** True if the sender holds the current cookie of the address and port that it sent from. */
  checkMac2(message: Uint8Array, source: Endpoint, now: Instant): boolean {
    if (!hasMacs(message)) return false;
    const cookie = this.#cookieOf(source, now);
    const valid = equalConstantTime(mac2Of(message), mac2(cookie, message));
    cookie.fill(0);
    return valid;
  }

  /** 64 bytes: a cookie for `source`, in answer to a message with a valid mac1. */
  createReply(message: Uint8Array, source: Endpoint, now: Instant): Uint8Array {
    assert(hasMacs(message), 'only a message with macs is answered by a cookie');
    const nonce = this.#entropy(XNONCE_BYTES);
    const cookie = this.#cookieOf(source, now);
    const encryptedCookie = new Uint8Array(COOKIE_BYTES + TAG_BYTES);
    const input = { key: this.#cookieKey, nonce, associated: mac1Of(message) };
    xchacha20Poly1305.seal(encryptedCookie, cookie, input);
    cookie.fill(0);
    const reply = { receiver: senderIndex(message), nonce, encryptedCookie };
    return carriesBeamMacs(message) ? encodeBeamCookieReply(reply) : encodeCookieReply(reply);
  }

  /** Zeroes the secret behind the cookies given out. */
  destroy(): void {
    this.#secret?.bytes.fill(0);
    this.#secret = null;
  }

  #cookieOf(source: Endpoint, now: Instant): Uint8Array {
    return keyedBlake2s(this.#currentSecret(now), sourceBytes(source));
  }

  #currentSecret(now: Instant): Uint8Array {
    if (this.#secret === null || now - this.#secret.madeAt >= COOKIE_MAX_AGE_MS) {
      this.destroy();
      this.#secret = { bytes: this.#entropy(KEY_BYTES), madeAt: now };
    }
    return this.#secret.bytes;
  }
}

/** The sending side, one per peer: fills in macs and learns from cookie replies. */
export class CookieStamper {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  #cookie: { readonly bytes: Uint8Array; readonly receivedAt: Instant } | null = null;
  /** Of what was stamped last, until a reply to it has come: one message, or its two fragments. */
  #lastMac1s: readonly Uint8Array[] = [];

  /** `context` is the peer's public key, 32 bytes, or Beam's mac context (SPEC.md 11.7). */
  constructor(context: Uint8Array) {
    this.#mac1Key = blake2s.hash(LABEL_MAC1, context);
    this.#cookieKey = blake2s.hash(LABEL_COOKIE, context);
  }

  /** Writes mac1 into a message, and mac2 if there is a cookie young enough. */
  stamp(message: Uint8Array, now: Instant): void {
    this.stampAll([message], now);
  }

  /** As `stamp`, for what is sent together; a reply to any of them counts. */
  stampAll(messages: readonly Uint8Array[], now: Instant): void {
    for (const message of messages) this.#stampOne(message, now);
    this.#lastMac1s = messages.map((message) => mac1Of(message).slice());
  }

  #stampOne(message: Uint8Array, now: Instant): void {
    assert(hasMacs(message), 'the message has macs');
    mac1Of(message).set(mac1(this.#mac1Key, message));
    const cookie = this.#cookie;
    if (cookie !== null && now - cookie.receivedAt < COOKIE_MAX_AGE_MS) {
      mac2Of(message).set(mac2(cookie.bytes, message));
    } else {
      mac2Of(message).fill(0);
    }
  }

  /**
   * Takes the cookie of a reply to the message stamped last, for later messages; false if it isn't
   * one. A second reply to the same message is refused.
   */
  consumeReply(reply: Uint8Array, now: Instant): boolean {
    const fields = decodeCookieReply(reply) ?? decodeBeamCookieReply(reply);
    if (fields === null) return false;
    const { nonce, encryptedCookie } = fields;
    const bytes = new Uint8Array(COOKIE_BYTES);
    const opens = (associated: Uint8Array): boolean =>
      xchacha20Poly1305.open(bytes, encryptedCookie, { key: this.#cookieKey, nonce, associated });
    if (!this.#lastMac1s.some(opens)) return false;
    this.#cookie?.bytes.fill(0);
    this.#cookie = { bytes, receivedAt: now };
    this.#lastMac1s = [];
    return true;
  }

  /** Zeroes the cookie. */
  destroy(): void {
    this.#cookie?.bytes.fill(0);
    this.#cookie = null;
    this.#lastMac1s = [];
  }
}

function hasMacs(message: Uint8Array): boolean {
  const kind = classify(message);
  return kind === 'initiation' || kind === 'response' || carriesBeamMacs(message);
}

const mac1Of = (message: Uint8Array): Uint8Array =>
  message.subarray(message.length - MAC1_FROM_END, message.length - MAC1_FROM_END + MAC_BYTES);

const mac2Of = (message: Uint8Array): Uint8Array =>
  message.subarray(message.length - MAC2_FROM_END);

const mac1 = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  keyedBlake2s(key, message.subarray(0, message.length - MAC1_FROM_END));

const mac2 = (cookie: Uint8Array, message: Uint8Array): Uint8Array =>
  keyedBlake2s(cookie, message.subarray(0, message.length - MAC2_FROM_END));

/** What a cookie is bound to: 4 or 16 bytes of address, 2 of port. */
function sourceBytes(source: Endpoint): Uint8Array {
  const address = parseAddress(source.address);
  assert(address !== null, 'an endpoint holds a valid address');
  return concat(address.bytes, Uint8Array.of(source.port >> 8, source.port & 0xff));
}
