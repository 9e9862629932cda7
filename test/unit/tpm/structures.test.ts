// The TPM's structures as bytes: what is written is read again, and nothing else is. SPEC.md 10.20 to
// 10.22.
import { createHash, randomBytes } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../../../src/base/bytes.js';
import {
  formatApprovals,
  MAX_APPROVALS,
  parseApprovals,
  withApproval,
} from '../../../src/tpm/approval.js';
import type { Approval } from '../../../src/tpm/approval.js';
import { number, sized, TpmReader, u16, u32 } from '../../../src/tpm/encoding.js';
import { encodePcrs, parsePcrs, pcrDigest, readPcrs } from '../../../src/tpm/pcr.js';
import * as policy from '../../../src/tpm/policy.js';
import {
  decodePublic,
  encodePublic,
  nameOf,
  type PublicArea,
} from '../../../src/tpm/publicArea.js';
import { decodeSlot, encodeSlot, type SealedSlot } from '../../../src/tpm/sealedSlot.js';
import { decodeSignature, encodeSignature } from '../../../src/tpm/signature.js';
import * as templates from '../../../src/tpm/templates.js';
import { operatorKey } from '../../support/operatorKey.js';

const bytes = (byteLength: number): Uint8Array => new Uint8Array(randomBytes(byteLength));

test('a reader that ran over the end gives zeros and never reads on', (t) => {
  const reader = new TpmReader(Uint8Array.of(0, 5, 1, 2, 3));
  t.is(reader.sized().length, 0);
  t.false(reader.ok);
  t.is(reader.u8(), 0);
  t.is(reader.take(0).length, 0);
  t.false(reader.finished);
});

test('numbers are big-endian, up to 64 bits', (t) => {
  t.is(toHex(number(0x0102030405060708n, 8)), '0102030405060708');
  t.is(toHex(u32(0xfffffffe)), 'fffffffe');
  t.is(new TpmReader(number(2n ** 64n - 1n, 8)).u64(), 2n ** 64n - 1n);
});

test('every template is read as it was written', (t) => {
  const areas = [
    templates.STORAGE_KEY,
    templates.SIGNING_KEY,
    templates.ATTESTATION_KEY,
    templates.ENDORSEMENT_KEY,
    templates.sealedTemplate(bytes(32)),
    policy.approverArea(operatorKey().point),
  ];
  for (const area of areas) t.deepEqual(decodePublic(encodePublic(area)), area);
});

test('coordinates without their leading zeros are refused as another encoding', (t) => {
  const point = { x: concat(new Uint8Array(1), bytes(31)), y: bytes(32) };
  const area: PublicArea = { ...templates.SIGNING_KEY, kind: 'ecc', point } as PublicArea;
  const short = encodePublic({ ...area, point: { x: point.x.slice(1), y: point.y } } as PublicArea);
  t.is(decodePublic(short), null);
  t.not(decodePublic(encodePublic(area)), null);
});

test('an area that is cut, longer, of RSA, or of another hash, curve or scheme is refused', (t) => {
  const good = encodePublic({ ...templates.SIGNING_KEY, point: operatorKey().point } as PublicArea);
  for (let cut = 0; cut < good.length; cut++) t.is(decodePublic(good.slice(0, cut)), null);
  t.is(decodePublic(concat(good, Uint8Array.of(0))), null);
  /** Offsets: type 0, name algorithm 2, policy size 8, symmetric 10, scheme 12, curve 16, kdf 18. */
  for (const at of [1, 3, 11, 13, 15, 17, 19]) {
    const changed = good.slice();
    changed[at]! ^= 1;
    t.is(decodePublic(changed), null, `byte ${at}`);
  }
});

test('no bytes make the decoders throw', (t) => {
  const decoders = [
    decodePublic,
    decodeSlot,
    decodeSignature,
    (some: Uint8Array) => readPcrs(new TpmReader(some)),
    (some: Uint8Array) => parseApprovals(Buffer.from(some).toString('latin1')),
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (some) => {
      for (const decode of decoders) decode(some);
    }),
    { verbose: true },
  );
  t.pass();
});

test('the endorsement policy is PolicySecret of the endorsement hierarchy', (t) => {
  // Part 3, 23.4: H(H(0 ‖ TPM_CC_PolicySecret ‖ name) ‖ policyRef), the name being the handle.
  const hash = (...parts: Uint8Array[]): Buffer =>
    createHash('sha256')
      .update(concat(...parts))
      .digest();
  const first = hash(new Uint8Array(32), u32(0x151), u32(0x4000000b));
  t.is(toHex(hash(first)), toHex(templates.ENDORSEMENT_POLICY));
});

test('the storage key’s name begins with its hash algorithm', (t) => {
  const name = nameOf(encodePublic(templates.STORAGE_KEY));
  t.is(name.length, 34);
  t.is(toHex(name.slice(0, 2)), '000b');
});

test('registers: a list with doubles is one ascending list; nonsense is none', (t) => {
  t.deepEqual(parsePcrs('7'), [7]);
  t.deepEqual(parsePcrs('7, 0,2,7'), [0, 2, 7]);
  for (const text of ['', '24', '-1', '7,', 'a', '1.5', '007', '7;8', '0x7']) {
    t.is(parsePcrs(text), null, text);
  }
  t.is(toHex(encodePcrs([0, 7, 23])), '00000001000b03810080');
  t.deepEqual(readPcrs(new TpmReader(encodePcrs([0, 7, 23]))), [0, 7, 23]);
});

test('registers: another bank, two banks or more than 24 are refused', (t) => {
  for (const hex of [
    '00000001000403810080',
    '00000002000b03810080000403000000',
    '00000001000b0400000001',
    '00000000',
  ]) {
    t.is(readPcrs(new TpmReader(fromHex(hex, hex.length / 2)!)), null, hex);
  }
});

test('a policy depends on the registers, their values and their number', (t) => {
  const values = [bytes(32), bytes(32)];
  const one = toHex(policy.pcrPolicy([0, 7], pcrDigest(values)));
  t.not(one, toHex(policy.pcrPolicy([0, 8], pcrDigest(values))));
  t.not(one, toHex(policy.pcrPolicy([0, 7], pcrDigest(values.reverse()))));
  t.is(policy.approvalMessage(bytes(32)).length, 48);
});

test('signatures: r and s with leading zeros, short or not, are 64 bytes', (t) => {
  const signature = concat(new Uint8Array(2), bytes(30), new Uint8Array(1), bytes(31));
  t.deepEqual(decodeSignature(encodeSignature(signature)), signature);
  const short = concat(
    u16(0x18),
    u16(0xb),
    sized(signature.slice(2, 32)),
    sized(signature.slice(33)),
  );
  t.deepEqual(decodeSignature(short), signature);
  const long = concat(u16(0x18), u16(0xb), sized(bytes(33)), sized(bytes(32)));
  const rsa = concat(u16(0x14), u16(0xb), sized(bytes(256)));
  const sha384 = concat(u16(0x18), u16(0xc), sized(bytes(32)), sized(bytes(32)));
  for (const wrong of [long, rsa, sha384, concat(short, Uint8Array.of(0)), new Uint8Array(0)]) {
    t.is(decodeSignature(wrong), null);
  }
});

function slot(): SealedSlot {
  const area = { ...templates.STORAGE_KEY, point: operatorKey().point } as PublicArea;
  return {
    parentHandle: templates.STORAGE_KEY_HANDLE,
    parentPublic: encodePublic(area),
    privateBytes: bytes(150),
    publicBytes: encodePublic(templates.sealedTemplate(bytes(32))),
    pcrs: [7],
    approver: operatorKey().point,
  };
}

test('a slot is read as it was written, and not if it is cut, longer or of another version', (t) => {
  const good = encodeSlot(slot());
  t.deepEqual(encodeSlot(decodeSlot(good)!), good);
  for (let cut = 0; cut < good.length; cut++) t.is(decodeSlot(good.slice(0, cut)), null);
  t.is(decodeSlot(concat(good, Uint8Array.of(0))), null);
  const other = good.slice();
  other[0] = 2;
  t.is(decodeSlot(other), null);
});

test('a slot whose approver is no point of the curve is refused', (t) => {
  t.is(
    decodeSlot(encodeSlot({ ...slot(), approver: { x: bytes(32), y: new Uint8Array(32) } })),
    null,
  );
});

const approval = (): Approval => ({ pcrs: [7], policy: bytes(32), signature: bytes(64) });

test('approvals: the newest are kept, one for the same values takes the old one’s place', (t) => {
  let list: readonly Approval[] = [];
  const all = Array.from({ length: MAX_APPROVALS + 3 }, approval);
  for (const one of all) list = withApproval(list, one);
  t.deepEqual(list, all.slice(3));
  const again = { ...approval(), policy: all[5]!.policy };
  list = withApproval(list, again);
  t.is(list.length, MAX_APPROVALS);
  t.deepEqual(list.at(-1), again);
  t.deepEqual(parseApprovals(formatApprovals(list)), list);
});

test('approvals: a file that isn’t ours, or has a field too few or of another size, is refused', (t) => {
  const good = JSON.parse(formatApprovals([approval()])) as { format: number; approvals: object[] };
  const entry = good.approvals[0]!;
  const wrong: unknown[] = [
    null,
    [],
    {},
    { ...good, format: 2 },
    { ...good, approvals: {} },
    { ...good, approvals: [null] },
    { ...good, approvals: [{ ...entry, pcrs: 7 }] },
    { ...good, approvals: [{ ...entry, pcrs: '24' }] },
    { ...good, approvals: [{ ...entry, policy: 'ab' }] },
    { ...good, approvals: [{ ...entry, signature: 'zz'.repeat(64) }] },
    { ...good, approvals: Array.from({ length: 17 }, () => entry) },
  ];
  for (const document of wrong) t.is(parseApprovals(JSON.stringify(document)), null);
  t.is(parseApprovals('{"format":1,'), null);
});
