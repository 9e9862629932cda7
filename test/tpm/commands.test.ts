// Each command of beam_tpm against a software TPM. SPEC.md 10.21.
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import test, { type ExecutionContext } from 'ava';
import { Secret } from '../../src/base/secret.js';
import { sha256 } from '../../src/crypto/hash.js';
import { verifyP256 } from '../../src/crypto/p256.js';
import * as commands from '../../src/platform/tpm/commands.js';
import { loadTpmAddon } from '../../src/platform/tpm/addon.js';
import { openTpm, TpmError, type TpmConnection } from '../../src/platform/tpm/connection.js';
import { DEFAULT_STORAGE_KEY, enrolStorageKey } from '../../src/platform/tpm/storageKey.js';
import { HANDLE_RANGE, NV } from '../../src/tpm/constants.js';
import type { FailureKind } from '../../src/tpm/failure.js';
import { pcrDigest } from '../../src/tpm/pcr.js';
import * as policy from '../../src/tpm/policy.js';
import {
  decodePublic,
  encodePublic,
  nameOf,
  uncompressed,
  type EccPoint,
} from '../../src/tpm/publicArea.js';
import * as templates from '../../src/tpm/templates.js';
import { skip } from '../support/skip.js';
import { operatorKey } from '../support/operatorKey.js';
import { tpmTest, type TpmTest } from '../support/tpmTest.js';

async function enrolled({
  connect,
}: TpmTest): Promise<{ tpm: TpmConnection; parent: commands.Parent }> {
  const tpm = await connect();
  return { tpm, parent: await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY) };
}

function pointOf(publicBytes: Uint8Array): EccPoint {
  const area = decodePublic(publicBytes);
  if (area?.kind !== 'ecc') throw new Error('no P-256 key');
  return area.point;
}

async function refused(
  t: ExecutionContext,
  kind: FailureKind,
  work: Promise<unknown>,
): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: TpmError });
  t.is(error.kind, kind, error.message);
}

async function nothingLoaded(t: ExecutionContext, tpm: TpmConnection): Promise<void> {
  t.deepEqual(await commands.listHandles(tpm, HANDLE_RANGE.transient), []);
  for (const sessions of [0x02000000, 0x03000000]) {
    t.deepEqual(await commands.listHandles(tpm, sessions), []);
  }
}

tpmTest('capability: says who made the TPM, and that its lock is open', async (t, { connect }) => {
  const properties = await commands.readPropertiesOf(await connect());
  t.is(properties.manufacturer, 'IBM');
  t.is(properties.family, '2.0');
  t.false(properties.lock.locked);
  t.true(properties.lock.allowedFailures > 0);
  t.true(properties.transientSlots >= 3);
});

tpmTest('createPrimary and readPublic: the storage key is at its handle', async (t, test) => {
  const { tpm, parent } = await enrolled(test);
  const found = await commands.readPublic(tpm, templates.STORAGE_KEY_HANDLE);
  t.deepEqual(found.publicBytes, parent.publicBytes);
  t.deepEqual(found.name, nameOf(parent.publicBytes));
  await nothingLoaded(t, tpm);
});

tpmTest('createPrimary: takes the owner’s authorization, and no other', async (t, test) => {
  test.swtpm.tool('tpm2_changeauth', '-c', 'owner', 'correct');
  const tpm = await test.connect();
  const enrol = (auth: string): Promise<commands.Parent> =>
    enrolStorageKey(tpm, { ...DEFAULT_STORAGE_KEY, ownerAuth: new Secret(Buffer.from(auth)) });
  await refused(t, 'authorization', enrolStorageKey(tpm, DEFAULT_STORAGE_KEY));
  await refused(t, 'authorization', enrol('wrong'));
  await t.notThrowsAsync(enrol('correct'));
});

tpmTest('readPublic: an empty handle is missing', async (t, { connect }) => {
  await refused(t, 'missing', commands.readPublic(await connect(), 0x81000001));
});

tpmTest('create and sign: the TPM’s own key signs, with a low s', async (t, test) => {
  const { tpm, parent } = await enrolled(test);
  const key = await commands.create(tpm, parent, { template: templates.SIGNING_KEY, secret: null });
  const publicKey = uncompressed(pointOf(key.publicBytes));
  for (let i = 0; i < 8; i++) {
    const message = randomBytes(i * 10);
    const wanted = { key, digest: sha256.hash(message) };
    const signature = await commands.signDigest(tpm, parent, wanted);
    t.true(verifyP256(publicKey, message, signature));
    t.true(signature[32]! < 0x80);
  }
  await nothingLoaded(t, tpm);
});

tpmTest('sign: a blob that was changed, or another TPM’s, is foreign', async (t, test) => {
  const { tpm, parent } = await enrolled(test);
  const key = await commands.create(tpm, parent, { template: templates.SIGNING_KEY, secret: null });
  const digest = sha256.hash(new Uint8Array(1));
  for (const at of [5, 40, key.privateBytes.length - 1]) {
    const privateBytes = key.privateBytes.slice();
    privateBytes[at]! ^= 1;
    const changed = { ...key, privateBytes };
    await refused(t, 'foreign', commands.signDigest(tpm, parent, { key: changed, digest }));
  }
  await nothingLoaded(t, tpm);
});

tpmTest('sign: an attestation key doesn’t sign what somebody else wrote', async (t, test) => {
  const { tpm, parent } = await enrolled(test);
  const template = templates.ATTESTATION_KEY;
  const key = await commands.create(tpm, parent, { template, secret: null });
  const digest = sha256.hash(new Uint8Array(1));
  const error = await t.throwsAsync(commands.signDigest(tpm, parent, { key, digest }));
  t.regex(error.message, /Esys_Sign/);
});

tpmTest(
  'unseal: gives the secret for the approved registers, and nothing else',
  async (t, test) => {
    const { tpm, parent } = await enrolled(test);
    const { point, sign } = operatorKey();
    const template = templates.sealedTemplate(policy.approverPolicy(point));
    const secret = new Secret(new Uint8Array(randomBytes(32)));
    const sealed = await commands.create(tpm, parent, { template, secret });
    const pcrs = [0, 7, 23];
    const approvedFor = async (registers: readonly number[]): Promise<commands.ApprovedPolicy> => {
      const values = await commands.readPcrValues(tpm, registers);
      const approved = policy.pcrPolicy(registers, pcrDigest(values));
      const message = policy.approvalMessage(approved);
      return {
        approver: encodePublic(policy.approverArea(point)),
        policy: approved,
        policyRef: policy.POLICY_REF,
        signedDigest: sha256.hash(message),
        signature: sign(message),
      };
    };
    const approved = await approvedFor(pcrs);
    const opened = await commands.unseal(tpm, parent, { sealed, pcrs, approved });
    t.deepEqual(opened.expose(), secret.expose());

    const attempts: [FailureKind, Parameters<typeof commands.unseal>[2]][] = [
      ['policy', { sealed, pcrs: [0, 7], approved }],
      ['policy', { sealed, pcrs: [7], approved: { ...approved, policy: randomBytes(32) } }],
      [
        'approval',
        { sealed, pcrs, approved: { ...approved, signature: operatorKey().sign(randomBytes(48)) } },
      ],
      ['approval', { sealed, pcrs, approved: { ...approved, signedDigest: randomBytes(32) } }],
      ['approval', { sealed, pcrs, approved: { ...approved, policyRef: randomBytes(16) } }],
    ];
    for (const [kind, wanted] of attempts) {
      await refused(t, kind, commands.unseal(tpm, parent, wanted));
      await nothingLoaded(t, tpm);
    }
  },
);

tpmTest('unseal: another operator’s approval opens nothing', async (t, test) => {
  const { tpm, parent } = await enrolled(test);
  const template = templates.sealedTemplate(policy.approverPolicy(operatorKey().point));
  const secret = new Secret(new Uint8Array(randomBytes(32)));
  const sealed = await commands.create(tpm, parent, { template, secret });
  const stranger = operatorKey();
  const values = await commands.readPcrValues(tpm, [7]);
  const message = policy.approvalMessage(policy.pcrPolicy([7], pcrDigest(values)));
  const approved = {
    approver: encodePublic(policy.approverArea(stranger.point)),
    policy: message.slice(0, 32),
    policyRef: policy.POLICY_REF,
    signedDigest: sha256.hash(message),
    signature: stranger.sign(message),
  };
  await refused(t, 'policy', commands.unseal(tpm, parent, { sealed, pcrs: [7], approved }));
});

tpmTest(
  'pcrRead and pcrExtend: a register becomes the hash of itself and the digest',
  async (t, { connect }) => {
    const tpm = await connect();
    const [before] = await commands.readPcrValues(tpm, [16]);
    const digest = randomBytes(32);
    await commands.extendPcr(tpm, { index: 16, digest });
    const [after] = await commands.readPcrValues(tpm, [16]);
    t.deepEqual(after, sha256.hash(before!, digest));
    const all = Array.from({ length: 24 }, (_, index) => index);
    t.is((await commands.readPcrValues(tpm, all)).length, 24);
  },
);

tpmTest('pcrExtend: no register 24, and no digest of another size', async (t, { connect }) => {
  const tpm = await connect();
  for (const [index, byteLength] of [
    [24, 32],
    [16, 20],
  ] as const) {
    const digest = new Uint8Array(byteLength);
    await refused(t, 'unknown', commands.extendPcr(tpm, { index, digest }));
  }
});

tpmTest(
  'nvDefine, nvIncrement, nvRead, nvUndefine: a counter counts, and is gone',
  async (t, test) => {
    const { tpm, parent } = await enrolled(test);
    const index = templates.COUNTER_INDEX;
    const area = templates.encodeNvPublic(index, templates.COUNTER_ATTRIBUTES, 8);
    await refused(t, 'missing', commands.readIndexPublic(tpm, index));
    await commands.defineIndex(tpm, parent, { ownerAuth: null, area });
    await refused(t, 'exists', commands.defineIndex(tpm, parent, { ownerAuth: null, area }));
    await refused(t, 'unwritten', commands.readIndex(tpm, parent, { index, byteLength: 8 }));
    await commands.incrementIndex(tpm, parent, index);
    const first = await commands.readIndex(tpm, parent, { index, byteLength: 8 });
    await commands.incrementIndex(tpm, parent, index);
    const second = await commands.readIndex(tpm, parent, { index, byteLength: 8 });
    const value = (bytes: Uint8Array): bigint => Buffer.from(bytes).readBigUInt64BE();
    t.is(value(second), value(first) + 1n);
    const { attributes } = await commands.readIndexPublic(tpm, index);
    t.is(attributes, (templates.COUNTER_ATTRIBUTES | NV.written) >>> 0);
    await commands.undefineIndex(tpm, { index, ownerAuth: null });
    await refused(t, 'missing', commands.readIndexPublic(tpm, index));
    await nothingLoaded(t, tpm);
  },
);

tpmTest('flush: an object that others left is gone', async (t, test) => {
  test.swtpm.tool('tpm2_createprimary', '-c', 'primary.ctx');
  const tpm = await test.connect();
  const [handle] = await commands.listHandles(tpm, HANDLE_RANGE.transient);
  t.not(handle, undefined);
  await commands.flush(tpm, handle!);
  await nothingLoaded(t, tpm);
});

tpmTest(
  'a request that is too short, too long or of another command is refused whole',
  async (t, { connect }) => {
    const tpm = await connect();
    for (const command of [
      'readPublic',
      'create',
      'sign',
      'unseal',
      'quote',
      'nvDefine',
    ] as const) {
      for (const bytes of [0, 3, 5, 100]) {
        const request = new Uint8Array(bytes).fill(0xff);
        const error = await t.throwsAsync(tpm.run(command, request), { instanceOf: TpmError });
        t.regex(error.message, /0x00be0001|bad|MU/i);
      }
    }
    await t.throwsAsync(tpm.run('sign', new Uint8Array(8193)), { instanceOf: TypeError });
    await t.notThrowsAsync(commands.readPropertiesOf(tpm));
  },
);

tpmTest(
  'calls made at once are served one after the other, and none after close',
  async (t, { connect }) => {
    const tpm = await connect();
    const many = Array.from({ length: 20 }, () => commands.readPcrValues(tpm, [7]));
    t.is((await Promise.all(many)).length, 20);
    const last = commands.readPcrValues(tpm, [7]);
    await tpm.close();
    await t.notThrowsAsync(last);
    await refused(t, 'disconnected', commands.readPcrValues(tpm, [7]));
  },
);

tpmTest(
  'a TPM that goes away in between is told as lost, and one that isn’t there as absent',
  async (t, test) => {
    const tpm = await test.connect();
    await test.swtpm.halt();
    await refused(t, 'disconnected', commands.readPcrValues(tpm, [7]));
    await refused(t, 'absent', openTpm(test.swtpm.tcti));
    await refused(t, 'absent', openTpm('device:/nonexistent'));
    await refused(t, 'absent', openTpm('no-such-tcti'));
  },
);

tpmTest('a request is zeroed once it was taken over', async (t, { connect }) => {
  const tpm = await connect();
  const request = new Uint8Array([0x81, 0, 0, 1]);
  await tpm.run('readPublic', request).catch(() => undefined);
  t.deepEqual(request, new Uint8Array(4));
});

/** Opens, asks, and is ended by `terminate` or `exit` before the answer is there. */
const ENDING = `
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const [file, tcti] = isMainThread ? process.argv.slice(1) : workerData;
const addon = require(file);
function ask(started) {
  const connection = addon.open(tcti, (code) => {
    if (code !== 0) return process.exit(9);
    addon.run(connection, 'capability', Buffer.from('000000060000010000000040', 'hex'), () => ask(() => {}));
    started();
  });
}
async function main() {
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(process.env.ENDING, { eval: true, workerData: [file, tcti] });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }
  ask(() => process.exit(0));
}
if (isMainThread) void main();
else ask(() => parentPort.postMessage('asked'));
`;

tpmTest(
  'workers and processes that end with a call under way end in order',
  async (t, { swtpm }) => {
    const load = loadTpmAddon();
    if (load.addon === null) return t.fail(load.reason);
    const args = ['-e', ENDING, load.file, swtpm.tcti];
    for (let i = 0; i < 3; i++) {
      const end = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 20_000,
        env: { ...process.env, ENDING },
      });
      t.deepEqual([end.status, end.signal], [0, null], end.stderr);
      await swtpm.reboot();
    }
  },
);

test('wrong arguments and two calls at once are a TypeError, and nothing else happens', (t) => {
  const load = loadTpmAddon();
  if (load.addon === null) {
    skip(t, load.reason);
    return;
  }
  const addon = load.addon as unknown as Record<string, (...args: unknown[]) => unknown>;
  const done = (): void => undefined;
  const cases: [string, ...unknown[]][] = [
    ['open'],
    ['open', 'x'.repeat(512), done],
    ['open', 7, done],
    ['open', 'swtpm', 7],
    ['run', {}, 'capability', new Uint8Array(12), done],
    ['run', null, 'capability', new Uint8Array(12), done],
    ['close', {}, done],
    ['close'],
  ];
  for (const [name, ...args] of cases) {
    t.throws(() => addon[name]!(...args), { instanceOf: TypeError }, name);
  }
});
