// tpm2-tools as an independent witness: what Beam made is what Beam says it is, and each side's quotes
// are verified by the other. SPEC.md 10.20 and 10.26.
import { randomBytes } from 'node:crypto';
import { toHex } from '../../src/base/bytes.js';
import { pointToPem, signatureFromDer } from '../../src/crypto/p256.js';
import * as attestation from '../../src/platform/tpm/attestation.js';
import { create, readPcrValues, type Blob } from '../../src/platform/tpm/commands.js';
import { DEFAULT_STORAGE_KEY, enrolStorageKey } from '../../src/platform/tpm/storageKey.js';
import { makeCredential } from '../../src/tpm/credential.js';
import { HIERARCHY } from '../../src/tpm/constants.js';
import { sized } from '../../src/tpm/encoding.js';
import { pcrDigest } from '../../src/tpm/pcr.js';
import * as policy from '../../src/tpm/policy.js';
import { decodePublic, nameOf, qualifiedNameOf } from '../../src/tpm/publicArea.js';
import { verifyQuote } from '../../src/tpm/quote.js';
import { decodeSlot } from '../../src/tpm/sealedSlot.js';
import { SIGNING_KEY } from '../../src/tpm/templates.js';
import { systemEntropy } from '../../src/platform/entropy.js';
import { sealStoreKey } from '../support/sealedStoreKey.js';
import type { Swtpm } from '../support/swtpm.js';
import { tpmTest } from '../support/tpmTest.js';

/** What tpm2_readpublic says of a blob, loaded under the storage key. */
function describe(swtpm: Swtpm, blob: Blob): string {
  swtpm.write('o.pub', sized(blob.publicBytes));
  swtpm.write('o.priv', sized(blob.privateBytes));
  swtpm.tool('tpm2_load', '-C', '0x81000001', '-u', 'o.pub', '-r', 'o.priv', '-c', 'o.ctx');
  const text = swtpm.tool('tpm2_readpublic', '-c', 'o.ctx');
  swtpm.tool('tpm2_flushcontext', '--transient-object');
  return text;
}

const attributesIn = (text: string): string => /attributes:\s+value: (\S+)/.exec(text)?.[1] ?? text;

tpmTest('tpm2_readpublic reads the attributes that SPEC.md 10.20 names', async (t, test) => {
  const sealed = await sealStoreKey(test);
  const tpm = await test.connect();
  const parent = await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY);
  const signing = await create(tpm, parent, { template: SIGNING_KEY, secret: null });
  const attesting = await attestation.createAttestationKey(tpm, parent);
  await test.disconnect();
  const storage = test.swtpm.tool('tpm2_readpublic', '-c', '0x81000001');
  const bornHere = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda';
  t.is(attributesIn(storage), `${bornHere}|restricted|decrypt`);
  t.regex(storage, /curve-id:\s+value: NIST p256/);
  t.regex(storage, /sym-alg:\s+value: aes[^]*sym-mode:\s+value: cfb[^]*sym-keybits: 128/);
  t.true(storage.includes(toHex(parent.name)));
  const sign = describe(test.swtpm, signing);
  t.is(attributesIn(sign), `${bornHere}|sign`);
  t.regex(sign, /scheme:\s+value: ecdsa[^]*scheme-halg:\s+value: sha256/);
  t.is(attributesIn(describe(test.swtpm, attesting)), `${bornHere}|restricted|sign`);
  const slot = decodeSlot(sealed.slot)!;
  const held = describe(test.swtpm, slot);
  t.is(attributesIn(held), 'fixedtpm|fixedparent|noda');
  t.true(held.includes(toHex(policy.approverPolicy(slot.approver))));
});

tpmTest('the sealed store key has no way out but the policy', async (t, test) => {
  const slot = decodeSlot((await sealStoreKey(test)).slot)!;
  await test.disconnect();
  const { swtpm } = test;
  describe(swtpm, slot);
  swtpm.tool('tpm2_load', '-C', '0x81000001', '-u', 'o.pub', '-r', 'o.priv', '-c', 'o.ctx');
  t.not(swtpm.tryTool('tpm2_unseal', '-c', 'o.ctx').status, 0);
  t.not(swtpm.tryTool('tpm2_unseal', '-c', 'o.ctx', '-p', 'pcr:sha256:7').status, 0);
});

tpmTest('our policies are the TPM’s own', async (t, test) => {
  const sealed = await sealStoreKey(test);
  const slot = decodeSlot(sealed.slot)!;
  const values = await readPcrValues(await test.connect(), [0, 7, 14]);
  await test.disconnect();
  const { swtpm } = test;
  swtpm.tool('tpm2_startauthsession', '-S', 's.ctx');
  swtpm.tool('tpm2_policypcr', '-S', 's.ctx', '-l', 'sha256:0,7,14', '-L', 'pcr.policy');
  swtpm.tool('tpm2_flushcontext', 's.ctx');
  t.is(toHex(swtpm.read('pcr.policy')), toHex(policy.pcrPolicy([0, 7, 14], pcrDigest(values))));
  swtpm.write('op.pem', sealed.operator.publicPem);
  const area = policy.approverArea(slot.approver);
  if (area.kind !== 'ecc') return t.fail();
  swtpm.write('ref', policy.POLICY_REF);
  swtpm.tool(
    'tpm2_loadexternal',
    '-C',
    'o',
    '-G',
    'ecc',
    '-u',
    'op.pem',
    '-c',
    'op.ctx',
    '-n',
    'op.name',
    '-a',
    'userwithauth|sign',
  );
  swtpm.tool('tpm2_startauthsession', '-S', 's.ctx');
  swtpm.tool(
    'tpm2_policyauthorize',
    '-S',
    's.ctx',
    '-L',
    'auth.policy',
    '-n',
    'op.name',
    '-q',
    'ref',
    '-i',
    'pcr.policy',
  );
  t.is(toHex(swtpm.read('auth.policy')), toHex(policy.approverPolicy(slot.approver)));
});

tpmTest('openssl’s signature is an approval', async (t, test) => {
  const sealed = await sealStoreKey(test, { sign: false });
  const { swtpm } = test;
  swtpm.write('op.key', sealed.operator.privatePem);
  const values = await readPcrValues(await test.connect(), [7]);
  const approved = policy.pcrPolicy([7], pcrDigest(values));
  swtpm.write('message', policy.approvalMessage(approved));
  swtpm.tool('openssl', 'dgst', '-sha256', '-sign', 'op.key', '-out', 'signature', 'message');
  const signature = signatureFromDer(swtpm.read('signature'));
  t.is(await sealed.outcome(), 'denied');
  await sealed.approvals.add({ pcrs: [7], policy: approved, signature: signature! });
  t.is(await sealed.outcome(), 'opened');
});

tpmTest('tpm2_checkquote takes our quote, and not with another nonce', async (t, test) => {
  const tpm = await test.connect();
  const parent = await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY);
  const key = await attestation.createAttestationKey(tpm, parent);
  const nonce = randomBytes(20);
  const pcrs = [0, 1, 7, 16];
  const quote = await attestation.takeQuote(tpm, parent, { key, nonce, pcrs });
  const verdict = verifyQuote(quote, {
    attestationKey: key.publicBytes,
    qualifiedSigner: qualifiedNameOf(HIERARCHY.owner, [parent.name, nameOf(key.publicBytes)]),
    nonce,
    pcrs,
    previous: null,
  });
  t.is(verdict.kind, 'verified');
  await test.disconnect();
  const area = decodePublic(key.publicBytes);
  if (area?.kind !== 'ecc') return t.fail();
  const { swtpm } = test;
  swtpm.write('ak.pem', pointToPem(area.point.x, area.point.y));
  swtpm.write('q.msg', quote.statement);
  swtpm.write('q.sig', quote.signature);
  const check = ['-u', 'ak.pem', '-m', 'q.msg', '-s', 'q.sig', '-g', 'sha256', '-q'];
  swtpm.tool('tpm2_checkquote', ...check, nonce.toString('hex'));
  t.not(swtpm.tryTool('tpm2_checkquote', ...check, randomBytes(20).toString('hex')).status, 0);
  swtpm.write('q.msg', Buffer.concat([quote.statement.subarray(0, -1), Buffer.from([0])]));
  t.not(swtpm.tryTool('tpm2_checkquote', ...check, nonce.toString('hex')).status, 0);
});

tpmTest(
  'we take tpm2_quote’s quote, high s or low, and not with another nonce',
  async (t, test) => {
    const { swtpm } = test;
    swtpm.tool('tpm2_createek', '-c', 'ek.ctx', '-G', 'ecc', '-u', 'ek.pub');
    swtpm.tool('tpm2_flushcontext', '--transient-object');
    swtpm.tool(
      'tpm2_createak',
      '-C',
      'ek.ctx',
      '-c',
      'ak.ctx',
      '-G',
      'ecc',
      '-g',
      'sha256',
      '-s',
      'ecdsa',
      '-u',
      'ak.pub',
    );
    const attestationKey = swtpm.read('ak.pub').subarray(2);
    const seen = new Set<boolean>();
    for (let i = 0; i < 40 && seen.size < 2; i++) {
      const nonce = randomBytes(16);
      swtpm.tool('tpm2_flushcontext', '--transient-object');
      swtpm.tool(
        'tpm2_quote',
        '-c',
        'ak.ctx',
        '-l',
        'sha256:0,7',
        '-q',
        nonce.toString('hex'),
        '-m',
        'q.msg',
        '-s',
        'q.sig',
      );
      const [statement, signature] = [swtpm.read('q.msg'), swtpm.read('q.sig')];
      const values = await readPcrValues(await test.connect(), [0, 7]);
      await test.disconnect();
      const quote = { statement, signature, values };
      const expected = { attestationKey, qualifiedSigner: null, pcrs: [0, 7], previous: null };
      t.is(verifyQuote(quote, { ...expected, nonce }).kind, 'verified');
      t.is(verifyQuote(quote, { ...expected, nonce: randomBytes(16) }).kind, 'refused');
      seen.add(signature[signature.length - 32]! >= 0x80);
    }
    t.is(seen.size, 2, 'both kinds of s came up');
  },
);

tpmTest(
  'a credential is read by the TPM it was made for, and bound to one attestation key',
  async (t, test) => {
    const tpm = await test.connect();
    const parent = await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY);
    const key = await attestation.createAttestationKey(tpm, parent);
    const other = await attestation.createAttestationKey(tpm, parent);
    const endorsement = await attestation.endorsementKey(tpm, null);
    for (const byteLength of [1, 16, 32]) {
      const secret = new Uint8Array(randomBytes(byteLength));
      const credential = makeCredential(
        {
          endorsementKey: endorsement.publicBytes,
          attestationKeyName: nameOf(key.publicBytes),
          secret,
        },
        systemEntropy,
      )!;
      const open = (attester: Blob): Promise<{ expose(): Uint8Array }> =>
        attestation.openCredential(tpm, parent, {
          key: attester,
          credential,
          endorsementAuth: null,
        });
      t.deepEqual((await open(key)).expose(), secret);
      await t.throwsAsync(open(other));
      const object = credential.object.slice();
      object[object.length - 1]! ^= 1;
      const changed = { ...credential, object };
      await t.throwsAsync(
        attestation.openCredential(tpm, parent, {
          key,
          credential: changed,
          endorsementAuth: null,
        }),
        { message: /E_TPM_FOREIGN/ },
      );
    }
  },
);

tpmTest(
  'our endorsement key is the one that tpm2_createek finds, and its tools read our credential',
  async (t, test) => {
    const { publicBytes } = await attestation.endorsementKey(await test.connect(), null);
    await test.disconnect();
    const { swtpm } = test;
    swtpm.tool('tpm2_createek', '-c', 'ek.ctx', '-G', 'ecc', '-u', 'ek.pub');
    t.is(toHex(swtpm.read('ek.pub').subarray(2)), toHex(publicBytes));
    swtpm.tool('tpm2_flushcontext', '--transient-object');
    swtpm.tool(
      'tpm2_createak',
      '-C',
      'ek.ctx',
      '-c',
      'ak.ctx',
      '-G',
      'ecc',
      '-g',
      'sha256',
      '-s',
      'ecdsa',
      '-n',
      'ak.name',
    );
    swtpm.tool('tpm2_flushcontext', '--transient-object');
    const secret = new Uint8Array(randomBytes(20));
    const credential = makeCredential(
      { endorsementKey: publicBytes, attestationKeyName: swtpm.read('ak.name'), secret },
      systemEntropy,
    )!;
    // tpm2-tools' file: magic, version 1, and the two TPM2B.
    const head = Buffer.from('badcc0de00000001', 'hex');
    const parts = [head, sized(credential.object), sized(credential.seed)];
    swtpm.write('cred', Buffer.concat(parts));
    swtpm.tool('tpm2_startauthsession', '--policy-session', '-S', 's.ctx');
    swtpm.tool('tpm2_policysecret', '-S', 's.ctx', '-c', 'e');
    swtpm.tool(
      'tpm2_activatecredential',
      '-c',
      'ak.ctx',
      '-C',
      'ek.ctx',
      '-i',
      'cred',
      '-o',
      'out',
      '-P',
      'session:s.ctx',
    );
    t.is(toHex(swtpm.read('out')), toHex(secret));
  },
);
