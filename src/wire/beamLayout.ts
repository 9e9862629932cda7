// Types, sizes and places of the fields of Beam's own datagrams (SPEC.md 11.1 to 11.8). As in
// constants.ts, each size is derived from its fields.
import {
  INDEX_BYTES,
  KEY_BYTES,
  MACS_BYTES,
  MAC_BYTES,
  TAG_BYTES,
  TYPE_BYTES,
  layout,
} from './constants.js';

/** u8, followed by three zero bytes; they go on where WireGuard's end. SPEC.md 11.2. */
export const BEAM_TYPE = {
  hello: 5,
  answer: 6,
  finish: 7,
  welcome: 8,
  beamCookieReply: 9,
  fragment: 10,
} as const;

export const NETWORK_ID_BYTES = 32;
export const INVITE_BYTES = 16;
export const DIGEST_BYTES = 16;
/** Credential and signature with their sizes, zeros behind them. SPEC.md 11.5. */
export const IDENTITY_PAYLOAD_BYTES = 768;
/** What the responder says about itself in the answer. SPEC.md 11.4. */
export const CHOICE_BYTES = 12;

const KEM_PUBLIC_KEY_BYTES = 1184;
const KEM_CIPHERTEXT_BYTES = 1088;

const ANSWER_NOISE_BYTES = {
  hybrid:
    KEY_BYTES + KEM_CIPHERTEXT_BYTES + TAG_BYTES + KEY_BYTES + TAG_BYTES + CHOICE_BYTES + TAG_BYTES,
  classical: KEY_BYTES + KEY_BYTES + TAG_BYTES + CHOICE_BYTES + TAG_BYTES,
};

const HELLO_HEAD = {
  sender: INDEX_BYTES,
  versions: 1,
  protocol: 1,
  suites: 1,
  fast: 1,
  invite: INVITE_BYTES,
};
const ANSWER_HEAD = { sender: INDEX_BYTES, receiver: INDEX_BYTES };

const headBytes = (head: Readonly<Record<string, number>>): number =>
  Object.values(head).reduce((sum, bytes) => sum + bytes, TYPE_BYTES);

const MACS = { mac1: MAC_BYTES, mac2: MAC_BYTES };

/** What a hello's Noise message takes: with a psk, e1 and the payload are sealed. SPEC.md 11.3. */
const HELLO_NOISE_BYTES = {
  hybrid: KEY_BYTES + KEM_PUBLIC_KEY_BYTES + 2 * TAG_BYTES,
  classical: headBytes(ANSWER_HEAD) + ANSWER_NOISE_BYTES.classical - headBytes(HELLO_HEAD),
};

/** Zeros in a hello's payload: its size doesn't depend on a psk, and is at least its answer's. */
export const HELLO_PADDING_BYTES = {
  hybrid: HELLO_NOISE_BYTES.hybrid - KEY_BYTES - KEM_PUBLIC_KEY_BYTES,
  hybridPsk: 0,
  classical: HELLO_NOISE_BYTES.classical - KEY_BYTES,
  classicalPsk: HELLO_NOISE_BYTES.classical - KEY_BYTES - TAG_BYTES,
} as const;

/** Hello (1308, classical 152). SPEC.md 11.3. */
export const HELLO = {
  hybrid: layout({ ...HELLO_HEAD, noise: HELLO_NOISE_BYTES.hybrid, ...MACS }),
  classical: layout({ ...HELLO_HEAD, noise: HELLO_NOISE_BYTES.classical, ...MACS }),
};

/** Answer (1256, classical 152). SPEC.md 11.4. */
export const ANSWER = {
  hybrid: layout({ ...ANSWER_HEAD, noise: ANSWER_NOISE_BYTES.hybrid, ...MACS }),
  classical: layout({ ...ANSWER_HEAD, noise: ANSWER_NOISE_BYTES.classical, ...MACS }),
};

/** Finish (876). SPEC.md 11.5. */
export const FINISH = layout({
  sender: INDEX_BYTES,
  receiver: INDEX_BYTES,
  noise: KEY_BYTES + TAG_BYTES + IDENTITY_PAYLOAD_BYTES + TAG_BYTES,
  ...MACS,
});

/** Welcome (796). SPEC.md 11.6. */
export const WELCOME = layout({
  sender: INDEX_BYTES,
  receiver: INDEX_BYTES,
  sealed: IDENTITY_PAYLOAD_BYTES + TAG_BYTES,
});

/** What stands before a fragment's part of the body (32). SPEC.md 11.8. */
export const FRAGMENT_HEADER = layout({
  sender: INDEX_BYTES,
  receiver: INDEX_BYTES,
  digest: DIGEST_BYTES,
  messageType: 1,
  number: 1,
  bodySize: 2,
});

/** A message without its macs. */
export const bodyBytes = (message: { readonly bytes: number }): number =>
  message.bytes - MACS_BYTES;
