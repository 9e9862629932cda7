// Beam's datagrams as bytes (SPEC.md 11.2 to 11.6). Encoding and decoding only: nothing here knows a
// key. fragments.ts has the sixth kind.
import {
  ANSWER,
  BEAM_TYPE,
  CHOICE_BYTES,
  FINISH,
  FRAGMENT_HEADER,
  HELLO,
  WELCOME,
} from './beamLayout.js';
import { COOKIE_REPLY, MACS_BYTES } from './constants.js';
import type { Field } from './constants.js';
import type { CookieReply } from './messages.js';
import { encodeCookieReply, readU32, writeU32 } from './messages.js';

export type BeamKind = keyof typeof BEAM_TYPE;

/** Numbers on the wire, SPEC.md 11.1. */
export const BEAM_PROTOCOL = { hybrid: 1, hybridPsk: 2, classical: 3, classicalPsk: 4 } as const;
export type BeamProtocol = keyof typeof BEAM_PROTOCOL;

export const usesPsk = (protocol: BeamProtocol): boolean => protocol.endsWith('Psk');
export const isHybrid = (protocol: BeamProtocol): boolean => protocol.startsWith('hybrid');
const formOf = (protocol: BeamProtocol): 'hybrid' | 'classical' =>
  isHybrid(protocol) ? 'hybrid' : 'classical';

/** Version 1, the only one. */
export const VERSION_1 = 1;
/** Bits of suites, SPEC.md 11.3. */
export const SUITE_BITS = { 'aes-256-gcm': 1, 'chacha20-poly1305': 2 } as const;
const ALL_SUITES = 3;

/**
 * What a datagram is by its first four bytes and its size; null for anything that isn't exactly one of
 * Beam's messages. A fragment's size is checked against its header by decodeFragment.
 */
export function classifyBeam(datagram: Uint8Array): BeamKind | null {
  if (datagram.length < FRAGMENT_HEADER.bytes + MACS_BYTES) return null;
  if ((datagram[1]! | datagram[2]! | datagram[3]!) !== 0) return null;
  switch (datagram[0]) {
    case BEAM_TYPE.hello:
      return isSizeOf(HELLO, datagram) ? 'hello' : null;
    case BEAM_TYPE.answer:
      return isSizeOf(ANSWER, datagram) ? 'answer' : null;
    case BEAM_TYPE.finish:
      return datagram.length === FINISH.bytes ? 'finish' : null;
    case BEAM_TYPE.welcome:
      return datagram.length === WELCOME.bytes ? 'welcome' : null;
    case BEAM_TYPE.beamCookieReply:
      return datagram.length === COOKIE_REPLY.bytes ? 'beamCookieReply' : null;
    case BEAM_TYPE.fragment:
      return 'fragment';
    default:
      return null;
  }
}

/** True for the messages of Beam that end with mac1 and mac2. SPEC.md 11.7. */
export function carriesBeamMacs(datagram: Uint8Array): boolean {
  const kind = classifyBeam(datagram);
  return kind === 'hello' || kind === 'answer' || kind === 'finish' || kind === 'fragment';
}

/** What one side can do: bit fields. SPEC.md 11.3. */
export interface Offer {
  readonly versions: number;
  readonly suites: number;
  readonly fast: number;
}

/** SPEC.md 11.3. Decoded fields are views of the datagram. */
export interface Hello extends Offer {
  readonly sender: number;
  readonly protocol: BeamProtocol;
  /** 16 bytes. */
  readonly invite: Uint8Array;
  readonly noise: Uint8Array;
}

/** SPEC.md 11.4. */
export interface Answer {
  readonly sender: number;
  readonly receiver: number;
  readonly noise: Uint8Array;
}

/** SPEC.md 11.5. */
export type Finish = Answer;

/** SPEC.md 11.6. */
export interface Welcome {
  readonly sender: number;
  readonly receiver: number;
  readonly sealed: Uint8Array;
}

/** A new message whose macs are zero. */
export function encodeHello(hello: Hello): Uint8Array {
  const fields = HELLO[formOf(hello.protocol)];
  const message = startMessage(BEAM_TYPE.hello, fields.bytes);
  writeU32(message, fields.sender.start, hello.sender);
  message[fields.versions.start] = hello.versions;
  message[fields.protocol.start] = BEAM_PROTOCOL[hello.protocol];
  message[fields.suites.start] = hello.suites;
  message[fields.fast.start] = hello.fast;
  message.set(hello.invite, fields.invite.start);
  message.set(hello.noise, fields.noise.start);
  return message;
}

/** Null unless every field may be what it is. */
export function decodeHello(datagram: Uint8Array): Hello | null {
  if (classifyBeam(datagram) !== 'hello') return null;
  const number = datagram[HELLO.hybrid.protocol.start];
  const protocol = PROTOCOLS.find((name) => BEAM_PROTOCOL[name] === number);
  if (protocol === undefined) return null;
  const fields = HELLO[formOf(protocol)];
  if (datagram.length !== fields.bytes) return null;
  const hello: Hello = {
    sender: readU32(datagram, fields.sender.start),
    versions: datagram[fields.versions.start]!,
    protocol,
    suites: datagram[fields.suites.start]!,
    fast: datagram[fields.fast.start]!,
    invite: field(datagram, fields.invite),
    noise: field(datagram, fields.noise),
  };
  const hasInvite = hello.invite.some((byte) => byte !== 0);
  return isOffer(hello) && hasInvite === usesPsk(protocol) ? hello : null;
}

/** Bytes 4 to 27: what the prologue holds of a hello. SPEC.md 11.9. */
export const helloTranscript = (hello: Uint8Array): Uint8Array =>
  hello.subarray(HELLO.hybrid.sender.start, HELLO.hybrid.invite.end);

/** A new message whose macs are zero. */
export function encodeAnswer(protocol: BeamProtocol, answer: Answer): Uint8Array {
  return encodeIndexed(BEAM_TYPE.answer, ANSWER[formOf(protocol)], answer);
}

export function decodeAnswer(datagram: Uint8Array): Answer | null {
  if (classifyBeam(datagram) !== 'answer') return null;
  const hybrid = datagram.length === ANSWER.hybrid.bytes;
  return decodeIndexed(datagram, hybrid ? ANSWER.hybrid : ANSWER.classical);
}

/** A new message whose macs are zero. */
export const encodeFinish = (finish: Finish): Uint8Array =>
  encodeIndexed(BEAM_TYPE.finish, FINISH, finish);

export const decodeFinish = (datagram: Uint8Array): Finish | null =>
  classifyBeam(datagram) === 'finish' ? decodeIndexed(datagram, FINISH) : null;

/** The first 12 bytes of a welcome: its associated data. SPEC.md 11.6. */
export function encodeWelcomeHeader(indices: Pick<Welcome, 'sender' | 'receiver'>): Uint8Array {
  const header = startMessage(BEAM_TYPE.welcome, WELCOME.sealed.start);
  writeU32(header, WELCOME.sender.start, indices.sender);
  writeU32(header, WELCOME.receiver.start, indices.receiver);
  return header;
}

export function decodeWelcome(datagram: Uint8Array): Welcome | null {
  if (classifyBeam(datagram) !== 'welcome') return null;
  return {
    sender: readU32(datagram, WELCOME.sender.start),
    receiver: readU32(datagram, WELCOME.receiver.start),
    sealed: field(datagram, WELCOME.sealed),
  };
}

/** WireGuard's cookie reply with another type. SPEC.md 11.7. */
export function encodeBeamCookieReply(reply: CookieReply): Uint8Array {
  const message = encodeCookieReply(reply);
  message[0] = BEAM_TYPE.beamCookieReply;
  return message;
}

export function decodeBeamCookieReply(datagram: Uint8Array): CookieReply | null {
  if (classifyBeam(datagram) !== 'beamCookieReply') return null;
  return {
    receiver: readU32(datagram, COOKIE_REPLY.receiver.start),
    nonce: field(datagram, COOKIE_REPLY.nonce),
    encryptedCookie: field(datagram, COOKIE_REPLY.encryptedCookie),
  };
}

/** The payload of an answer. SPEC.md 11.4. */
export interface Choice extends Offer {
  readonly version: number;
  /** One bit. */
  readonly suite: number;
  /** The responder's index. */
  readonly index: number;
}

export function encodeChoice(choice: Choice): Uint8Array {
  const payload = new Uint8Array(CHOICE_BYTES);
  const { versions, suites, fast, version, suite } = choice;
  payload.set([versions, suites, fast, version, suite]);
  writeU32(payload, 8, choice.index);
  return payload;
}

export function decodeChoice(payload: Uint8Array): Choice | null {
  if (payload.length !== CHOICE_BYTES) return null;
  if ((payload[5]! | payload[6]! | payload[7]!) !== 0) return null;
  const [versions, suites, fast, version, suite] = payload as unknown as number[];
  const index = readU32(payload, 8);
  const choice = { versions, suites, fast, version, suite, index } as Choice;
  return isOffer(choice) ? choice : null;
}

const PROTOCOLS = Object.keys(BEAM_PROTOCOL) as BeamProtocol[];

function isOffer({ versions, suites, fast }: Offer): boolean {
  return (
    versions === VERSION_1 && suites !== 0 && (suites & ~ALL_SUITES) === 0 && (fast & ~suites) === 0
  );
}

function isSizeOf(
  forms: {
    readonly hybrid: { readonly bytes: number };
    readonly classical: { readonly bytes: number };
  },
  datagram: Uint8Array,
): boolean {
  return datagram.length === forms.hybrid.bytes || datagram.length === forms.classical.bytes;
}

interface IndexedFields {
  readonly sender: Field;
  readonly receiver: Field;
  readonly noise: Field;
  readonly bytes: number;
}

function encodeIndexed(type: number, fields: IndexedFields, message: Answer): Uint8Array {
  const bytes = startMessage(type, fields.bytes);
  writeU32(bytes, fields.sender.start, message.sender);
  writeU32(bytes, fields.receiver.start, message.receiver);
  bytes.set(message.noise, fields.noise.start);
  return bytes;
}

const decodeIndexed = (datagram: Uint8Array, fields: IndexedFields): Answer => ({
  sender: readU32(datagram, fields.sender.start),
  receiver: readU32(datagram, fields.receiver.start),
  noise: field(datagram, fields.noise),
});

function startMessage(type: number, byteLength: number): Uint8Array {
  const message = new Uint8Array(byteLength);
  message[0] = type;
  return message;
}

const field = (datagram: Uint8Array, place: Field): Uint8Array =>
  datagram.subarray(place.start, place.end);
