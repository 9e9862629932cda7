// One session's keys, counters and limits: seals and opens transport datagrams. SPEC.md 4.2, 4.3.
import { assert, assertNever } from '../base/assert.js';
import { Secret } from '../base/secret.js';
import type { Instant } from '../base/time.js';
import type { Aead, AeadInput } from '../crypto/aead.js';
import { aes256Gcm, chacha20Poly1305 } from '../crypto/aead.js';
import type { DropReason, PeerId, SessionKeys, Suite } from '../ports/dataPlane.js';
import { KEY_BYTES, TAG_BYTES, TRANSPORT_HEADER } from '../wire/constants.js';
import { MESSAGE_TYPE } from '../wire/constants.js';
import type { CounterLimit } from './counter.js';
import { SendCounter, counterLimit, reached } from './counter.js';
import type { Keyed } from './keyring.js';
import { ReplayWindow } from './replayWindow.js';

/** What a transport datagram has more than the (padded) packet in it: header and tag. */
export const TRANSPORT_OVERHEAD_BYTES = TRANSPORT_HEADER.bytes + TAG_BYTES;

/** Why an arriving datagram was not opened. */
export type OpenRefusal = Extract<DropReason, 'expired' | 'forged' | 'replayed'>;

/** Nothing is allocated per packet, where the cipher doesn't. */
export class TransportSession implements Keyed {
  readonly peer: PeerId;
  readonly role: SessionKeys['role'];
  readonly localIndex: number;
  readonly suite: Suite;
  readonly createdAt: Instant;
  readonly #remoteIndex: number;
  readonly #limits: SessionKeys['limits'];
  readonly #rejectAt: CounterLimit;
  /** The counter that is never sent. */
  readonly #sendBelow: CounterLimit;
  /** The counter past which more than `rekeyAfterMessages` packets were sent. */
  readonly #rekeyAt: CounterLimit;
  readonly #sending: Direction;
  readonly #receiving: Direction;
  readonly #counter = new SendCounter();
  readonly #window: ReplayWindow;
  #forgeries = 0;
  #maySend = true;
  #askedOnReceive = false;

  /** Copies the keys and zeroes the given arrays. */
  constructor(keys: SessionKeys) {
    this.peer = keys.peer;
    this.role = keys.role;
    this.localIndex = keys.localIndex;
    this.suite = keys.suite;
    this.createdAt = keys.createdAt;
    this.#remoteIndex = keys.remoteIndex;
    this.#limits = keys.limits;
    this.#rejectAt = counterLimit(keys.limits.rejectAfterMessages);
    const { sendAtMostMessages, rejectAfterMessages } = keys.limits;
    this.#sendBelow =
      sendAtMostMessages < rejectAfterMessages ? counterLimit(sendAtMostMessages) : this.#rejectAt;
    this.#rekeyAt = counterLimit(keys.limits.rekeyAfterMessages + 1n);
    this.#sending = new Direction(keys.suite, keys.sendKey);
    this.#receiving = new Direction(keys.suite, keys.receiveKey);
    this.#window = new ReplayWindow(this.#rejectAt);
  }

  /** True if a packet may be sealed now. */
  canSend(now: Instant): boolean {
    if (this.#maySend && (this.#tooOld(now) || this.#spent())) this.#maySend = false;
    return this.#maySend;
  }

  /** Never sends again; receiving goes on. */
  expireSending(): void {
    this.#maySend = false;
  }

  /**
   * Turns `datagram` (16 bytes of room, the padded packet, 16 bytes of room) into a transport
   * datagram. `packet` and `sealed` are views of it: the packet, and all past the header.
   */
  seal(datagram: Uint8Array, packet: Uint8Array, sealed: Uint8Array): void {
    const { high, low } = this.#counter;
    assert(!reached(high, low, this.#sendBelow), 'a spent session seals nothing');
    this.#counter.advance();
    datagram.fill(0, 0, 4);
    datagram[0] = MESSAGE_TYPE.transport;
    writeU32(datagram, TRANSPORT_HEADER.receiver.start, this.#remoteIndex);
    writeU32(datagram, TRANSPORT_HEADER.counter.start, low);
    writeU32(datagram, TRANSPORT_HEADER.counter.start + 4, high);
    this.#sending.seal(sealed, packet, high, low);
  }

  /**
   * Opens a transport datagram for this session into `packet`, which is as long as the sealed
   * packet in it; null if that is authentic, new and within the limits.
   */
  open(packet: Uint8Array, datagram: Uint8Array, now: Instant): OpenRefusal | null {
    const low = readU32(datagram, TRANSPORT_HEADER.counter.start);
    const high = readU32(datagram, TRANSPORT_HEADER.counter.start + 4);
    if (this.#tooOld(now) || reached(high, low, this.#rejectAt)) return 'expired';
    const sealed = datagram.subarray(TRANSPORT_HEADER.bytes);
    if (!this.#receiving.open(packet, sealed, high, low)) {
      this.#forgeries++;
      return 'forged';
    }
    return this.#window.accept(high, low) ? null : 'replayed';
  }

  /** True if it has met as many forgeries as its cipher bears: to be dropped. */
  get isWorn(): boolean {
    return this.#forgeries >= this.#limits.dropAfterForgeries;
  }

  /** True if sending should ask for new keys. */
  rekeyDueOnSend(now: Instant): boolean {
    const { rekeyAfterMs } = this.#limits;
    if (!this.#maySend) return false;
    if (reached(this.#counter.high, this.#counter.low, this.#rekeyAt)) return true;
    return rekeyAfterMs !== null && now - this.createdAt >= rekeyAfterMs;
  }

  /** True once, if receiving should ask for new keys. */
  rekeyDueOnReceive(now: Instant): boolean {
    const { rekeyOnReceiveAfterMs } = this.#limits;
    if (!this.#maySend || this.#askedOnReceive || rekeyOnReceiveAfterMs === null) return false;
    this.#askedOnReceive = now - this.createdAt >= rekeyOnReceiveAfterMs;
    return this.#askedOnReceive;
  }

  /** Zeroes the keys. */
  destroy(): void {
    this.#maySend = false;
    this.#sending.destroy();
    this.#receiving.destroy();
  }

  #tooOld(now: Instant): boolean {
    return now - this.createdAt >= this.#limits.rejectAfterMs;
  }

  #spent(): boolean {
    return reached(this.#counter.high, this.#counter.low, this.#sendBelow);
  }
}

/** A key with its cipher and a nonce that is written anew for each packet. */
class Direction implements AeadInput {
  readonly associated = null;
  readonly nonce = new Uint8Array(12);
  readonly #aead: Aead;
  readonly #bigEndian: boolean;
  readonly #key: Secret;

  constructor(suite: Suite, key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'a session key has 32 bytes');
    this.#aead = aeadOf(suite);
    this.#bigEndian = suite === 'aes-256-gcm';
    this.#key = new Secret(Uint8Array.from(key));
    key.fill(0);
  }

  get key(): Uint8Array {
    return this.#key.expose();
  }

  seal(sealed: Uint8Array, packet: Uint8Array, high: number, low: number): void {
    this.#writeNonce(high, low);
    this.#aead.seal(sealed, packet, this);
  }

  open(packet: Uint8Array, sealed: Uint8Array, high: number, low: number): boolean {
    this.#writeNonce(high, low);
    return this.#aead.open(packet, sealed, this);
  }

  destroy(): void {
    this.#key.destroy();
  }

  /** Noise revision 34, sections 12.3 (little-endian) and 12.4 (big-endian). */
  #writeNonce(high: number, low: number): void {
    if (this.#bigEndian) {
      writeU32(this.nonce, 4, swapBytes(high));
      writeU32(this.nonce, 8, swapBytes(low));
    } else {
      writeU32(this.nonce, 4, low);
      writeU32(this.nonce, 8, high);
    }
  }
}

function aeadOf(suite: Suite): Aead {
  switch (suite) {
    case 'chacha20-poly1305':
      return chacha20Poly1305;
    case 'aes-256-gcm':
      return aes256Gcm;
    default:
      return assertNever(suite);
  }
}

function swapBytes(value: number): number {
  return (
    (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | ((value >>> 24) & 0xff)
  );
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at + 3]! << 24) | (bytes[at + 2]! << 16);
  return (high | (bytes[at + 1]! << 8) | bytes[at]!) >>> 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
