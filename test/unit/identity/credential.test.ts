import { p256 } from '@noble/curves/nist.js';
import test from 'ava';
import { wallTime, type WallTime } from '../../../src/base/time.js';
import { ed25519PublicKey, signEd25519, toLowS } from '../../../src/crypto/signature.js';
import {
  CLOCK_SKEW_MS,
  CREDENTIAL_BYTES_MAX,
  CREDENTIAL_LIFETIME_MAX_MS,
  credentialSignatureInput,
  encodeCredential,
  verifyCredential,
  type CredentialFields,
} from '../../../src/identity/credential.js';
import { identityOf } from '../../../src/identity/identity.js';
import { signatureInput, verifySigned } from '../../../src/identity/identitySignature.js';

const DAY_MS = 24 * 3600 * 1000;
const start = wallTime(1_790_000_000_000);
const seed = new Uint8Array(32).fill(9);
const software: CredentialFields = {
  identity: identityOf('ed25519', ed25519PublicKey(seed))!,
  tunnelKey: new Uint8Array(32).fill(0x41),
  epoch: 3n,
  notBefore: start,
  notAfter: wallTime(start + DAY_MS),
};
const hardware: CredentialFields = {
  ...software,
  identity: identityOf('p256', p256.getPublicKey(seed, true))!,
};

const bySoftware = (fields: CredentialFields): Uint8Array =>
  encodeCredential(fields, signEd25519(seed, credentialSignatureInput(fields)));
const byHardware = (fields: CredentialFields): Uint8Array =>
  encodeCredential(fields, toLowS(p256.sign(credentialSignatureInput(fields), seed)));

const reasonOf = (bytes: Uint8Array, now: WallTime = start): string => {
  const verdict = verifyCredential(bytes, now);
  return verdict.kind === 'refused' ? verdict.reason : verdict.kind;
};
const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
};

test('a credential of either algorithm is verified and says what was signed', (t) => {
  for (const [bytes, fields] of [
    [bySoftware(software), software],
    [byHardware(hardware), hardware],
  ] as const) {
    const verdict = verifyCredential(bytes, start);
    t.deepEqual(verdict, { kind: 'verified', credential: fields as never });
  }
  t.is(bySoftware(software).length, 160);
  t.is(byHardware(hardware).length, 161);
});

test('the bytes are those of SPEC.md 10.5', (t) => {
  const hex = Buffer.from(bySoftware(software)).toString('hex');
  const { publicKey } = software.identity;
  const seconds = (ms: number): string => (ms / 1000).toString(16).padStart(16, '0');
  const signed = `0101${Buffer.from(publicKey).toString('hex')}${'41'.repeat(32)}${'3'.padStart(16, '0')}${seconds(start)}${seconds(start + DAY_MS)}00000000`;
  t.is(hex.slice(0, signed.length), signed);
  const input = Buffer.concat([Buffer.from('Beam credential 1\0'), Buffer.from(signed, 'hex')]);
  t.is(hex.slice(signed.length), `${Buffer.from(signEd25519(seed, input)).toString('hex')}0000`);
});

test('refuses a credential with any one bit changed', (t) => {
  for (const whole of [bySoftware(software), byHardware(hardware)]) {
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const at = bit >> 3;
      const reason = reasonOf(changed(whole, at, whole[at]! ^ (1 << (bit & 7))));
      if (reason === 'verified') t.fail(`bit ${bit} changed, and verified`);
    }
  }
  t.pass();
});

test('refuses every other length', (t) => {
  const whole = bySoftware(software);
  for (let length = 0; length < whole.length; length++) {
    t.not(reasonOf(whole.subarray(0, length)), 'verified', String(length));
  }
  for (const extra of [1, 2, 1000, CREDENTIAL_BYTES_MAX]) {
    const longer = new Uint8Array(whole.length + extra);
    longer.set(whole);
    t.is(reasonOf(longer), 'malformed', `${extra} more`);
  }
});

test('each fault has its reason', (t) => {
  const whole = bySoftware(software);
  t.is(reasonOf(changed(whole, 0, 2)), 'unknownVersion');
  t.is(reasonOf(changed(whole, 1, 0)), 'unknownVersion');
  t.is(reasonOf(changed(whole, 1, 3)), 'unknownVersion');
  t.is(reasonOf(changed(whole, 91, 1)), 'unknownSecond');
  t.is(reasonOf(changed(whole, 93, 1)), 'unknownSecond');
  t.is(reasonOf(changed(whole, 159, 1)), 'malformed');
  t.is(reasonOf(changed(whole, 120, whole[120]! ^ 1)), 'badSignature');
  t.is(reasonOf(bySoftware({ ...software, tunnelKey: new Uint8Array(32) })), 'badKey');
  const smallOrder = whole.slice();
  smallOrder.fill(0, 2, 34);
  t.is(reasonOf(smallOrder), 'badKey');
  t.is(reasonOf(changed(whole, 74, 0xff)), 'lifetime', 'a time past the year 9999');
});

test('a credential holds from 300 s before not-before until just before not-after', (t) => {
  const whole = bySoftware(software);
  t.is(reasonOf(whole, wallTime(start - CLOCK_SKEW_MS)), 'verified');
  t.is(reasonOf(whole, wallTime(start - CLOCK_SKEW_MS - 1)), 'notYet');
  t.is(reasonOf(whole, wallTime(software.notAfter - 1)), 'verified');
  t.is(reasonOf(whole, software.notAfter), 'expired');
});

test('refuses a lifetime of nothing, less than nothing, or more than 31 days', (t) => {
  const lasting = (ms: number): Uint8Array =>
    bySoftware({ ...software, notAfter: wallTime(start + ms) });
  t.is(reasonOf(lasting(0)), 'lifetime');
  t.is(reasonOf(lasting(-1000)), 'lifetime');
  t.is(reasonOf(lasting(1000)), 'verified');
  t.is(reasonOf(lasting(CREDENTIAL_LIFETIME_MAX_MS)), 'verified');
  t.is(reasonOf(lasting(CREDENTIAL_LIFETIME_MAX_MS + 1000)), 'lifetime');
});

test('refuses a signature that another identity or another purpose made', (t) => {
  const other = encodeCredential(
    software,
    signEd25519(new Uint8Array(32).fill(1), credentialSignatureInput(software)),
  );
  t.is(reasonOf(other), 'badSignature');
  const { identity } = software;
  const message = new Uint8Array(32).fill(5);
  const signature = signEd25519(seed, signatureInput('handshake', message));
  t.truthy(verifySigned({ identity, purpose: 'handshake', message }, signature));
  t.is(verifySigned({ identity, purpose: 'statement', message }, signature), null);
  t.is(
    verifySigned({ identity, purpose: 'handshake', message: message.subarray(1) }, signature),
    null,
  );
});

test('refuses the other s of an ECDSA signature, and toLowS turns it into the one that holds', (t) => {
  const { identity } = hardware;
  const message = new Uint8Array(3);
  const order = p256.Point.CURVE().n;
  const low = p256.sign(signatureInput('statement', message), seed, { lowS: true });
  const s = BigInt(`0x${Buffer.from(low.subarray(32)).toString('hex')}`);
  const high = low.slice();
  high.set(Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex'), 32);
  const signed = { identity, purpose: 'statement', message } as const;
  t.truthy(verifySigned(signed, low));
  t.is(verifySigned(signed, high), null);
  t.deepEqual(toLowS(high), low);
  t.deepEqual(toLowS(low), low);
});

test('a caller that hands wrong fields over has a bug', (t) => {
  t.throws(() => credentialSignatureInput({ ...software, tunnelKey: new Uint8Array(31) }));
  t.throws(() => credentialSignatureInput({ ...software, epoch: -1n }));
  t.throws(() => credentialSignatureInput({ ...software, epoch: 1n << 64n }));
  t.throws(() => credentialSignatureInput({ ...software, notBefore: wallTime(1.5) }));
  t.throws(() => encodeCredential(software, new Uint8Array(63)));
});
