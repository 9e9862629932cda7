// The persisted state of a tunnel's rotation as bytes. SPEC.md 10.43.
import { assert } from '../base/assert.js';
import { ByteReader, unsigned } from '../base/byteReader.js';
import { concat, isZero } from '../base/bytes.js';
import { Secret } from '../base/secret.js';
import type { Moment } from '../base/time.js';
import { instant, wallTime } from '../base/time.js';
import { CREDENTIAL_BYTES_MAX } from '../identity/credential.js';
import type { ActiveKey, TunnelKey } from './tunnelKey.js';

export const BOOT_ID_BYTES = 16;
const VERSION = 1;
const NEXT = 1;
const CURRENT = 2;
const PREVIOUS = 4;

export interface RotationState {
  /** 16 bytes: instants are compared within one boot only. */
  readonly bootId: Uint8Array;
  readonly lastEpoch: bigint;
  readonly reference: Moment;
  /** Keys in a row that nobody took, modulo 256. */
  readonly attempts: number;
  readonly next: TunnelKey | null;
  readonly current: ActiveKey | null;
  readonly previous: ActiveKey | null;
}

/** A new secret, the caller's; the keys in `state` are borrowed. */
export function encodeRotationState(state: RotationState): Secret {
  const { bootId, lastEpoch, reference, attempts, next, current, previous } = state;
  assert(bootId.length === BOOT_ID_BYTES, 'a boot id has 16 bytes');
  const present =
    (next === null ? 0 : NEXT) +
    (current === null ? 0 : CURRENT) +
    (previous === null ? 0 : PREVIOUS);
  const parts = [
    Uint8Array.of(VERSION),
    bootId,
    unsigned(lastEpoch, 8),
    moment(reference),
    Uint8Array.of(attempts & 0xff, present),
  ];
  if (next !== null) parts.push(...keyParts(next), UNUSED);
  for (const key of [current, previous]) {
    if (key === null) continue;
    const times = [key.activatedWall, key.dueAt, key.endsAt].map((time) => signed(time));
    parts.push(...keyParts(key), ...times, Uint8Array.of(key.confirmed ? 1 : 0));
  }
  return new Secret(concat(...parts));
}

const UNUSED = new Uint8Array(25);

const keyParts = ({ epoch, privateKey, credential, madeAt }: TunnelKey): Uint8Array[] => [
  unsigned(epoch, 8),
  privateKey.expose(),
  unsigned(credential.length, 2),
  credential,
  moment(madeAt),
];

const moment = ({ wall, boot }: Moment): Uint8Array => concat(signed(wall), signed(boot));

function signed(time: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(Math.round(time)));
  return bytes;
}

/** Null if these aren't the bytes of a state. The keys are new secrets, the caller's. */
export function decodeRotationState(value: Secret): RotationState | null {
  const reader = new StateReader(value.expose());
  const state = reader.state();
  if (state === null) for (const key of reader.keys) key.destroy();
  return state;
}

/** Fields in order; after the first that can't be read all is refused. */
class StateReader {
  readonly keys: Secret[] = [];
  readonly #reader: ByteReader;

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes);
  }

  state(): RotationState | null {
    const reader = this.#reader;
    if (reader.number(1) !== VERSION) return null;
    const bootId = reader.take(BOOT_ID_BYTES);
    const lastEpoch = reader.u64();
    const reference = this.#moment();
    const attempts = reader.number(1);
    const present = reader.number(1);
    if (bootId === null || lastEpoch === null || reference === null) return null;
    if (attempts === null || present === null || present > NEXT + CURRENT + PREVIOUS) return null;
    const next = present & NEXT ? this.#next() : null;
    const current = present & CURRENT ? this.#active() : null;
    const previous = present & PREVIOUS ? this.#active() : null;
    if (next === undefined || current === undefined || previous === undefined) return null;
    if (!reader.atEnd) return null;
    return { bootId, lastEpoch, reference, attempts, next, current, previous };
  }

  #next(): TunnelKey | undefined {
    const key = this.#key();
    const rest = this.#reader.take(UNUSED.length);
    return rest !== null && isZero(rest) ? key : undefined;
  }

  #active(): ActiveKey | undefined {
    const key = this.#key();
    const [activatedWall, dueAt, endsAt] = [this.#signed(), this.#signed(), this.#signed()];
    const confirmed = this.#reader.number(1);
    if (key === undefined || activatedWall === null || dueAt === null || endsAt === null) return;
    if (confirmed !== 0 && confirmed !== 1) return;
    return {
      ...key,
      activatedWall: wallTime(activatedWall),
      dueAt: instant(dueAt),
      endsAt: instant(endsAt),
      confirmed: confirmed === 1,
    };
  }

  #key(): TunnelKey | undefined {
    const epoch = this.#reader.u64();
    const secret = this.#reader.take(32);
    if (secret !== null) this.keys.push(new Secret(secret));
    const size = this.#reader.number(2);
    if (size === null || size > CREDENTIAL_BYTES_MAX) return;
    const credential = this.#reader.take(size);
    const madeAt = this.#moment();
    const privateKey = this.keys.at(-1);
    if (epoch === null || secret === null || privateKey === undefined) return;
    if (credential === null || madeAt === null) return;
    return { epoch, privateKey, credential, madeAt };
  }

  #moment(): Moment | null {
    const [wall, boot] = [this.#signed(), this.#signed()];
    return wall === null || boot === null ? null : { wall: wallTime(wall), boot: instant(boot) };
  }

  /** A time in milliseconds; null past the numbers that are exact. */
  #signed(): number | null {
    const value = this.#reader.u64();
    if (value === null) return null;
    const time = Number(BigInt.asIntN(64, value));
    return Number.isSafeInteger(time) ? time : null;
  }
}
