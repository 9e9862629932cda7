import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { p256 } from '@noble/curves/nist.js';
import test from 'ava';
import {
  createBackup,
  destroyBackup,
  readBackup,
  type BackupKeys,
  type BackupTarget,
} from '../../../src/agent/keys/backup.js';
import { initStore, managerOf, restoreStore } from '../../../src/agent/keys/keyStoreService.js';
import type { StorePlace, StoreSession } from '../../../src/agent/keys/storeSession.js';
import { OperatorError } from '../../../src/base/errors.js';
import { Secret } from '../../../src/base/secret.js';
import { wallTime } from '../../../src/base/time.js';
import { ed25519PublicKey, signEd25519, toLowS } from '../../../src/crypto/signature.js';
import { xwingPublicKey } from '../../../src/crypto/xwing.js';
import { identityOf } from '../../../src/identity/identity.js';
import {
  encodeSuccession,
  successionSignatureInput,
  verifySuccession,
} from '../../../src/identity/succession.js';
import { checksum, CHECKSUM_BYTES } from '../../../src/keyStore/storeFormat.js';
import type { KeyManager, Pkcs11KeyManager } from '../../../src/ports/keyManager.js';
import { CrashDisk } from '../../support/crashDisk.js';
import { seededEntropy } from '../../support/seededEntropy.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-backup-'));
test.after.always(() => rmSync(folder, { recursive: true }));

/** Weak on purpose. */
const cost = { passes: 1, memoryKib: 64 };
const now = wallTime(1_790_000_000_000);
const secretOf = (text: string): Secret => new Secret(new TextEncoder().encode(text));
const seed = (): Secret => new Secret(new Uint8Array(32).fill(4));
const TUNNEL = { purpose: 'tunnelKey', name: 'wg0' } as const;

let stores = 0;
const place = (): StorePlace => ({
  path: join(folder, `store${stores++}`),
  files: new CrashDisk(),
  entropy: seededEntropy(`backup ${stores}`),
  counter: null,
});

async function device(): Promise<StoreSession> {
  const options = { passphrase: secretOf('p'), recoveryKey: null, cost };
  const { session } = await initStore(place(), options);
  session.store.set(TUNNEL, new Uint8Array(32).fill(6));
  await managerOf(session).createTunnelKey('wg0');
  return session;
}

const keysWith = (passphrase: string | null, key: Secret | null = null): BackupKeys => ({
  entropy: seededEntropy('keys'),
  passphrase: () => Promise.resolve(passphrase === null ? null : secretOf(passphrase)),
  recipientKey: () => Promise.resolve(key),
});
const underPassphrase = (): BackupTarget => ({
  kind: 'passphrase',
  passphrase: secretOf('b'),
  cost,
});
const forRecipient = (): BackupTarget => ({ kind: 'recipient', publicKey: xwingPublicKey(seed()) });

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof OperatorError ? error.code : String(error)),
  );

for (const [whom, target, keys] of [
  ['under a passphrase', underPassphrase, () => keysWith('b')],
  ['for a recipient', forRecipient, () => keysWith(null, seed())],
] as const) {
  test(`a backup ${whom} restores identity, signing keys and tunnel keys into another store`, async (t) => {
    const session = await device();
    const made = await createBackup(session, managerOf(session), { target: target(), now });
    t.is(made.did, made.restoresAs);
    const backup = await readBackup(made.bytes, 'file', keys());
    t.is(backup.did, made.did);
    t.is(backup.createdAt, now);
    const restored = await restoreStore(
      place(),
      { passphrase: secretOf('q'), recoveryKey: null, cost },
      backup,
    );
    destroyBackup(backup);
    t.deepEqual(await managerOf(restored.session).list(), await managerOf(session).list());
    t.deepEqual(
      restored.session.store.read(TUNNEL)!.expose(),
      session.store.read(TUNNEL)!.expose(),
    );
    t.notDeepEqual(restored.session.store.storeId, session.store.storeId);
    t.notDeepEqual(restored.session.store.storeKey.expose(), session.store.storeKey.expose());
    t.is(restored.identity.did, made.did);
  });

  test(`a backup ${whom} with any bit changed or any length is refused with an operator's error`, async (t) => {
    const session = await device();
    const { bytes } = await createBackup(session, managerOf(session), { target: target(), now });
    const positions = bytes.length > 400 ? 17 : 1;
    for (let at = 0; at < bytes.length; at += positions) {
      const changed = bytes.slice();
      changed[at]! ^= 1;
      t.regex(await codeOf(readBackup(changed, 'file', keys())), /^E_/, `byte ${at}`);
      // Argon2id's parameters are left alone here: they might ask for gigabytes.
      if (whom === 'under a passphrase' && at >= 13 && at < 38) continue;
      const whole = changed.subarray(0, -CHECKSUM_BYTES);
      if (at >= whole.length) continue;
      changed.set(checksum(whole), whole.length);
      t.regex(
        await codeOf(readBackup(changed, 'file', keys())),
        /^E_/,
        `byte ${at}, checksum mended`,
      );
    }
    for (let length = 0; length < bytes.length; length += positions) {
      t.is(
        await codeOf(readBackup(bytes.slice(0, length), 'file', keys())),
        'E_BACKUP',
        String(length),
      );
    }
  });
}

test('a wrong passphrase, another recipient, and nothing at all are told apart', async (t) => {
  const session = await device();
  const manager = managerOf(session);
  const first = await createBackup(session, manager, { target: underPassphrase(), now });
  t.is(await codeOf(readBackup(first.bytes, 'f', keysWith('c'))), 'E_KEY_PASSPHRASE');
  t.is(await codeOf(readBackup(first.bytes, 'f', keysWith(null, seed()))), 'E_BACKUP_LOCKED');
  const second = await createBackup(session, manager, { target: forRecipient(), now });
  const other = new Secret(new Uint8Array(32));
  t.is(await codeOf(readBackup(second.bytes, 'f', keysWith('b', other))), 'E_BACKUP_LOCKED');
  t.is(await codeOf(readBackup(second.bytes, 'f', keysWith('b'))), 'E_BACKUP_LOCKED');
  const target = { kind: 'recipient', publicKey: new Uint8Array(1216).fill(255) } as const;
  t.is(await codeOf(createBackup(session, manager, { target, now })), 'E_BACKUP_RECIPIENT');
});

test('no byte of a key is in a backup', async (t) => {
  const session = await device();
  const { bytes } = await createBackup(session, managerOf(session), {
    target: forRecipient(),
    now,
  });
  for (const { value } of session.store.records()) {
    t.false(Buffer.from(bytes).includes(Buffer.from(value.expose())));
  }
});

/** Hardware as far as a backup sees it: it signs, and nothing of its key comes out. */
const hardwareSeed = new Uint8Array(32).fill(9);
function hardwareManager(): KeyManager {
  const publicKey = p256.getPublicKey(hardwareSeed, true);
  const held = { name: { kind: 'identity' }, algorithm: 'p256', publicKey } as const;
  const own: Partial<Pkcs11KeyManager> = {
    kind: 'pkcs11',
    algorithm: 'p256',
    loadIdentity: () => Promise.resolve(held),
    signWithIdentity: (message) => Promise.resolve(toLowS(p256.sign(message, hardwareSeed))),
  };
  return own as Pkcs11KeyManager;
}

test('of a hardware identity the backup holds a successor that the hardware named', async (t) => {
  const session = await device();
  session.store.set({ purpose: 'identity', name: 'identity' }, new Uint8Array(200));
  const made = await createBackup(session, hardwareManager(), { target: underPassphrase(), now });
  t.not(made.did, made.restoresAs);
  const backup = await readBackup(made.bytes, 'file', keysWith('b'));
  t.is(backup.identity.did, made.restoresAs);
  const names = backup.records.map(({ purpose, name }) => `${purpose} ${name}`).sort();
  t.deepEqual(names, ['identity identity', 'succession statement', 'tunnelKey wg0']);
  const statement = backup.records.find(({ purpose }) => purpose === 'succession')!;
  const verified = verifySuccession(statement.value.expose())!;
  t.is(verified.from.did, made.did);
  t.is(verified.to.did, made.restoresAs);
  t.is(verified.preparedAt, now);
});

test('a succession statement with any bit changed, another length or one signature missing is none', (t) => {
  const [oldSeed, newSeed] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const from = identityOf('ed25519', ed25519PublicKey(oldSeed))!;
  const to = identityOf('ed25519', ed25519PublicKey(newSeed))!;
  const succession = { from, to, preparedAt: now };
  const input = successionSignatureInput(succession);
  const signatures = { from: signEd25519(oldSeed, input), to: signEd25519(newSeed, input) };
  const bytes = encodeSuccession(succession, signatures);
  t.is(bytes.length, 203);
  t.like(verifySuccession(bytes), { preparedAt: now });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    if (verifySuccession(changed) !== null) t.fail(`bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    if (verifySuccession(bytes.subarray(0, length)) !== null) t.fail(`length ${length}`);
  }
  const alone = { ...signatures, to: signatures.from };
  t.is(verifySuccession(encodeSuccession(succession, alone)), null, 'the successor agrees');
  const imposed = { ...signatures, from: signatures.to };
  t.is(verifySuccession(encodeSuccession(succession, imposed)), null, 'the one before agrees');
  const self = { from, to: from, preparedAt: now };
  const own = signEd25519(oldSeed, successionSignatureInput(self));
  t.is(verifySuccession(encodeSuccession(self, { from: own, to: own })), null, 'onto itself');
});
