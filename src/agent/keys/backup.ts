// Makes, checks and restores backups. SPEC.md 10.15.
import { concat } from '../../base/bytes.js';
import { OperatorError, type OperatorErrorDetails } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { wallTime, type WallTime } from '../../base/time.js';
import { copyToLocked, moveToLocked } from '../../crypto/lockedMemory.js';
import { ed25519PublicKey, signEd25519 } from '../../crypto/signature.js';
import { XWING_CIPHERTEXT_BYTES, xwingDecapsulate, xwingEncapsulate } from '../../crypto/xwing.js';
import {
  encodeSuccession,
  successionSignatureInput,
  verifySuccession,
} from '../../identity/succession.js';
import { identityOf, type Identity } from '../../identity/identity.js';
import {
  decodeBackup,
  openBackup,
  recipientWrappingKey,
  sealBackup,
  type BackupContent,
  type BackupFrame,
} from '../../keyStore/backupFormat.js';
import {
  unwrapKey,
  wrapKey,
  type PassphraseCost,
  type WrapContext,
} from '../../keyStore/keySlots.js';
import type { OpenRecord } from '../../keyStore/storeCipher.js';
import { passphraseHolder } from '../../platform/keyStore/passphraseHolder.js';
import type { Entropy } from '../../ports/entropy.js';
import type { KeyManager } from '../../ports/keyManager.js';
import { identityOfKey } from './keyStoreService.js';
import type { StoreSession } from './storeSession.js';

/** What the file key is wrapped with. Borrowed. */
export type BackupTarget =
  | { readonly kind: 'passphrase'; readonly passphrase: Secret; readonly cost?: PassphraseCost }
  /** X-Wing, 1,216 bytes. */
  | { readonly kind: 'recipient'; readonly publicKey: Uint8Array };

export interface BackupResult {
  readonly bytes: Uint8Array;
  readonly did: string;
  /** The identity that a restored device will have; `did` itself where it can be exported. */
  readonly restoresAs: string;
}

const SUCCESSION_RECORD = { purpose: 'succession', name: 'statement' } as const;
const IDENTITY_RECORD = { purpose: 'identity', name: 'identity' } as const;

/** Throws OperatorError E_NO_KEY, E_BACKUP_RECIPIENT, E_KEY_MEMORY. */
export async function createBackup(
  session: StoreSession,
  manager: KeyManager,
  options: { readonly target: BackupTarget; readonly now: WallTime },
): Promise<BackupResult> {
  const { entropy } = session.place;
  const held = await manager.loadIdentity();
  if (held === null) throw noIdentity(session.place.path);
  const identity = identityOfKey(held);
  const createdAt = wallTime(Math.floor(options.now / 1000) * 1000);
  const replacement =
    manager.kind === 'software' ? null : await prepare(manager, identity, { entropy, createdAt });
  const fileKey = moveToLocked(entropy(32));
  try {
    const records = [...portable(session, manager), ...(replacement?.records ?? [])];
    const lock = await lockFor(fileKey, options.target, entropy);
    const bytes = sealBackup({ createdAt, did: identity.did, records }, fileKey, lock);
    return { bytes, did: identity.did, restoresAs: replacement?.did ?? identity.did };
  } finally {
    fileKey.destroy();
    for (const { value } of replacement?.records ?? []) value.destroy();
  }
}

/** What another device can use: of hardware keys nothing. Borrowed from the store. */
function portable({ store }: StoreSession, manager: KeyManager): readonly OpenRecord[] {
  if (manager.kind === 'software') return store.records();
  const bound = ['identity', 'tunnelSigning', 'holder', 'succession'];
  return store.records().filter(({ purpose }) => !bound.includes(purpose));
}

/** A software identity for the replacement, and the statement by which the hardware one names it. */
async function prepare(
  manager: KeyManager,
  from: Identity,
  { entropy, createdAt }: { readonly entropy: Entropy; readonly createdAt: WallTime },
): Promise<{ did: string; records: OpenRecord[] }> {
  const seed = moveToLocked(entropy(32));
  const to = identityOf('ed25519', ed25519PublicKey(seed.expose()))!;
  const succession = { from, to, preparedAt: createdAt };
  const input = successionSignatureInput(succession);
  const signatures = {
    from: await manager.signWithIdentity(input),
    to: signEd25519(seed.expose(), input),
  };
  const statement = copyToLocked(encodeSuccession(succession, signatures));
  return {
    did: to.did,
    records: [
      { ...IDENTITY_RECORD, value: seed },
      { ...SUCCESSION_RECORD, value: statement },
    ],
  };
}

async function lockFor(
  fileKey: Secret,
  target: BackupTarget,
  entropy: Entropy,
): Promise<Pick<BackupFrame, 'lock' | 'lockBody'>> {
  if (target.kind === 'passphrase') {
    const { kind, ...rest } = target;
    const holder = passphraseHolder({ ...rest, kind: 'backup', storeId: null, entropy });
    return { lock: kind, lockBody: await holder.seal(fileKey) };
  }
  const encapsulated = xwingEncapsulate(target.publicKey, entropy);
  if (encapsulated === null) throw badRecipient();
  const { ciphertext, sharedSecret } = encapsulated;
  const wrappingKey = recipientWrappingKey(sharedSecret);
  try {
    const wrapped = wrapKey(fileKey, wrappingKey, recipientContext(ciphertext));
    return { lock: 'recipient', lockBody: concat(ciphertext, wrapped) };
  } finally {
    sharedSecret.destroy();
    wrappingKey.destroy();
  }
}

const recipientContext = (ciphertext: Uint8Array): WrapContext => ({
  kind: 'backup',
  storeId: null,
  parameters: ciphertext,
});

/** What opens a backup. Null for what isn't at hand; the caller owns the secrets. */
export interface BackupKeys {
  readonly passphrase: () => Promise<Secret | null>;
  /** The seed of an X-Wing key, 32 bytes. */
  readonly recipientKey: () => Promise<Secret | null>;
  readonly entropy: Entropy;
}

export interface OpenedBackup extends BackupContent {
  /** The identity that is restored. */
  readonly identity: Identity;
}

/** Opens it, and checks all that a restore relies on. The caller owns the records. */
export async function readBackup(
  bytes: Uint8Array,
  place: string,
  keys: BackupKeys,
): Promise<OpenedBackup> {
  const frame = decodeBackup(bytes);
  if (typeof frame === 'string') throw badBackup(place, FOUND[frame]);
  const fileKey = await fileKeyOf(frame, place, keys);
  try {
    const content = openBackup(frame, fileKey);
    if (content === null) throw badBackup(place, 'content that is not authentic');
    const identity = restoredIdentity(content);
    if (identity !== null) return { ...content, identity };
    destroyBackup(content);
    throw badBackup(place, 'no identity that belongs to the device it names');
  } finally {
    fileKey.destroy();
  }
}

export function destroyBackup({ records }: BackupContent): void {
  for (const { value } of records) value.destroy();
}

/** The device's own, or the one that a succession statement in the backup leads to. */
function restoredIdentity({ did, records }: BackupContent): Identity | null {
  const valueOf = (purpose: OpenRecord['purpose']): Uint8Array | null =>
    records.find((record) => record.purpose === purpose)?.value.expose() ?? null;
  const seed = valueOf('identity');
  const identity = seed?.length === 32 ? identityOf('ed25519', ed25519PublicKey(seed)) : null;
  if (identity === null || identity.did === did) return identity;
  const statement = verifySuccession(valueOf('succession') ?? new Uint8Array(0));
  return statement?.from.did === did && statement.to.did === identity.did ? identity : null;
}

async function fileKeyOf(frame: BackupFrame, place: string, keys: BackupKeys): Promise<Secret> {
  const { lock, lockBody } = frame;
  if (lock === 'passphrase') {
    const passphrase = await keys.passphrase();
    if (passphrase === null)
      throw nothingGiven(place, 'its passphrase', '--backup-passphrase-file');
    const options = { passphrase, kind: 'backup', storeId: null, entropy: keys.entropy } as const;
    const outcome = await passphraseHolder(options).unseal(lockBody);
    if (outcome.kind === 'refused') throw new OperatorError(outcome.details);
    return outcome.storeKey;
  }
  const seed = await keys.recipientKey();
  if (seed === null) throw nothingGiven(place, "its recipient's key", '--key-file');
  if (lockBody.length < XWING_CIPHERTEXT_BYTES) throw badBackup(place, FOUND.malformed);
  const ciphertext = lockBody.slice(0, XWING_CIPHERTEXT_BYTES);
  const sharedSecret = xwingDecapsulate(ciphertext, seed);
  const wrappingKey = recipientWrappingKey(sharedSecret);
  try {
    const wrapped = lockBody.subarray(XWING_CIPHERTEXT_BYTES);
    const fileKey = unwrapKey(wrapped, wrappingKey, recipientContext(ciphertext));
    if (fileKey === null) throw otherRecipient(place);
    return fileKey;
  } finally {
    sharedSecret.destroy();
    wrappingKey.destroy();
  }
}

const FOUND = {
  malformed: 'another file',
  unknownVersion: 'a backup of another version',
  damaged: 'a damaged file',
} as const;

const failure = (
  code: OperatorErrorDetails['code'],
  place: string,
  [expected, found, remedy]: readonly [string, string, string],
): OperatorError => new OperatorError({ code, place, expected, found, remedy });

const badBackup = (place: string, found: string): OperatorError =>
  failure('E_BACKUP', place, [
    'a backup of Beam that is whole',
    found,
    'use another copy of the backup, or another backup',
  ]);

const nothingGiven = (place: string, expected: string, flag: string): OperatorError =>
  failure('E_BACKUP_LOCKED', place, [expected, 'none', `give ${flag} FILE`]);

const otherRecipient = (place: string): OperatorError =>
  failure('E_BACKUP_LOCKED', place, [
    'the key of the recipient that the backup was made for',
    'another key',
    'use the key file whose public key the backup was made with',
  ]);

const badRecipient = (): OperatorError =>
  failure('E_BACKUP_RECIPIENT', 'the recipient', [
    'an X-Wing public key of 1,216 bytes',
    'other bytes',
    'make it with `beam backup recipient --key-file FILE`',
  ]);

const noIdentity = (place: string): OperatorError =>
  failure('E_NO_KEY', place, [
    'an identity to back up',
    'none',
    'make one with `beam key init`, in a new store',
  ]);
