// Somebody sits between the TPM and the processor, or has put another key in its place. SPEC.md 10.20
// and 10.21.
import { randomBytes } from 'node:crypto';
import { Secret } from '../../src/base/secret.js';
import { TpmStoreKeyHolder } from '../../src/platform/tpm/holder.js';
import { openTpm, TpmError } from '../../src/platform/tpm/connection.js';
import { enrolCounter, readCounter } from '../../src/platform/tpm/counter.js';
import { DEFAULT_STORAGE_KEY, enrolStorageKey } from '../../src/platform/tpm/storageKey.js';
import { decodePublic, encodePublic } from '../../src/tpm/publicArea.js';
import { decodeSlot } from '../../src/tpm/sealedSlot.js';
import { COUNTER_INDEX } from '../../src/tpm/templates.js';
import { operatorKey } from '../support/operatorKey.js';
import { ApprovalsInMemory, sealStoreKey } from '../support/sealedStoreKey.js';
import { codeOf, NV_READ, READ_PUBLIC, startProxy, type Exchange } from '../support/tpmProxy.js';
import { tpmTest, type TpmTest } from '../support/tpmTest.js';

/** Plants a storage key of the right template that isn't the pinned one. */
function plant({ swtpm }: TpmTest): void {
  const attributes =
    'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt';
  swtpm.write('unique', Buffer.concat([u16le(32), randomBytes(32), u16le(32), randomBytes(32)]));
  swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', '0x81000001');
  swtpm.tool(
    'tpm2_createprimary',
    '-C',
    'o',
    '-G',
    'ecc256',
    '-a',
    attributes,
    '-u',
    'unique',
    '-c',
    'p.ctx',
  );
  swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', 'p.ctx', '0x81000001');
  swtpm.tool('tpm2_flushcontext', '--transient-object');
}

const u16le = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8]);

tpmTest('a planted storage key is refused before anything is asked of it', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  plant(test);
  const proxy = await startProxy(test.swtpm);
  const connection = await openTpm(proxy.tcti);
  const { approvals } = sealed;
  const connect = () => Promise.resolve(connection);
  const holder = new TpmStoreKeyHolder({ connect, approvals, settings: null });
  const outcome = await holder.unseal(sealed.slot);
  await connection.close();
  await proxy.close();
  if (outcome.kind !== 'refused') return t.fail();
  t.is(outcome.reason, 'otherDevice');
  t.is(outcome.details.code, 'E_TPM_STORAGE_KEY');
  t.regex(outcome.details.found, /exchanged, or somebody pretends/);
  // Registers were read and the key was looked at; nothing was loaded and no session begun.
  const asked = new Set(proxy.exchanges.map(({ command }) => codeOf(command)));
  t.false(asked.has(0x157), 'TPM2_Load');
  t.false(asked.has(0x176), 'TPM2_StartAuthSession');
});

tpmTest('somebody who shows a key of his own under the pinned name is refused', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  const his = operatorKey().point;
  const pinned = decodeSlot(sealed.slot)!.parentPublic;
  const area = decodePublic(pinned);
  if (area?.kind !== 'ecc') return t.fail();
  const forged = encodePublic({ ...area, point: his });
  /** ReadPublic's answer: header, size and public area, names. The name stays the pinned one. */
  const forge = ({ command, response }: Exchange): Buffer => {
    const isLooked = codeOf(command) === READ_PUBLIC && response.indexOf(pinned) > 0;
    if (!isLooked) return response;
    const at = response.indexOf(pinned);
    return Buffer.concat([response.subarray(0, at), forged, response.subarray(at + forged.length)]);
  };
  const proxy = await startProxy(test.swtpm, forge);
  const connection = await openTpm(proxy.tcti);
  const { approvals } = sealed;
  const connect = () => Promise.resolve(connection);
  const holder = new TpmStoreKeyHolder({ connect, approvals, settings: null });
  const outcome = await holder.unseal(sealed.slot);
  await connection.close();
  await proxy.close();
  t.is(outcome.kind === 'refused' ? outcome.details.code : 'unsealed', 'E_TPM_STORAGE_KEY');
  await test.reboot();
  t.is(await sealed.outcome(), 'opened');
});

tpmTest(
  'a listener learns the store key neither when it is sealed nor when it is opened',
  async (t, test) => {
    const proxy = await startProxy(test.swtpm);
    const connection = await openTpm(proxy.tcti);
    const connect = () => Promise.resolve(connection);
    const operator = operatorKey();
    const approvals = new ApprovalsInMemory();
    const settings = { pcrs: [7], approver: { point: operator.point, sign: operator.sign } };
    const holder = new TpmStoreKeyHolder({ connect, approvals, settings });
    const storeKey = randomBytes(32);
    const slot = await holder.seal(new Secret(new Uint8Array(storeKey)));
    const outcome = await holder.unseal(slot);
    await connection.close();
    await proxy.close();
    if (outcome.kind !== 'unsealed') return t.fail(outcome.details.found);
    t.is(Buffer.compare(outcome.storeKey.expose(), storeKey), 0);
    const heard = Buffer.concat(
      proxy.exchanges.flatMap(({ command, response }) => [command, response]),
    );
    // The listener does hear what isn't encrypted.
    t.true(heard.includes(Buffer.from('Beam store key 1')));
    for (let at = 0; at + 8 <= storeKey.length; at++) {
      t.false(heard.includes(storeKey.subarray(at, at + 8)));
    }
  },
);

tpmTest('a counter’s value can’t be made up on the way', async (t, test) => {
  const tpm = await test.connect();
  const parent = await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY);
  const value = await enrolCounter({ tpm, parent, index: COUNTER_INDEX }, null);
  await test.disconnect();
  /** The last byte of the first parameter: header, size of parameters, size of the TPM2B, 8 bytes. */
  const forge = ({ command, response }: Exchange): Buffer => {
    if (codeOf(command) !== NV_READ || response.readUInt16BE(0) !== 0x8002) return response;
    const changed = Buffer.from(response);
    changed[10 + 4 + 2 + 7]! ^= 1;
    return changed;
  };
  const proxy = await startProxy(test.swtpm, forge);
  const listened = await openTpm(proxy.tcti);
  const error = await t.throwsAsync(readCounter({ tpm: listened, parent, index: COUNTER_INDEX }), {
    instanceOf: TpmError,
  });
  t.is(error.kind, 'tampered', error.message);
  await listened.close();
  await proxy.close();
  await test.reboot();
  t.is(await readCounter({ tpm: await test.connect(), parent, index: COUNTER_INDEX }), value);
});

tpmTest('answers that are nonsense end in an error, whatever they are', async (t, test) => {
  const sealed = await sealStoreKey(test);
  await test.disconnect();
  const nonsense: ((response: Buffer) => Buffer)[] = [
    (response) => Buffer.concat([response.subarray(0, 10), randomBytes(response.length - 10)]),
    (response) => Buffer.concat([response.subarray(0, response.length - 1), Buffer.from([0xff])]),
    (response) => {
      const short = Buffer.from(response.subarray(0, Math.max(10, response.length >> 1)));
      short.writeUInt32BE(short.length, 2);
      return short;
    },
  ];
  for (const change of nonsense) {
    let count = 0;
    const proxy = await startProxy(test.swtpm, ({ response }) =>
      count++ < 4 ? response : change(response),
    );
    const connect = () => openTpm(proxy.tcti);
    const { approvals } = sealed;
    const connection = await connect().catch(() => null);
    if (connection !== null) {
      const opened = () => Promise.resolve(connection);
      const holder = new TpmStoreKeyHolder({ connect: opened, approvals, settings: null });
      const outcome = await holder.unseal(sealed.slot);
      t.is(outcome.kind, 'refused');
      await connection.close();
    }
    await proxy.close();
    await test.swtpm.reboot();
  }
  t.is(await sealed.outcome(), 'opened');
});
