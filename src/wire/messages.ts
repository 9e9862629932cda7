// The four datagrams as bytes (SPEC.md 2). Encoding and decoding only: nothing here knows a key.
import {
  COOKIE_REPLY,
  INITIATION,
  MESSAGE_TYPE,
  RESPONSE,
  TRANSPORT_HEADER,
  TRANSPORT_MIN_BYTES,
} from './constants.js';

export type MessageKind = keyof typeof MESSAGE_TYPE;

/**
 * What a datagram is by its first four bytes and its size; null for anything that isn't exactly
 * one of the four messages. Runs per packet and allocates nothing. SPEC.md 2.
 */
export function classify(datagram: Uint8Array): MessageKind | null {
  if (datagram.length < TRANSPORT_MIN_BYTES) return null;
  if ((datagram[1]! | datagram[2]! | datagram[3]!) !== 0) return null;
  switch (datagram[0]) {
    case MESSAGE_TYPE.transport:
      return 'transport';
    case MESSAGE_TYPE.initiation:
      return datagram.length === INITIATION.bytes ? 'initiation' : null;
    case MESSAGE_TYPE.response:
      return datagram.length === RESPONSE.bytes ? 'response' : null;
    case MESSAGE_TYPE.cookieReply:
      return datagram.length === COOKIE_REPLY.bytes ? 'cookieReply' : null;
    default:
      return null;
  }
}

/** SPEC.md 2.1. Decoded fields are views of the datagram. */
export interface Initiation {
  /** u32: the sender's index for the coming session. */
  readonly sender: number;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 48 bytes. */
  readonly encryptedStatic: Uint8Array;
  /** 28 bytes. */
  readonly encryptedTimestamp: Uint8Array;
}

/** SPEC.md 2.2. */
export interface Response {
  readonly sender: number;
  /** The initiation's sender index. */
  readonly receiver: number;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 16 bytes: the tag of an empty plaintext. */
  readonly encryptedNothing: Uint8Array;
}

/** SPEC.md 2.3. */
export interface CookieReply {
  /** The sender index of the message that is answered. */
  readonly receiver: number;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** 32 bytes. */
  readonly encryptedCookie: Uint8Array;
}

/** A new message of 148 bytes whose macs are zero. */
export function encodeInitiation(fields: Initiation): Uint8Array {
  const message = new Uint8Array(INITIATION.bytes);
  message[0] = MESSAGE_TYPE.initiation;
  writeU32(message, INITIATION.sender.start, fields.sender);
  message.set(fields.ephemeral, INITIATION.ephemeral.start);
  message.set(fields.encryptedStatic, INITIATION.encryptedStatic.start);
  message.set(fields.encryptedTimestamp, INITIATION.encryptedTimestamp.start);
  return message;
}

export function decodeInitiation(datagram: Uint8Array): Initiation | null {
  if (classify(datagram) !== 'initiation') return null;
  return {
    sender: readU32(datagram, INITIATION.sender.start),
    ephemeral: field(datagram, INITIATION.ephemeral),
    encryptedStatic: field(datagram, INITIATION.encryptedStatic),
    encryptedTimestamp: field(datagram, INITIATION.encryptedTimestamp),
  };
}

/** A new message of 92 bytes whose macs are zero. */
export function encodeResponse(fields: Response): Uint8Array {
  const message = new Uint8Array(RESPONSE.bytes);
  message[0] = MESSAGE_TYPE.response;
  writeU32(message, RESPONSE.sender.start, fields.sender);
  writeU32(message, RESPONSE.receiver.start, fields.receiver);
  message.set(fields.ephemeral, RESPONSE.ephemeral.start);
  message.set(fields.encryptedNothing, RESPONSE.encryptedNothing.start);
  return message;
}

export function decodeResponse(datagram: Uint8Array): Response | null {
  if (classify(datagram) !== 'response') return null;
  return {
    sender: readU32(datagram, RESPONSE.sender.start),
    receiver: readU32(datagram, RESPONSE.receiver.start),
    ephemeral: field(datagram, RESPONSE.ephemeral),
    encryptedNothing: field(datagram, RESPONSE.encryptedNothing),
  };
}

/** A new message of 64 bytes. */
export function encodeCookieReply(fields: CookieReply): Uint8Array {
  const message = new Uint8Array(COOKIE_REPLY.bytes);
  message[0] = MESSAGE_TYPE.cookieReply;
  writeU32(message, COOKIE_REPLY.receiver.start, fields.receiver);
  message.set(fields.nonce, COOKIE_REPLY.nonce.start);
  message.set(fields.encryptedCookie, COOKIE_REPLY.encryptedCookie.start);
  return message;
}

export function decodeCookieReply(datagram: Uint8Array): CookieReply | null {
  if (classify(datagram) !== 'cookieReply') return null;
  return {
    receiver: readU32(datagram, COOKIE_REPLY.receiver.start),
    nonce: field(datagram, COOKIE_REPLY.nonce),
    encryptedCookie: field(datagram, COOKIE_REPLY.encryptedCookie),
  };
}

/** The sender index of an initiation or a response: where a cookie reply goes. SPEC.md 2.1, 2.2. */
export const senderIndex = (message: Uint8Array): number =>
  readU32(message, INITIATION.sender.start);

/** Writes the first 16 bytes of a transport datagram. `counter` is below 2^64. SPEC.md 2.4. */
export function encodeTransportHeader(target: Uint8Array, receiver: number, counter: bigint): void {
  target[0] = MESSAGE_TYPE.transport;
  target[1] = target[2] = target[3] = 0;
  writeU32(target, TRANSPORT_HEADER.receiver.start, receiver);
  writeU32(target, TRANSPORT_HEADER.counter.start, Number(counter & 0xffff_ffffn));
  writeU32(target, TRANSPORT_HEADER.counter.start + 4, Number(counter >> 32n));
}

/** The receiver's index, u32, of a datagram that classify called transport. */
export const transportReceiver = (datagram: Uint8Array): number =>
  readU32(datagram, TRANSPORT_HEADER.receiver.start);

/** The 64-bit counter of a datagram that classify called transport. */
export const transportCounter = (datagram: Uint8Array): bigint =>
  (BigInt(readU32(datagram, TRANSPORT_HEADER.counter.start + 4)) << 32n) |
  BigInt(readU32(datagram, TRANSPORT_HEADER.counter.start));

function field(datagram: Uint8Array, place: { start: number; end: number }): Uint8Array {
  return datagram.subarray(place.start, place.end);
}

/** Little-endian, unsigned. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

/** Little-endian, unsigned. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
