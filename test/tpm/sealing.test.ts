// The store key in a TPM through reboots, updates, changes, clearing and lockout. SPEC.md 10.22.
import { randomBytes } from 'node:crypto';
import { extendPcr } from '../../src/platform/tpm/commands.js';
import { decodeSlot, encodeSlot } from '../../src/tpm/sealedSlot.js';
import { SLOT_BODY_BYTES } from '../../src/ports/keyManager.js';
import { operatorKey } from '../support/operatorKey.js';
import { sealStoreKey } from '../support/sealedStoreKey.js';
import { tpmTest, type TpmTest } from '../support/tpmTest.js';

/** As firmware measures: the value is other after it, until the next reboot. */
async function measure(test: TpmTest, index: number): Promise<void> {
  await extendPcr(await test.connect(), { index, digest: randomBytes(32) });
}

tpmTest('opens again and again, and after reboots', async (t, test) => {
  const sealed = await sealStoreKey(test);
  t.true(sealed.slot.length <= SLOT_BODY_BYTES);
  t.is(await sealed.outcome(), 'opened');
  for (let i = 0; i < 3; i++) {
    await test.reboot();
    t.is(await sealed.outcome(), 'opened');
  }
});

tpmTest(
  'a change of register 7 is refused until the next reboot, and says what to do',
  async (t, test) => {
    const sealed = await sealStoreKey(test);
    await measure(test, 7);
    const outcome = await sealed.unseal();
    if (outcome.kind !== 'refused') return t.fail();
    t.is(outcome.reason, 'denied');
    t.is(outcome.details.code, 'E_TPM_POLICY');
    t.regex(outcome.details.remedy, /beam tpm reseal/);
    await test.reboot();
    t.is(await sealed.outcome(), 'opened');
  },
);

tpmTest(
  'changes of registers 0 to 4, as updates of firmware and kernel make them, don’t matter',
  async (t, test) => {
    const sealed = await sealStoreKey(test);
    for (const index of [0, 1, 2, 3, 4]) await measure(test, index);
    t.is(await sealed.outcome(), 'opened');
  },
);

tpmTest(
  'the operator approves a new value without opening or sealing anything',
  async (t, test) => {
    const sealed = await sealStoreKey(test);
    const digest = randomBytes(32);
    await extendPcr(await test.connect(), { index: 7, digest });
    t.is(await sealed.outcome(), 'denied');
    await sealed.approveNow();
    t.is(await sealed.outcome(), 'opened');
    // Both values are approved now: the new one after the same measurement, the old one without it.
    await test.reboot();
    t.is(await sealed.outcome(), 'opened');
    await extendPcr(await test.connect(), { index: 7, digest });
    t.is(await sealed.outcome(), 'opened');
  },
);

tpmTest(
  'without the operator’s private key nothing opens until there is an approval',
  async (t, test) => {
    const sealed = await sealStoreKey(test, { sign: false });
    t.is(await sealed.outcome(), 'denied');
    await sealed.approveNow();
    t.is(await sealed.outcome(), 'opened');
  },
);

tpmTest('an approval by a stranger, or one that was changed, is none', async (t, test) => {
  const sealed = await sealStoreKey(test);
  const [good] = sealed.approvals.approvals;
  const stranger = operatorKey();
  const message = Buffer.concat([good!.policy, Buffer.from('Beam store key 1')]);
  sealed.approvals.approvals = [{ ...good!, signature: stranger.sign(message) }];
  t.is(await sealed.outcome(), 'denied');
  const signature = good!.signature.slice();
  signature[63]! ^= 1;
  sealed.approvals.approvals = [{ ...good!, signature }];
  t.is(await sealed.outcome(), 'denied');
  sealed.approvals.approvals = [good!];
  t.is(await sealed.outcome(), 'opened');
});

tpmTest('a policy over several registers holds each of them', async (t, test) => {
  const sealed = await sealStoreKey(test, { pcrs: [7, 11, 14] });
  t.is(await sealed.outcome(), 'opened');
  for (const index of [7, 11, 14]) {
    await measure(test, index);
    t.is(await sealed.outcome(), 'denied');
    await test.reboot();
    t.is(await sealed.outcome(), 'opened');
  }
});

tpmTest('a TPM that was cleared is another device', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  test.swtpm.tool('tpm2_clear', '-c', 'platform');
  const outcome = await sealed.unseal();
  if (outcome.kind !== 'refused') return t.fail();
  t.is(outcome.reason, 'otherDevice');
  t.is(outcome.details.code, 'E_TPM_MISSING');
  t.regex(outcome.details.remedy, /recover/);
  // Somebody enrols again: there is a storage key, but not the pinned one.
  const again = await sealStoreKey(test);
  t.is(await again.outcome(), 'opened');
  const other = await sealed.unseal();
  t.is(other.kind === 'refused' ? other.details.code : '', 'E_TPM_STORAGE_KEY');
});

tpmTest('the slot of one TPM opens nothing on another', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  await test.swtpm.halt();
  test.swtpm.saveState('first');
  test.swtpm.forgetState();
  await test.swtpm.boot();
  t.is(await sealed.outcome(), 'otherDevice');
  await sealStoreKey(test);
  t.is(await sealed.outcome(), 'otherDevice');
});

tpmTest('the dictionary-attack lock doesn’t touch the store key', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  const { swtpm } = test;
  swtpm.tool(
    'tpm2_dictionarylockout',
    '--setup-parameters',
    '--max-tries=2',
    '--recovery-time=1000',
  );
  swtpm.tool('tpm2_createprimary', '-c', 'primary.ctx', '-p', 'right');
  for (let i = 0; i < 4; i++) {
    swtpm.tool('tpm2_flushcontext', '--transient-object');
    swtpm.tryTool('tpm2_create', '-C', 'primary.ctx', '-P', 'wrong', '-u', 'k.pub', '-r', 'k.priv');
  }
  t.regex(swtpm.tool('tpm2_getcap', 'properties-variable'), /inLockout:\s+1/);
  swtpm.tool('tpm2_flushcontext', '--transient-object');
  t.is(await sealed.outcome(), 'opened');
  await sealed.approveNow();
  t.is(await sealed.outcome(), 'opened');
});

tpmTest(
  'with all slots taken by others it says so, and takes nothing away from them',
  async (t, test) => {
    const sealed = await sealStoreKey(test);
    await test.disconnect();
    const { swtpm } = test;
    swtpm.tool('tpm2_createprimary', '-c', 'a.ctx');
    let taken = 1;
    while (swtpm.tryTool('tpm2_createprimary', '-c', `${taken}.ctx`).status === 0) taken++;
    const handles = swtpm.tool('tpm2_getcap', 'handles-transient');
    const outcome = await sealed.unseal();
    if (outcome.kind !== 'refused') return t.fail();
    t.is(outcome.details.code, 'E_TPM_SLOTS');
    t.regex(outcome.details.remedy, /tpmrm0/);
    await test.disconnect();
    t.is(swtpm.tool('tpm2_getcap', 'handles-transient'), handles);
    swtpm.tool('tpm2_flushcontext', '--transient-object');
    t.is(await sealed.outcome(), 'opened');
  },
);

tpmTest('slots that an agent of ours left when it died are given back', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  const { swtpm } = test;
  const slot = decodeSlot(sealed.slot)!;
  swtpm.write('s.pub', Buffer.concat([sizeOf(slot.publicBytes), slot.publicBytes]));
  swtpm.write('s.priv', Buffer.concat([sizeOf(slot.privateBytes), slot.privateBytes]));
  const load = ['-C', '0x81000001', '-u', 's.pub', '-r', 's.priv', '-c', 's.ctx'];
  let left = 0;
  while (swtpm.tryTool('tpm2_load', ...load).status === 0) left++;
  t.true(left > 0);
  t.is(await sealed.outcome(), 'opened');
});

const sizeOf = (bytes: Uint8Array): Buffer => {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(bytes.length);
  return size;
};

tpmTest(
  'a damaged slot is told, or opens nothing: no byte of it can be changed',
  async (t, test) => {
    const sealed = await sealStoreKey(test);
    for (const bytes of [
      new Uint8Array(0),
      sealed.slot.slice(1),
      Buffer.concat([sealed.slot, Buffer.alloc(1)]),
    ]) {
      t.is(await sealed.outcome(bytes), 'damaged');
    }
    let opened = 0;
    for (let at = 0; at < sealed.slot.length; at += 7) {
      const changed = sealed.slot.slice();
      changed[at]! ^= 0x10;
      if ((await sealed.outcome(changed)) === 'opened') opened++;
    }
    t.is(opened, 0);
    t.is(await sealed.outcome(encodeSlot(decodeSlot(sealed.slot)!)), 'opened');
  },
);

tpmTest(
  'a storage key with other attributes at the handle is refused and left alone',
  async (t, test) => {
    const { swtpm } = test;
    swtpm.tool(
      'tpm2_createprimary',
      '-C',
      'o',
      '-G',
      'ecc256',
      '-c',
      'p.ctx',
      '-a',
      'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt',
    );
    swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', 'p.ctx', '0x81000001');
    swtpm.tool('tpm2_flushcontext', '--transient-object');
    const before = swtpm.tool('tpm2_readpublic', '-c', '0x81000001');
    await t.throwsAsync(sealStoreKey(test), { message: /E_TPM_STORAGE_KEY.*0x81000001/s });
    await test.disconnect();
    t.is(swtpm.tool('tpm2_readpublic', '-c', '0x81000001'), before);
  },
);

tpmTest('a storage key of the template that others made is taken', async (t, test) => {
  const { swtpm } = test;
  swtpm.tool(
    'tpm2_createprimary',
    '-C',
    'o',
    '-G',
    'ecc256',
    '-c',
    'p.ctx',
    '-a',
    'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt',
  );
  swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', 'p.ctx', '0x81000001');
  swtpm.tool('tpm2_flushcontext', '--transient-object');
  const sealed = await sealStoreKey(test);
  t.is(await sealed.outcome(), 'opened');
});
