// Response codes become words that say what to do; what a TPM says of itself is read. SPEC.md 10.25
// and 10.28.
import test from 'ava';
import { concat } from '../../../src/base/bytes.js';
import { sized, u32, u8 } from '../../../src/tpm/encoding.js';
import { explainFailure, kindOf, type FailureKind } from '../../../src/tpm/failure.js';
import {
  describeProperties,
  explainLock,
  readHandles,
  readProperties,
} from '../../../src/tpm/properties.js';
import { makeCredential } from '../../../src/tpm/credential.js';
import { encodePublic, type PublicArea } from '../../../src/tpm/publicArea.js';
import { ENDORSEMENT_KEY, SIGNING_KEY } from '../../../src/tpm/templates.js';
import { unfit, COMMAND_NAMES, type TpmAddon } from '../../../src/platform/tpm/addon.js';
import { operatorKey } from '../../support/operatorKey.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const failure = (code: number, step = 'Esys_Load') => ({ code, step, meaning: 'tss' });

test('codes are told apart, whatever handle, session or parameter they name', (t) => {
  const cases: [number, FailureKind, string?][] = [
    [0x18b, 'missing'],
    [0x28b, 'missing'],
    [0x9a2, 'authorization'],
    [0x98e, 'authorization'],
    [0x1df, 'foreign'],
    [0x2db, 'approval'],
    [0x99d, 'policy'],
    [0x1c4, 'policy', 'Esys_PolicyAuthorize'],
    [0x4c4, 'approval', 'Esys_PolicyAuthorize'],
    [0x1c4, 'unknown', 'Esys_Create'],
    [0x128, 'policy'],
    [0x14a, 'unwritten'],
    [0x14b, 'nvSpace'],
    [0x14c, 'exists'],
    [0x902, 'slots'],
    [0x903, 'slots'],
    [0x920, 'rate'],
    [0x921, 'lockedOut'],
    [0x100, 'notStarted'],
    [0x101, 'broken'],
    [0x0b0902, 'slots'],
    [0x0c0902, 'slots'],
    [0x0a000a, 'disconnected'],
    [0x0a0008, 'absent'],
    [0x0a000a, 'absent', 'Tss2_TctiLdr_Initialize'],
    [0x07001b, 'tampered'],
    [0x080011, 'tampered'],
    [0xbe0003, 'wrongParent'],
    [0xbe0001, 'unknown'],
    [0x143, 'unknown'],
    [0xff0001, 'unknown'],
  ];
  for (const [code, kind, step] of cases)
    t.is(kindOf(failure(code, step)), kind, code.toString(16));
});

test('every explanation names the place, the code, the step and what to do', (t) => {
  for (const code of [0x18b, 0x902, 0x1df, 0x07001b, 0xbe0003, 0x143]) {
    const details = explainFailure(failure(code), 'device:/dev/tpmrm0');
    t.is(details.place, 'device:/dev/tpmrm0');
    t.regex(details.code, /^E_TPM/);
    t.true(details.found.includes(`Esys_Load 0x${code.toString(16).padStart(8, '0')}, tss`));
    t.true(details.remedy.length > 20);
  }
});

const list = (kind: number, ...words: number[]): Uint8Array =>
  concat(u8(0), u32(kind), ...words.map((word) => u32(word)));

test('properties: manufacturer, firmware and the lock are read from their numbers', (t) => {
  const words = [
    0x105, 0x494e5443, 0x10b, 0x00070002, 0x10c, 0x00000005, 0x102, 164, 0x100, 0x322e3000,
  ];
  const lock = [0x200, 0x00000204, 0x20e, 5, 0x20f, 32, 0x210, 7200, 0x211, 86400];
  const found = readProperties(list(6, 10, ...words, ...lock));
  const { manufacturer, firmware, revision, family, ...rest } = describeProperties(found!);
  t.deepEqual([manufacturer, firmware, revision, family], ['INTC', '7.2.0.5', '1.64', '2.0']);
  t.true(rest.lock.locked && rest.lock.lockoutAuthSet);
  t.regex(explainLock(rest.lock), /locked after 5 .*every 2 h.*exempt/);
  t.regex(explainLock({ ...rest.lock, locked: false }), /^open: 5 of 32/);
  t.regex(explainLock({ ...rest.lock, forgetOneS: 0 }), /not forgotten/);
});

test('properties and handles: lists of another kind, cut or with a rest are refused', (t) => {
  const good = list(6, 1, 0x105, 1);
  t.is(readProperties(good)?.get(0x105), 1);
  t.is(readProperties(list(1, 1, 0x105, 1)), null);
  t.is(readProperties(good.slice(0, -1)), null);
  t.is(readProperties(concat(good, u8(0))), null);
  t.is(readProperties(list(6, 0xffffffff)), null);
  t.deepEqual(readHandles(list(1, 2, 0x80000000, 0x80000001)), [0x80000000, 0x80000001]);
  t.is(readHandles(list(6, 0)), null);
  t.is(readHandles(list(1, 2, 0x80000000)), null);
});

test('no credential for a key that isn’t an endorsement key, or for a secret that doesn’t fit', (t) => {
  const entropy = seededEntropy('credential');
  const { point } = operatorKey();
  const good = { ...ENDORSEMENT_KEY, point } as PublicArea;
  const given = {
    endorsementKey: encodePublic(good),
    attestationKeyName: new Uint8Array(34),
    secret: new Uint8Array(16),
  };
  t.not(makeCredential(given, entropy), null);
  const wrongKeys = [
    encodePublic({ ...SIGNING_KEY, point } as PublicArea),
    encodePublic({ ...good, point: { x: point.x, y: point.x } } as PublicArea),
    sized(new Uint8Array(3)),
  ];
  for (const endorsementKey of wrongKeys) {
    t.is(makeCredential({ ...given, endorsementKey }, entropy), null);
  }
  for (const byteLength of [0, 33]) {
    t.is(makeCredential({ ...given, secret: new Uint8Array(byteLength) }, entropy), null);
  }
});

test('an addon of another ABI, other frames or other commands is not taken', (t) => {
  const good = {
    abi: 1,
    frameBytes: 8192,
    commands: [...COMMAND_NAMES].reverse(),
    unavailable: () => '',
  };
  const reason = (changes: object): string | null =>
    unfit({ ...good, ...changes } as unknown as TpmAddon);
  t.is(reason({}), null);
  t.regex(reason({ abi: 2 }) ?? '', /ABI 2/);
  t.regex(reason({ frameBytes: 4096 }) ?? '', /4096/);
  t.regex(reason({ commands: COMMAND_NAMES.slice(1) }) ?? '', /commands/);
  t.is(reason({ unavailable: () => 'no libtss2' }), 'no libtss2');
});
