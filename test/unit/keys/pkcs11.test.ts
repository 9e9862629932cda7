// A real token, SoftHSM 2, in a folder of the test's own. SPEC.md 10.12.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { Secret } from '../../../src/base/secret.js';
import { p256 } from '../../../src/crypto/signature.js';
import { identityOf } from '../../../src/identity/identity.js';
import { signatureInput, verifySigned } from '../../../src/identity/identitySignature.js';
import { pkcs11KeyManager } from '../../../src/platform/pkcs11/keyManager.js';
import { pkcs11StoreKeyHolder } from '../../../src/platform/pkcs11/storeKeyHolder.js';
import { TokenSession, type TokenOptions } from '../../../src/platform/pkcs11/token.js';
import { systemEntropy } from '../../../src/platform/entropy.js';
import type { Pkcs11KeyManager, UnsealOutcome } from '../../../src/ports/keyManager.js';
import { memoryBlobs } from '../../support/memoryBlobs.js';
import { skip } from '../../support/skip.js';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
];
const folder = mkdtempSync(join(tmpdir(), 'beam-hsm-'));
test.after.always(() => rmSync(folder, { recursive: true }));
const modulePath = MODULES.find(existsSync) ?? null;

function missing(): string | null {
  if (modulePath === null) return 'no SoftHSM 2 (softhsm2)';
  try {
    createRequire(import.meta.url)('pkcs11js');
    return null;
  } catch {
    return 'pkcs11js is not built (scripts/buildPkcs11.sh)';
  }
}

if (missing() === null) {
  mkdirSync(join(folder, 'tokens'));
  const config = join(folder, 'softhsm2.conf');
  writeFileSync(config, `directories.tokendir = ${join(folder, 'tokens')}\nlog.level = ERROR\n`);
  process.env['SOFTHSM2_CONF'] = config;
  for (const label of ['beam', 'other']) {
    const args = [
      '--init-token',
      '--free',
      '--label',
      label,
      '--so-pin',
      'so-pin',
      '--pin',
      'user-pin',
    ];
    const { status, stderr } = spawnSync('softhsm2-util', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }
}

const options = (tokenLabel = 'beam', pin = 'user-pin'): TokenOptions => ({
  modulePath: modulePath!,
  tokenLabel,
  pin: new Secret(new TextEncoder().encode(pin)),
});

const tokenTest = (claim: string, run: (t: ExecutionContext) => Promise<void>): void =>
  test.serial(claim, async (t) => {
    const reason = missing();
    if (reason === null) await run(t);
    else skip(t, reason);
  });

const storeKey = new Secret(new Uint8Array(32).fill(5));
const reasonOf = (outcome: UnsealOutcome): string =>
  outcome.kind === 'refused' ? outcome.reason : outcome.kind;
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof OperatorError ? error.code : String(error)),
  );
const holder = (tokenLabel?: string, pin?: string): ReturnType<typeof pkcs11StoreKeyHolder> =>
  pkcs11StoreKeyHolder(options(tokenLabel, pin), systemEntropy);

tokenTest(
  'a store key that the token wrapped comes back, and each slot has its own key',
  async (t) => {
    const [first, second] = [await holder().seal(storeKey), await holder().seal(storeKey)];
    t.is(first.length, 77);
    t.notDeepEqual(first, second);
    for (const body of [first, second]) {
      const outcome = await holder().unseal(body);
      t.is(reasonOf(outcome), 'unsealed');
      if (outcome.kind === 'unsealed') t.deepEqual(outcome.storeKey.expose(), storeKey.expose());
    }
    await holder().destroySeal(first);
    await holder().destroySeal(first);
    t.is(reasonOf(await holder().unseal(first)), 'otherDevice');
    t.is(reasonOf(await holder().unseal(second)), 'unsealed');
  },
);

tokenTest('a slot with any byte changed, or of another length, is refused', async (t) => {
  const body = await holder().seal(storeKey);
  for (let at = 0; at < body.length; at++) {
    const changed = body.slice();
    changed[at]! ^= 1;
    t.not(reasonOf(await holder().unseal(changed)), 'unsealed', `byte ${at}`);
  }
  for (const other of [body.subarray(1), new Uint8Array(0), new Uint8Array(200)]) {
    t.is(reasonOf(await holder().unseal(other)), 'damaged');
  }
});

tokenTest('another token, no token, no module and a wrong PIN are told apart', async (t) => {
  const body = await holder().seal(storeKey);
  t.is(reasonOf(await holder('other').unseal(body)), 'otherDevice');
  t.is(reasonOf(await holder('nowhere').unseal(body)), 'absent');
  t.is(reasonOf(await holder('beam', 'wrong-pin').unseal(body)), 'denied');
  const gone = { ...options(), modulePath: '/nonexistent.so' };
  t.is(reasonOf(await pkcs11StoreKeyHolder(gone, systemEntropy).unseal(body)), 'absent');
  t.is(reasonOf(await holder().unseal(body)), 'unsealed', 'and the right one still works');
});

const manager = (blobs = memoryBlobs()): Pkcs11KeyManager =>
  pkcs11KeyManager(TokenSession.open(options()), blobs, systemEntropy);
const message = new TextEncoder().encode('message');

tokenTest(
  'an identity made in the token signs with low s, is found again, and is destroyed',
  async (t) => {
    const blobs = memoryBlobs();
    const first = manager(blobs);
    const made = await first.createIdentity();
    t.is(await codeOf(first.createIdentity()), 'E_KEY_EXISTS');
    await first.close();
    const again = manager(blobs);
    t.deepEqual(await again.loadIdentity(), made);
    const identity = identityOf('p256', made.publicKey)!;
    const input = signatureInput('statement', message);
    // Half of all signatures come with a high s: 32 without one would be luck of 1 in 2^32.
    const signatures = await Promise.all(
      Array.from({ length: 32 }, () => again.signWithIdentity(input)),
    );
    for (const signature of signatures) {
      t.truthy(verifySigned({ identity, purpose: 'statement', message }, signature));
    }
    t.true(await again.destroy({ kind: 'identity' }));
    t.false(await again.destroy({ kind: 'identity' }));
    t.is(await codeOf(again.signWithIdentity(input)), 'E_NO_KEY');
    await again.close();
  },
);

tokenTest('signing keys of a tunnel are made, rotated and listed', async (t) => {
  const keys = manager();
  t.is(await codeOf(keys.rotateTunnelKey('wg0')), 'E_NO_KEY');
  t.is(await codeOf(keys.signWithTunnelKey('wg0', message)), 'E_NO_KEY');
  const first = await keys.createTunnelKey('wg0');
  t.is(await codeOf(keys.createTunnelKey('wg0')), 'E_KEY_EXISTS');
  const second = await keys.rotateTunnelKey('wg0');
  t.notDeepEqual(first.publicKey, second.publicKey);
  t.true(p256.verify(second.publicKey, message, await keys.signWithTunnelKey('wg0', message)));
  t.deepEqual(await keys.list(), [first, second]);
  t.true(await keys.destroy(second.name));
  t.true(p256.verify(first.publicKey, message, await keys.signWithTunnelKey('wg0', message)));
  await keys.close();
});

tokenTest('a record whose key the token does not have is named, not used', async (t) => {
  const blobs = memoryBlobs();
  await blobs.write({ kind: 'identity' }, new Uint8Array(16));
  const keys = manager(blobs);
  t.is(await codeOf(keys.loadIdentity()), 'E_KEY_HOLDER');
  t.is(await codeOf(keys.signWithIdentity(message)), 'E_KEY_HOLDER');
  await keys.close();
});
