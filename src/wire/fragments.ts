// A hello or an answer in two datagrams (SPEC.md 11.8). The body is the message without its macs, which
// each fragment has for itself.
import { assert } from '../base/assert.js';
import { ANSWER, BEAM_TYPE, FRAGMENT_HEADER, HELLO, bodyBytes } from './beamLayout.js';
import { classifyBeam } from './beamMessages.js';
import { MACS_BYTES } from './constants.js';
import { readU32, writeU32 } from './messages.js';

/** Decoded fields are views of the datagram. */
export interface Fragment {
  readonly sender: number;
  /** 0 for a part of a hello. */
  readonly receiver: number;
  /** 16 bytes. */
  readonly digest: Uint8Array;
  readonly of: 'hello' | 'answer';
  readonly number: 0 | 1;
  /** The half of the body. */
  readonly part: Uint8Array;
}

const BODY_BYTES = { hello: bodyBytes(HELLO.hybrid), answer: bodyBytes(ANSWER.hybrid) } as const;

/** What the digest is made of. */
export const bodyOf = (message: Uint8Array): Uint8Array =>
  message.subarray(0, message.length - MACS_BYTES);

/**
 * Two datagrams for a hybrid hello or answer, their macs zero; the message's own don't matter. `digest`
 * is that of its body, 16 bytes.
 */
export function splitMessage(
  message: Uint8Array,
  digest: Uint8Array,
): readonly [Uint8Array, Uint8Array] {
  const kind = classifyBeam(message);
  assert(kind === 'hello' || kind === 'answer', 'a hello or an answer is split');
  const body = bodyOf(message);
  assert(body.length === BODY_BYTES[kind], 'only the hybrid form is large enough to be split');
  const header = {
    sender: readU32(message, FRAGMENT_HEADER.sender.start),
    receiver: kind === 'hello' ? 0 : readU32(message, FRAGMENT_HEADER.receiver.start),
    digest,
    of: kind,
  };
  const half = firstHalfBytes(kind);
  return [
    encodeFragment({ ...header, number: 0, part: body.subarray(0, half) }),
    encodeFragment({ ...header, number: 1, part: body.subarray(half) }),
  ];
}

export function decodeFragment(datagram: Uint8Array): Fragment | null {
  if (classifyBeam(datagram) !== 'fragment') return null;
  const { sender, receiver, digest, messageType, number, bodySize } = FRAGMENT_HEADER;
  const of = kindOf(datagram[messageType.start]!);
  const index = datagram[number.start]!;
  if (of === null || (index !== 0 && index !== 1)) return null;
  const size = datagram[bodySize.start]! | (datagram[bodySize.start + 1]! << 8);
  const partBytes = index === 0 ? firstHalfBytes(of) : BODY_BYTES[of] - firstHalfBytes(of);
  if (size !== BODY_BYTES[of]) return null;
  if (datagram.length !== FRAGMENT_HEADER.bytes + partBytes + MACS_BYTES) return null;
  const fragment: Fragment = {
    sender: readU32(datagram, sender.start),
    receiver: readU32(datagram, receiver.start),
    digest: datagram.subarray(digest.start, digest.end),
    of,
    number: index,
    part: datagram.subarray(FRAGMENT_HEADER.bytes, FRAGMENT_HEADER.bytes + partBytes),
  };
  return of === 'hello' && fragment.receiver !== 0 ? null : fragment;
}

/**
 * The message with zero macs from both halves of one, whose digest the caller checks; null if the whole
 * isn't a message of its kind.
 */
export function joinFragments(first: Fragment, second: Fragment): Uint8Array | null {
  assert(first.number === 0 && second.number === 1, 'the halves come in order');
  const message = new Uint8Array(first.part.length + second.part.length + MACS_BYTES);
  message.set(first.part);
  message.set(second.part, first.part.length);
  if (classifyBeam(message) !== first.of) return null;
  return readU32(message, FRAGMENT_HEADER.sender.start) === first.sender ? message : null;
}

const firstHalfBytes = (of: Fragment['of']): number => Math.ceil(BODY_BYTES[of] / 2);

function kindOf(type: number): Fragment['of'] | null {
  if (type === BEAM_TYPE.hello) return 'hello';
  return type === BEAM_TYPE.answer ? 'answer' : null;
}

function encodeFragment(fragment: Fragment): Uint8Array {
  const { of, number, part } = fragment;
  const datagram = new Uint8Array(FRAGMENT_HEADER.bytes + part.length + MACS_BYTES);
  datagram[0] = BEAM_TYPE.fragment;
  writeU32(datagram, FRAGMENT_HEADER.sender.start, fragment.sender);
  writeU32(datagram, FRAGMENT_HEADER.receiver.start, fragment.receiver);
  datagram.set(fragment.digest, FRAGMENT_HEADER.digest.start);
  datagram[FRAGMENT_HEADER.messageType.start] = BEAM_TYPE[of];
  datagram[FRAGMENT_HEADER.number.start] = number;
  datagram[FRAGMENT_HEADER.bodySize.start] = BODY_BYTES[of] & 0xff;
  datagram[FRAGMENT_HEADER.bodySize.start + 1] = BODY_BYTES[of] >> 8;
  datagram.set(part, FRAGMENT_HEADER.bytes);
  return datagram;
}
