// Identity and tunnel keys in a software TPM, and its counter. SPEC.md 10.20 and 10.23.
import { randomBytes } from 'node:crypto';
import { OperatorError } from '../../src/base/errors.js';
import { p256 } from '../../src/crypto/signature.js';
import { extendPcr } from '../../src/platform/tpm/commands.js';
import { tpmKeyManager, tpmRollbackCounter } from '../../src/platform/tpm/keyManager.js';
import { DEFAULT_STORAGE_KEY, enrolStorageKey } from '../../src/platform/tpm/storageKey.js';
import { enrolCounter } from '../../src/platform/tpm/counter.js';
import { TpmError } from '../../src/platform/tpm/connection.js';
import type { TpmKeyManager } from '../../src/ports/keyManager.js';
import { COUNTER_INDEX } from '../../src/tpm/templates.js';
import { KeyBlobsInMemory } from '../support/keyBlobsInMemory.js';
import { tpmTest, type TpmTest } from '../support/tpmTest.js';

async function managerOn(test: TpmTest, blobs = new KeyBlobsInMemory()): Promise<TpmKeyManager> {
  const tpm = await test.connect();
  const parent = await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY);
  await enrolCounter({ tpm, parent, index: COUNTER_INDEX }, null);
  return tpmKeyManager({ tpm, parent, blobs });
}

tpmTest(
  'the identity signs, before and after a reboot, and by another process',
  async (t, test) => {
    const blobs = new KeyBlobsInMemory();
    const manager = await managerOn(test, blobs);
    t.is(await manager.loadIdentity(), null);
    const identity = await manager.createIdentity();
    t.is(identity.algorithm, 'p256');
    t.true(p256.isPublicKey(identity.publicKey));
    await test.reboot();
    const later = await managerOn(test, blobs);
    t.deepEqual(await later.loadIdentity(), identity);
    for (const byteLength of [0, 1, 32, 5000]) {
      const message = randomBytes(byteLength);
      const signature = await later.signWithIdentity(message);
      // This verifier refuses a high s.
      t.true(p256.verify(identity.publicKey, message, signature));
      t.false(
        p256.verify(identity.publicKey, Buffer.concat([message, Buffer.alloc(1)]), signature),
      );
    }
  },
);

tpmTest('tunnels have keys of their own; the newest generation signs', async (t, test) => {
  const manager = await managerOn(test);
  await manager.createIdentity();
  const first = await manager.createTunnelKey('beam0');
  const other = await manager.createTunnelKey('office');
  const second = await manager.rotateTunnelKey('beam0');
  t.deepEqual(await manager.loadTunnelKey('beam0'), second);
  const message = randomBytes(40);
  const signature = await manager.signWithTunnelKey('beam0', message);
  t.true(p256.verify(second.publicKey, message, signature));
  t.false(p256.verify(first.publicKey, message, signature));
  t.false(p256.verify(other.publicKey, message, signature));
  const listed = (await manager.list()).map(({ name }) => name);
  t.deepEqual(listed, [
    { kind: 'identity' },
    { kind: 'tunnel', tunnelId: 'beam0', generation: 1 },
    { kind: 'tunnel', tunnelId: 'beam0', generation: 2 },
    { kind: 'tunnel', tunnelId: 'office', generation: 1 },
  ]);
  t.true(await manager.destroy({ kind: 'tunnel', tunnelId: 'beam0', generation: 2 }));
  t.false(await manager.destroy({ kind: 'tunnel', tunnelId: 'beam0', generation: 2 }));
  t.deepEqual(await manager.loadTunnelKey('beam0'), first);
});

tpmTest('a key that is there is not made again, one that isn’t doesn’t sign', async (t, test) => {
  const manager = await managerOn(test);
  await manager.createIdentity();
  await manager.createTunnelKey('beam0');
  const cases: [OperatorError['code'], () => Promise<unknown>][] = [
    ['E_KEY_EXISTS', () => manager.createIdentity()],
    ['E_KEY_EXISTS', () => manager.createTunnelKey('beam0')],
    ['E_NO_KEY', () => manager.rotateTunnelKey('none')],
    ['E_NO_KEY', () => manager.signWithTunnelKey('none', randomBytes(1))],
  ];
  for (const [code, attempt] of cases) {
    const error = await t.throwsAsync(attempt, { instanceOf: OperatorError });
    t.is(error.code, code);
  }
});

tpmTest(
  'a record that isn’t a blob is told; a blob with one bit changed doesn’t sign',
  async (t, test) => {
    const blobs = new KeyBlobsInMemory();
    const manager = await managerOn(test, blobs);
    await manager.createIdentity();
    const good = blobs.records.get('{"kind":"identity"}')!;
    for (const bytes of [new Uint8Array(0), good.slice(1), good.slice(0, -1), Buffer.alloc(200)]) {
      await blobs.write({ kind: 'identity' }, bytes);
      await t.throwsAsync(() => manager.loadIdentity(), { message: /E_TPM_BLOB/ });
    }
    const changed = good.slice();
    changed[30]! ^= 1;
    await blobs.write({ kind: 'identity' }, changed);
    await t.throwsAsync(manager.signWithIdentity(randomBytes(1)), { message: /E_TPM_FOREIGN/ });
  },
);

tpmTest('the blob of one TPM is foreign to another', async (t, test) => {
  const blobs = new KeyBlobsInMemory();
  await (await managerOn(test, blobs)).createIdentity();
  await test.disconnect();
  await test.swtpm.halt();
  test.swtpm.forgetState();
  await test.swtpm.boot();
  const manager = await managerOn(test, blobs);
  await t.throwsAsync(manager.signWithIdentity(randomBytes(1)), { message: /E_TPM_FOREIGN/ });
});

tpmTest('registers and the lock have no say in signing', async (t, test) => {
  const manager = await managerOn(test);
  await manager.createIdentity();
  await extendPcr(await test.connect(), { index: 7, digest: randomBytes(32) });
  await t.notThrowsAsync(manager.signWithIdentity(randomBytes(1)));
});

tpmTest('the counter goes up by one each time, through reboots', async (t, test) => {
  const tpm = await test.connect();
  const unmade = tpmRollbackCounter(tpm, await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY));
  for (const attempt of [() => unmade.read(), () => unmade.increment()]) {
    await t.throwsAsync(attempt, { instanceOf: TpmError, message: /E_TPM_MISSING/ });
  }
  const counter = (await managerOn(test)).rollbackCounter;
  const first = await counter.read();
  t.is(await counter.increment(), first + 1n);
  await test.reboot();
  const later = (await managerOn(test)).rollbackCounter;
  t.is(await later.read(), first + 1n);
  t.is(await later.increment(), first + 2n);
});

tpmTest(
  'a counter that was removed and made again is above every value it had',
  async (t, test) => {
    const counter = (await managerOn(test)).rollbackCounter;
    for (let i = 0; i < 5; i++) await counter.increment();
    const before = await counter.read();
    await test.disconnect();
    test.swtpm.tool('tpm2_nvundefine', '-C', 'o', `0x${COUNTER_INDEX.toString(16)}`);
    const again = (await managerOn(test)).rollbackCounter;
    t.true((await again.read()) > before);
  },
);

tpmTest(
  'a TPM whose state was put back shows a counter below the one that was seen',
  async (t, test) => {
    const { swtpm } = test;
    const blobs = new KeyBlobsInMemory();
    const manager = await managerOn(test, blobs);
    await manager.createIdentity();
    const old = await manager.rollbackCounter.increment();
    await test.disconnect();
    await swtpm.halt();
    swtpm.saveState('old');
    await swtpm.boot();
    const seen = await (await managerOn(test, blobs)).rollbackCounter.increment();
    t.is(seen, old + 1n);
    await test.disconnect();
    await swtpm.halt();
    swtpm.restoreState('old');
    await swtpm.boot();
    // Everything else is as it was: only the counter tells.
    const restored = await managerOn(test, blobs);
    await t.notThrowsAsync(restored.signWithIdentity(randomBytes(1)));
    t.is(await restored.rollbackCounter.read(), old);
    t.true((await restored.rollbackCounter.read()) < seen);
  },
);

tpmTest(
  'an index of another kind at the counter’s place is refused and left alone',
  async (t, test) => {
    const { swtpm } = test;
    const index = `0x${COUNTER_INDEX.toString(16)}`;
    swtpm.tool(
      'tpm2_nvdefine',
      '-C',
      'o',
      '-s',
      '8',
      '-a',
      'ownerread|ownerwrite|authread|authwrite',
      index,
    );
    const before = swtpm.tool('tpm2_nvreadpublic', index);
    await t.throwsAsync(managerOn(test), { message: /E_TPM_COUNTER/ });
    await test.disconnect();
    t.is(swtpm.tool('tpm2_nvreadpublic', index), before);
  },
);
