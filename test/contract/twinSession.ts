// The far end of a session that both twins have: seals what comes to them, honest or not, and opens
// what they sent with the sodium engine's own session.
import type { SessionLimits, Suite } from '../../src/ports/dataPlane.js';
import type { PeerId } from '../../src/ports/dataPlane.js';
import { instant } from '../../src/base/time.js';
import { wireGuardLimits } from '../../src/session/limits.js';
import { TRANSPORT_OVERHEAD_BYTES, TransportSession } from '../../src/session/transportSession.js';
import type { Random } from '../sim/random.js';
import type { TwinEngines } from './twinEngines.js';

let serial = 0;

export interface TwinSessionOptions {
  readonly role: 'initiator' | 'responder';
  readonly suite: Suite;
  readonly limits: Partial<SessionLimits>;
}

export class TwinSession {
  readonly peer: PeerId;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly #far: TransportSession;

  constructor(
    twins: TwinEngines,
    random: Random,
    peer: PeerId,
    { role, suite, limits }: TwinSessionOptions,
  ) {
    serial++;
    this.peer = peer;
    this.localIndex = (0x4000_0000 + serial) >>> 0;
    this.remoteIndex = (0xe000_0000 + serial) >>> 0;
    const [toFar, toTwins] = [random.bytes(32), random.bytes(32)];
    twins.tell((engine, { now }) =>
      engine.installKeys({
        peer,
        role,
        localIndex: this.localIndex,
        remoteIndex: this.remoteIndex,
        suite,
        sendKey: toFar.slice(),
        receiveKey: toTwins.slice(),
        createdAt: now(),
        limits: { ...wireGuardLimits(role), ...limits },
      }),
    );
    this.#far = new TransportSession({
      peer,
      role: role === 'initiator' ? 'responder' : 'initiator',
      localIndex: this.remoteIndex,
      remoteIndex: this.localIndex,
      suite,
      sendKey: toTwins,
      receiveKey: toFar,
      createdAt: instant(0),
      limits: wireGuardLimits('responder'),
    });
  }

  /** Padded with zeros to `paddedBytes`. */
  seal(packet: Uint8Array, paddedBytes = Math.ceil(packet.length / 16) * 16): Uint8Array {
    const datagram = new Uint8Array(paddedBytes + TRANSPORT_OVERHEAD_BYTES);
    const body = datagram.subarray(16, 16 + paddedBytes);
    body.set(packet);
    this.#far.seal(datagram, body, datagram.subarray(16));
    return datagram;
  }

  /** The padded packet; null for a datagram that isn't authentic, or came before. */
  open(datagram: Uint8Array): Uint8Array | null {
    const packet = new Uint8Array(datagram.length - TRANSPORT_OVERHEAD_BYTES);
    return this.#far.open(packet, datagram, instant(0)) === null ? packet : null;
  }
}
