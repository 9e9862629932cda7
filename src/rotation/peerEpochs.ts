// What is known of peers' tunnel keys by epoch: which announced key is to come, and which old one
// isn't accepted any more. SPEC.md 10.44.
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat, equalConstantTime } from '../base/bytes.js';
import type { Instant, Moment } from '../base/time.js';
import { after } from '../base/time.js';
import type { CredentialRefusal, VerifiedCredential } from '../identity/credential.js';
import type { Identity } from '../identity/identity.js';
import { identityOf } from '../identity/identity.js';
import {
  EPOCHS_REMEMBERED,
  FORGOTTEN_AFTER_MS,
  IDENTITIES_REMEMBERED,
  OLDER_EPOCHS_MS,
} from './limits.js';
import type { PeerCredentialVerdict } from './reckoning.js';

export type EpochRefusal = CredentialRefusal | 'otherIdentity' | 'olderEpoch' | 'epochReused';

export type EpochVerdict =
  | {
      readonly kind: 'accepted';
      readonly credential: VerifiedCredential;
      /** There is something to be written (`encode`). */
      readonly changed: boolean;
    }
  | { readonly kind: 'refused'; readonly reason: EpochRefusal };

export interface Showing {
  readonly verdict: PeerCredentialVerdict;
  /**
   * A `handshake` whose signature over the handshake hash was verified, or an `announcement` in a
   * session.
   */
  readonly by: 'handshake' | 'announcement';
  /** Whose session or call it is; null where a stranger calls. */
  readonly identity: Identity | null;
}

interface KnownEpoch {
  readonly epoch: bigint;
  readonly tunnelKey: Uint8Array;
  /** The first handshake; null if it was announced only. */
  readonly usedAt: Instant | null;
}

interface KnownIdentity {
  readonly identity: Identity;
  floor: bigint;
  /** In ascending order. */
  epochs: KnownEpoch[];
  seenAt: Instant;
}

export class PeerEpochs {
  readonly #identities = new Map<string, KnownIdentity>();

  get size(): number {
    return this.#identities.size;
  }

  /** Judges a credential that a peer shows. A refused one changes nothing. */
  show({ verdict, by, identity }: Showing, now: Moment): EpochVerdict {
    if (verdict.kind === 'refused') return verdict;
    const { credential } = verdict;
    const { did } = credential.identity;
    if (identity !== null && identity.did !== did) return refused('otherIdentity');
    this.#forget(now.boot);
    const known = this.#identities.get(did) ?? newcomer(credential.identity, now.boot);
    raiseFloor(known, now.boot);
    if (credential.epoch < known.floor) return refused('olderEpoch');
    const before = known.epochs.find(({ epoch }) => epoch === credential.epoch);
    if (before !== undefined && !equalConstantTime(before.tunnelKey, credential.tunnelKey)) {
      return refused('epochReused');
    }
    if (!this.#remembers(did, known)) return { kind: 'accepted', credential, changed: false };
    known.seenAt = now.boot;
    const changed = before === undefined || (by === 'handshake' && before.usedAt === null);
    if (changed) remember(known, credential, by === 'handshake' ? now.boot : null);
    return { kind: 'accepted', credential, changed };
  }

  /** For the store: floors, epochs and keys, all of it public. */
  encode(): Uint8Array {
    const parts = [Uint8Array.of(VERSION), unsigned(this.#identities.size, 4)];
    for (const { identity, floor, epochs } of this.#identities.values()) {
      const algorithm = identity.algorithm === 'ed25519' ? 1 : 2;
      parts.push(Uint8Array.of(algorithm), identity.publicKey, unsigned(floor, 8));
      parts.push(Uint8Array.of(epochs.length));
      for (const { epoch, tunnelKey, usedAt } of epochs) {
        parts.push(unsigned(epoch, 8), tunnelKey, Uint8Array.of(usedAt === null ? 0 : 1));
      }
    }
    return concat(...parts);
  }

  /** Null if these aren't the bytes of `encode`. The 72 hours start again. */
  static decode(bytes: Uint8Array, now: Moment): PeerEpochs | null {
    const reader = new ByteReader(bytes);
    if (reader.number(1) !== VERSION) return null;
    const count = reader.number(4);
    if (count === null || count > IDENTITIES_REMEMBERED) return null;
    const result = new PeerEpochs();
    for (let i = 0; i < count; i++) {
      const known = readIdentity(reader, now.boot);
      if (known === null || result.#identities.has(known.identity.did)) return null;
      result.#identities.set(known.identity.did, known);
    }
    return reader.atEnd ? result : null;
  }

  /** Puts the identity at the end, so that the map is in the order of the last sight. */
  #remembers(did: string, known: KnownIdentity): boolean {
    this.#identities.delete(did);
    if (this.#identities.size >= IDENTITIES_REMEMBERED) return false;
    this.#identities.set(did, known);
    return true;
  }

  #forget(now: Instant): void {
    for (const [did, { seenAt }] of this.#identities) {
      if (after(seenAt, FORGOTTEN_AFTER_MS) > now) return;
      this.#identities.delete(did);
    }
  }
}

const VERSION = 1;

const refused = (reason: EpochRefusal): EpochVerdict => ({ kind: 'refused', reason });

const newcomer = (identity: Identity, now: Instant): KnownIdentity => ({
  identity,
  floor: 0n,
  epochs: [],
  seenAt: now,
});

/** To the highest epoch that has been in use for long enough; what lies below is dropped. */
function raiseFloor(known: KnownIdentity, now: Instant): void {
  const settled = known.epochs.findLast(
    ({ usedAt }) => usedAt !== null && after(usedAt, OLDER_EPOCHS_MS) <= now,
  );
  if (settled === undefined || settled.epoch <= known.floor) return;
  known.floor = settled.epoch;
  known.epochs = known.epochs.filter(({ epoch }) => epoch >= known.floor);
}

function remember(
  known: KnownIdentity,
  { epoch, tunnelKey }: VerifiedCredential,
  usedAt: Instant | null,
): void {
  const others = known.epochs.filter((one) => one.epoch !== epoch);
  const epochs = [...others, { epoch, tunnelKey: tunnelKey.slice(), usedAt }];
  epochs.sort((a, b) => (a.epoch < b.epoch ? -1 : 1));
  known.epochs = epochs.length > EPOCHS_REMEMBERED ? withoutOne(epochs, known.floor) : epochs;
}

/**
 * The second lowest above the floor goes: the lowest one is the next floor, and the highest one is
 * coming into use.
 */
function withoutOne(epochs: readonly KnownEpoch[], floor: bigint): KnownEpoch[] {
  const gone = epochs[0]!.epoch === floor ? 2 : 1;
  return epochs.filter((_, i) => i !== gone);
}

function readIdentity(reader: ByteReader, now: Instant): KnownIdentity | null {
  const algorithm = reader.number(1);
  if (algorithm !== 1 && algorithm !== 2) return null;
  const publicKey = reader.take(algorithm === 1 ? 32 : 33);
  const floor = reader.u64();
  const count = reader.number(1);
  if (publicKey === null || floor === null || count === null) return null;
  const identity = identityOf(algorithm === 1 ? 'ed25519' : 'p256', publicKey);
  if (identity === null || count > EPOCHS_REMEMBERED) return null;
  const epochs: KnownEpoch[] = [];
  for (let i = 0; i < count; i++) {
    const [epoch, tunnelKey, used] = [reader.u64(), reader.take(32), reader.number(1)];
    if (epoch === null || tunnelKey === null || (used !== 0 && used !== 1)) return null;
    if (epoch < floor || (i > 0 && epoch <= epochs[i - 1]!.epoch)) return null;
    epochs.push({ epoch, tunnelKey, usedAt: used === 1 ? now : null });
  }
  return { identity, floor, epochs, seenAt: now };
}
