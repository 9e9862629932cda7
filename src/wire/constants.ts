// Message types and sizes of the datagrams (SPEC.md 1.2 and 2). Every size is derived from its
// fields, so that a field has one place.

/** u8 message type, always followed by three zero bytes. SPEC.md 2. */
export const MESSAGE_TYPE = {
  initiation: 1,
  response: 2,
  cookieReply: 3,
  transport: 4,
} as const;

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
export const MAC_BYTES = 16;
export const TIMESTAMP_BYTES = 12;
/** XChaCha20-Poly1305's nonce, in cookie replies. */
export const XNONCE_BYTES = 24;
export const COOKIE_BYTES = 16;

export const TYPE_BYTES = 4;
export const INDEX_BYTES = 4;
const COUNTER_BYTES = 8;
export const MACS_BYTES = 2 * MAC_BYTES;

/** Where each field of the initiation starts, and its whole size (148). SPEC.md 2.1. */
export const INITIATION = layout({
  sender: INDEX_BYTES,
  ephemeral: KEY_BYTES,
  encryptedStatic: KEY_BYTES + TAG_BYTES,
  encryptedTimestamp: TIMESTAMP_BYTES + TAG_BYTES,
  mac1: MAC_BYTES,
  mac2: MAC_BYTES,
});

/** The response (92). SPEC.md 2.2. */
export const RESPONSE = layout({
  sender: INDEX_BYTES,
  receiver: INDEX_BYTES,
  ephemeral: KEY_BYTES,
  encryptedNothing: TAG_BYTES,
  mac1: MAC_BYTES,
  mac2: MAC_BYTES,
});

/** The cookie reply (64). SPEC.md 2.3. */
export const COOKIE_REPLY = layout({
  receiver: INDEX_BYTES,
  nonce: XNONCE_BYTES,
  encryptedCookie: COOKIE_BYTES + TAG_BYTES,
});

/** The header of a transport datagram (16); the sealed packet follows. SPEC.md 2.4. */
export const TRANSPORT_HEADER = layout({
  receiver: INDEX_BYTES,
  counter: COUNTER_BYTES,
});

/** A keepalive: a header and the tag of an empty packet (32). */
export const TRANSPORT_MIN_BYTES = TRANSPORT_HEADER.bytes + TAG_BYTES;

/** Plaintext is zero-padded to a multiple of this, never past the MTU. SPEC.md 2.4. */
export const PADDING_BYTES = 16;

/** What mac1 covers, counted from the end of the message: all but the two macs. */
export const MAC1_FROM_END = MACS_BYTES;
/** What mac2 covers, counted from the end: all but mac2. */
export const MAC2_FROM_END = MAC_BYTES;

export interface Field {
  readonly start: number;
  readonly end: number;
}

export type Layout<Name extends string> = Readonly<Record<Name, Field>> & {
  readonly bytes: number;
};

/** Places of the fields of a message, one after the other behind its type. */
export function layout<Name extends string>(sizes: Record<Name, number>): Layout<Name> {
  let at = TYPE_BYTES;
  const fields: Record<string, Field> = {};
  for (const [name, bytes] of Object.entries<number>(sizes)) {
    fields[name] = { start: at, end: at + bytes };
    at += bytes;
  }
  return Object.assign(fields as Record<Name, Field>, { bytes: at });
}
