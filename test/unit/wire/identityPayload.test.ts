import test from 'ava';
import {
  MAX_IDENTITY_BYTES,
  decodeIdentityPayload,
  encodeIdentityPayload,
} from '../../../src/wire/identityPayload.js';

const payloadOf = (credentialBytes: number, signatureBytes: number): Uint8Array | null =>
  encodeIdentityPayload({
    credential: new Uint8Array(credentialBytes).fill(1),
    signature: new Uint8Array(signatureBytes).fill(2),
  });

test('credential and signature come back as they were, up to all there is room for', (t) => {
  for (const [credential, signature] of [
    [1, 1],
    [190, 64],
    [MAX_IDENTITY_BYTES - 64, 64],
    [1, MAX_IDENTITY_BYTES - 1],
  ] as const) {
    const payload = payloadOf(credential, signature)!;
    t.is(payload.length, 768);
    const decoded = decodeIdentityPayload(payload)!;
    t.is(decoded.credential.length, credential);
    t.is(decoded.signature.length, signature);
    t.true(decoded.credential.every((byte) => byte === 1));
    t.true(decoded.signature.every((byte) => byte === 2));
  }
});

test('nothing is made of what is empty or too large', (t) => {
  for (const [credential, signature] of [
    [0, 64],
    [190, 0],
    [MAX_IDENTITY_BYTES, 1],
    [70_000, 64],
  ] as const) {
    t.is(payloadOf(credential, signature), null);
  }
});

test('sizes that reach past the end, empty fields and bytes behind the end are refused', (t) => {
  const change = (at: number, value: number): Uint8Array => {
    const payload = payloadOf(100, 64)!;
    payload[at] = value;
    return payload;
  };
  t.not(decodeIdentityPayload(change(2, 9)), null);
  for (const [at, value] of [
    [0, 0],
    [1, 3],
    [1, 255],
    [102, 0],
    [103, 3],
    [168, 1],
    [767, 1],
  ] as const) {
    t.is(decodeIdentityPayload(change(at, value)), null, `byte ${at} is ${value}`);
  }
  const edge = payloadOf(1, 1)!;
  new DataView(edge.buffer).setUint16(0, 765, true);
  t.is(decodeIdentityPayload(edge), null, 'no room for the size of the signature');
  new DataView(edge.buffer).setUint16(0, 766, true);
  t.is(decodeIdentityPayload(edge), null);
  t.is(decodeIdentityPayload(payloadOf(100, 64)!.subarray(1)), null);
  t.is(decodeIdentityPayload(new Uint8Array(0)), null);
});
