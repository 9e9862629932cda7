// Loads native/engine (beam_engine) and holds it against what TypeScript was written for: ABI,
// constants, the names of the drop reasons, and the ciphers' known answers.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DROP_REASONS } from '../ports/dataPlane.js';
import { KEYS_NEEDED_INTERVAL_MS, MAX_STAGED_PACKETS } from '../session/limits.js';
import { INITIATION, RESPONSE, COOKIE_REPLY, KEY_BYTES, TAG_BYTES } from '../wire/constants.js';
import { PADDING_BYTES, TRANSPORT_HEADER } from '../wire/constants.js';
import { addonFiles, IO_CONSTANTS } from './addon.js';

declare const engineHandleBrand: unique symbol;
export type EngineHandle = object & { readonly [engineHandleBrand]: true };

export const ENGINE_ABI = 3;
/** One record of changeAllowedIps: family, length, 16 bytes of address. */
export const ALLOWED_IP_BYTES = 18;
/** core/outbox.h's EventKind, in its order. */
export const EVENT_KINDS = [
  'controlReceived',
  'activity',
  'keysNeeded',
  'keysConfirmed',
  'keysDropped',
  'roamed',
  'linkChanged',
  'tunClosed',
  'notice',
] as const;
/** cipher/backends.h's Choice. */
export const CIPHER_CHOICES = { best: 0, evp: 1, ipsecMb: 2, nullForBench: 3 } as const;
/** packet/aead.h's Suite. */
export const SUITES = ['chacha20-poly1305', 'aes-256-gcm'] as const;

const CONSTANTS: Readonly<Record<string, number>> = {
  pathBytes: IO_CONSTANTS.pathBytes,
  allowedIpBytes: ALLOWED_IP_BYTES,
  transportHeaderBytes: TRANSPORT_HEADER.bytes,
  tagBytes: TAG_BYTES,
  keyBytes: KEY_BYTES,
  paddingMultiple: PADDING_BYTES,
  replayBits: 8192,
  maxStagedPackets: MAX_STAGED_PACKETS,
  keysNeededIntervalMs: KEYS_NEEDED_INTERVAL_MS,
  initiationBytes: INITIATION.bytes,
  responseBytes: RESPONSE.bytes,
  cookieReplyBytes: COOKIE_REPLY.bytes,
  eventKinds: EVENT_KINDS.length,
};

/** An event as native code makes it; which fields it has depends on the kind. */
export interface NativeEvent {
  /** Index into EVENT_KINDS. */
  readonly kind: number;
  readonly slot: number;
  readonly generation: number;
  readonly bytes: Buffer;
  readonly path: Buffer;
  readonly dataSentAt: number | null;
  readonly authenticatedSentAt: number | null;
  readonly dataReceivedAt: number | null;
  readonly authenticatedReceivedAt: number | null;
  readonly localIndex: number;
  readonly up: boolean;
  readonly mtu: number;
  readonly text: string;
}

export interface NativeTraffic {
  readonly receivedBytes: bigint;
  readonly sentBytes: bigint;
  readonly path: Buffer | null;
  /** Index into SUITES. */
  readonly suite: number | null;
  readonly createdAt: number;
}

export interface NativeStats {
  readonly drops: Readonly<Record<string, number>>;
  /** By errno as text; 0 for a family whose socket isn't open. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly features: Readonly<Record<string, string | number | boolean>>;
}

/**
 * native/engine/binding. A negative number in an answer is an errno. A peer is its slot and the
 * generation that tells this tenant of the slot from earlier ones.
 */
export interface EngineAddon {
  readonly abi: number;
  readonly constants: Readonly<Record<string, number>>;
  readonly dropReasons: readonly string[];

  /** An engine, a negative errno, or a reason. `mtu` 0 leaves it; `cipher` is of CIPHER_CHOICES. */
  open(
    source: string | number | null,
    mtu: number,
    queues: number,
    cipher: number,
    tunTcp: boolean,
    tunUdp: boolean,
    udpSegment: boolean,
    seed: bigint,
    onEvents: (batch: readonly NativeEvent[]) => void,
  ): EngineHandle | number | string;
  close(engine: EngineHandle): void;
  name(engine: EngineHandle): string;
  bind(engine: EngineHandle, port: number): number;
  unbind(engine: EngineHandle): void;
  setMark(engine: EngineHandle, mark: number): number;
  setLocalPublicKey(engine: EngineHandle, publicKey: Uint8Array | null): void;
  addPeer(engine: EngineHandle, slot: number, generation: number): void;
  removePeer(engine: EngineHandle, slot: number, generation: number): void;
  setPath(engine: EngineHandle, slot: number, generation: number, path: Buffer | null): void;
  clearLocalAddress(engine: EngineHandle, slot: number, generation: number): void;
  changeAllowedIps(
    engine: EngineHandle,
    slot: number,
    generation: number,
    replace: boolean,
    remove: Uint8Array,
    add: Uint8Array,
  ): void;
  installKeys(
    engine: EngineHandle,
    slot: number,
    generation: number,
    isInitiator: boolean,
    localIndex: number,
    remoteIndex: number,
    suite: number,
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    createdAtMs: number,
    rekeyAfterMessages: bigint,
    sendAtMostMessages: bigint,
    rejectAfterMessages: bigint,
    dropAfterForgeries: bigint,
    rekeyAfterMs: number,
    rekeyOnReceiveAfterMs: number,
    rejectAfterMs: number,
  ): void;
  expireKeys(engine: EngineHandle, slot: number, generation: number): void;
  dropKeys(engine: EngineHandle, slot: number, generation: number): void;
  dropStaged(engine: EngineHandle, slot: number, generation: number): void;
  sendKeepalive(engine: EngineHandle, slot: number, generation: number): void;
  sendToPeer(
    engine: EngineHandle,
    slot: number,
    generation: number,
    bytes: Uint8Array,
    trafficClass: number,
  ): void;
  sendTo(engine: EngineHandle, path: Buffer, bytes: Uint8Array, trafficClass: number): void;
  countControlReceived(engine: EngineHandle, slot: number, generation: number, bytes: number): void;
  /** null for a peer that isn't there. */
  traffic(engine: EngineHandle, slot: number, generation: number): NativeTraffic | null;
  stats(engine: EngineHandle): NativeStats;
  pairWrite(engine: EngineHandle, packet: Uint8Array): boolean;
  pairRead(engine: EngineHandle): Buffer | null;
  pairLink(engine: EngineHandle, up: boolean, mtu: number): void;
  pairReport(engine: EngineHandle): void;
  pairFaults(
    engine: EngineHandle,
    write: number,
    joinedWrite: number,
    send: number,
    segmentSend: number,
    localOnce: boolean,
  ): void;
  selfCheck(): boolean;
  /** native/engine/probe: for tests. null where the answer is "refused". */
  probe(operation: number, input: Uint8Array): Buffer | null;
}

export type EngineLoad =
  | { readonly addon: EngineAddon; readonly file: string }
  | { readonly addon: null; readonly reason: string };

let loaded: EngineLoad | null = null;

/** The engine's addon, or why there is none. Tried once. */
export function loadEngineAddon(): EngineLoad {
  loaded ??= loadFirst(addonFiles('beam_engine'));
  return loaded;
}

function loadFirst(files: readonly string[]): EngineLoad {
  const reasons: string[] = [];
  for (const file of files.filter((candidate) => existsSync(candidate))) {
    const outcome = loadFile(file);
    if (outcome.addon !== null) return outcome;
    reasons.push(outcome.reason);
  }
  return {
    addon: null,
    reason: reasons.length > 0 ? reasons.join('; ') : 'native/beam_engine is not built',
  };
}

/** Exported for tests. */
export function loadFile(file: string): EngineLoad {
  try {
    const addon = createRequire(import.meta.url)(file) as EngineAddon;
    const mismatch = engineMismatch(addon);
    if (mismatch !== null) return { addon: null, reason: `${file}: ${mismatch}` };
    if (!addon.selfCheck()) return { addon: null, reason: `${file}: a cipher fails its check` };
    return { addon, file };
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : 'unknown';
    return { addon: null, reason: `${file}: ${found}` };
  }
}

/** What differs between the addon and this TypeScript; null if nothing does. */
export function engineMismatch(
  addon: Pick<EngineAddon, 'abi' | 'constants' | 'dropReasons'>,
): string | null {
  if (addon.abi !== ENGINE_ABI) return `ABI ${addon.abi}, this Beam needs ${ENGINE_ABI}`;
  for (const name of new Set([...Object.keys(CONSTANTS), ...Object.keys(addon.constants)])) {
    const ours = CONSTANTS[name];
    const theirs = addon.constants[name];
    if (ours !== theirs) {
      return `${name} is ${theirs ?? 'missing'}, this Beam needs ${ours ?? 'none'}`;
    }
  }
  const reasons = addon.dropReasons.join(' ');
  return reasons === DROP_REASONS.join(' ') ? null : `drop reasons are ${reasons}`;
}
