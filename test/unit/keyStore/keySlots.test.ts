import { argon2id } from '@noble/hashes/argon2.js';
import test from 'ava';
import { Secret } from '../../../src/base/secret.js';
import {
  decodePassphraseSlot,
  MODERATE_COST,
  openRecoverySlot,
  passphraseParameters,
  sealRecoverySlot,
} from '../../../src/keyStore/keySlots.js';
import { passphraseHolder, stretch } from '../../../src/platform/keyStore/passphraseHolder.js';
import { seededEntropy } from '../../support/seededEntropy.js';

/** Weak on purpose: the tests are about the slot, not about the time it takes. */
const cost = { passes: 1, memoryKib: 64 };
const storeId = new Uint8Array(16).fill(1);
const storeKey = new Secret(new Uint8Array(32).fill(5));
const secretOf = (text: string): Secret => new Secret(new TextEncoder().encode(text));
const holder = (passphrase: string, of = storeId): ReturnType<typeof passphraseHolder> =>
  passphraseHolder({
    passphrase: secretOf(passphrase),
    kind: 'passphrase',
    storeId: of,
    entropy: seededEntropy('slot'),
    cost,
  });

test('the passphrase that sealed unseals, and no other', async (t) => {
  const body = await holder('correct horse').seal(storeKey);
  t.is(body.length, 73);
  const outcome = await holder('correct horse').unseal(body);
  t.is(outcome.kind, 'unsealed');
  if (outcome.kind === 'unsealed') {
    t.deepEqual(new Uint8Array(outcome.storeKey.expose()), storeKey.expose());
  }
  for (const wrong of ['', 'correct horse ', 'Correct horse', 'correct\0horse']) {
    const refused = await holder(wrong).unseal(body);
    t.is(refused.kind === 'refused' && refused.reason, 'denied', JSON.stringify(wrong));
  }
  const elsewhere = await holder('correct horse', new Uint8Array(16)).unseal(body);
  t.is(elsewhere.kind === 'refused' && elsewhere.reason, 'denied', 'in another store');
});

test('a passphrase slot with any byte changed is refused without a throw', async (t) => {
  const body = await holder('correct horse').seal(storeKey);
  for (let at = 0; at < body.length; at++) {
    // The high bytes of the cost would ask for gigabytes: those within bounds are left out.
    if (at === 5 || at === 6) continue;
    const changed = body.slice();
    changed[at]! ^= at < 9 ? 0x80 : 1;
    t.is((await holder('correct horse').unseal(changed)).kind, 'refused', `byte ${at}`);
  }
});

test('a slot whose cost is out of bounds is damaged, and is not computed', (t) => {
  const body = new Uint8Array(73);
  body[0] = 1;
  const withCost = (passes: number, memoryKib: number): Uint8Array => {
    const view = new DataView(body.buffer);
    view.setUint32(1, passes);
    view.setUint32(5, memoryKib);
    return body;
  };
  t.truthy(decodePassphraseSlot(withCost(3, 262_144)));
  t.truthy(decodePassphraseSlot(withCost(64, 4 * 1024 * 1024)));
  t.is(decodePassphraseSlot(withCost(0, 262_144)), null);
  t.is(decodePassphraseSlot(withCost(65, 262_144)), null);
  t.is(decodePassphraseSlot(withCost(3, 7)), null);
  t.is(decodePassphraseSlot(withCost(3, 4 * 1024 * 1024 + 1)), null);
  t.is(decodePassphraseSlot(withCost(3, 262_144).subarray(1)), null);
  body[0] = 2;
  t.is(decodePassphraseSlot(body), null, 'another algorithm');
  t.throws(() => passphraseParameters({ passes: 0, memoryKib: 64 }, new Uint8Array(16)));
});

test('new slots cost what libsodium calls moderate', (t) => {
  t.deepEqual(MODERATE_COST, { passes: 3, memoryKib: 262_144 });
});

test('stretching is Argon2id as @noble/hashes computes it', async (t) => {
  const salt = seededEntropy('salt')(16);
  for (const { passes, memoryKib } of [cost, { passes: 3, memoryKib: 256 }]) {
    const key = await stretch(secretOf('password'), { cost: { passes, memoryKib }, salt });
    const twin = argon2id('password', salt, { t: passes, m: memoryKib, p: 1, dkLen: 32 });
    t.deepEqual(new Uint8Array(key.expose()), twin);
  }
});

test('the recovery key that sealed opens, and no other key, store or bytes', (t) => {
  const recoveryKey = new Secret(new Uint8Array(32).fill(8));
  const body = sealRecoverySlot(storeKey, recoveryKey, {
    storeId,
    salt: new Uint8Array(16).fill(2),
  });
  t.is(body.length, 64);
  const opened = openRecoverySlot(body, recoveryKey, storeId)!;
  t.deepEqual(new Uint8Array(opened.expose()), storeKey.expose());
  t.is(openRecoverySlot(body, new Secret(new Uint8Array(32)), storeId), null);
  t.is(openRecoverySlot(body, recoveryKey, new Uint8Array(16)), null);
  for (let at = 0; at < body.length; at++) {
    const changed = body.slice();
    changed[at]! ^= 1;
    t.is(openRecoverySlot(changed, recoveryKey, storeId), null, `byte ${at}`);
  }
  t.is(openRecoverySlot(body.subarray(1), recoveryKey, storeId), null);
});
