import test from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { identityOf } from '../../../src/identity/identity.js';
import { signatureInput, verifySigned } from '../../../src/identity/identitySignature.js';
import {
  newestKeyName,
  softwareKeyManager,
} from '../../../src/platform/keyStore/softwareKeyManager.js';
import type { SoftwareKeyManager } from '../../../src/ports/keyManager.js';
import { ed25519 } from '../../../src/crypto/signature.js';
import { memoryBlobs } from '../../support/memoryBlobs.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const manager = (blobs = memoryBlobs()): SoftwareKeyManager =>
  softwareKeyManager(blobs, seededEntropy('software'));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof OperatorError ? error.code : String(error)),
  );
const message = new TextEncoder().encode('message');

test('an identity is made once, loaded again, and its signatures are those of its did:key', async (t) => {
  const blobs = memoryBlobs();
  t.is(await manager(blobs).loadIdentity(), null);
  const made = await manager(blobs).createIdentity();
  t.is(await codeOf(manager(blobs).createIdentity()), 'E_KEY_EXISTS');
  t.deepEqual(await manager(blobs).loadIdentity(), made);
  const identity = identityOf(made.algorithm, made.publicKey)!;
  const signature = await manager(blobs).signWithIdentity(signatureInput('statement', message));
  t.truthy(verifySigned({ identity, purpose: 'statement', message }, signature));
});

test('without a key nothing is signed, rotated or destroyed', async (t) => {
  const keys = manager();
  t.is(await codeOf(keys.signWithIdentity(message)), 'E_NO_KEY');
  t.is(await codeOf(keys.signWithTunnelKey('wg0', message)), 'E_NO_KEY');
  t.is(await codeOf(keys.rotateTunnelKey('wg0')), 'E_NO_KEY');
  t.is(await keys.loadTunnelKey('wg0'), null);
  t.false(await keys.destroy({ kind: 'identity' }));
  t.deepEqual(await keys.list(), []);
});

test('rotation makes a further generation that signs, and the one before stays until destroyed', async (t) => {
  const keys = manager();
  const first = await keys.createTunnelKey('wg0');
  await keys.createTunnelKey('wg1');
  t.is(await codeOf(keys.createTunnelKey('wg0')), 'E_KEY_EXISTS');
  const second = await keys.rotateTunnelKey('wg0');
  t.deepEqual(second.name, { kind: 'tunnel', tunnelId: 'wg0', generation: 2 });
  t.notDeepEqual(first.publicKey, second.publicKey);
  const signature = await keys.signWithTunnelKey('wg0', message);
  t.true(ed25519.verify(second.publicKey, message, signature));
  t.is((await keys.list()).length, 3);
  t.true(await keys.destroy(second.name));
  t.true(ed25519.verify(first.publicKey, message, await keys.signWithTunnelKey('wg0', message)));
  t.is(await codeOf(keys.createTunnelKey('wg0')), 'E_KEY_EXISTS', 'the first is still there');
});

test('the tenth generation is newer than the ninth', async (t) => {
  const blobs = memoryBlobs();
  for (const generation of [10, 9, 1]) {
    await blobs.write({ kind: 'tunnel', tunnelId: 'wg0', generation }, new Uint8Array(32));
  }
  t.is(newestKeyName(blobs, 'wg0')?.generation, 10);
  t.is(newestKeyName(blobs, 'wg'), null);
});

test('an exported key comes back as the same key, and never over another', async (t) => {
  const [from, to] = [manager(), softwareKeyManager(memoryBlobs(), seededEntropy('other'))];
  const made = await from.createIdentity();
  const seed = (await from.exportKey({ kind: 'identity' }))!;
  t.deepEqual(await to.importKey({ kind: 'identity' }, seed), made);
  t.is(await codeOf(to.importKey({ kind: 'identity' }, seed)), 'E_KEY_EXISTS');
  t.is(await from.exportKey({ kind: 'tunnel', tunnelId: 'wg0', generation: 1 }), null);
});

test('a blob that another holder wrote is named, not used', async (t) => {
  const blobs = memoryBlobs();
  await blobs.write({ kind: 'identity' }, new Uint8Array(200));
  await t.throwsAsync(async () => manager(blobs).loadIdentity(), { message: /E_KEY_HOLDER/ });
});
