// The other end of a tunnel in the contract tests: seals and opens with another implementation of
// the ciphers than the engine's.
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { DataPlane, PeerId, SessionLimits, Suite } from '../../src/ports/dataPlane.js';
import { wireGuardLimits } from '../../src/session/limits.js';
import type { EngineHarness } from './engineHarness.js';

export interface SessionOptions {
  readonly role?: 'initiator' | 'responder';
  readonly suite?: Suite;
  readonly ageMs?: number;
  readonly limits?: Partial<SessionLimits>;
}

let serial = 0;

/** One session as the remote end holds it. */
export class RemoteSession {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly #suite: Suite;
  readonly #toEngine: Uint8Array;
  readonly #fromEngine: Uint8Array;
  counter = 0n;

  private constructor(suite: Suite) {
    serial++;
    this.localIndex = (0x8000_0000 + serial) >>> 0;
    this.remoteIndex = (0xc000_0000 + serial) >>> 0;
    this.#suite = suite;
    this.#toEngine = new Uint8Array(32).fill(serial & 0xff);
    this.#fromEngine = new Uint8Array(32).fill((serial + 0x80) & 0xff);
  }

  /** Makes a session, and installs its other end in the engine. */
  static install(
    { engine, now }: EngineHarness,
    peer: PeerId,
    options: SessionOptions = {},
  ): RemoteSession {
    const { role = 'initiator', suite = 'chacha20-poly1305', ageMs = 0, limits } = options;
    const session = new RemoteSession(suite);
    engine.installKeys({
      peer,
      role,
      localIndex: session.localIndex,
      remoteIndex: session.remoteIndex,
      suite,
      sendKey: session.#fromEngine.slice(),
      receiveKey: session.#toEngine.slice(),
      createdAt: (now() - ageMs) as ReturnType<EngineHarness['now']>,
      limits: { ...wireGuardLimits(role), ...limits },
    });
    return session;
  }

  /** A transport datagram to the engine; `packet` is sealed as it is, without padding. */
  seal(packet: Uint8Array, counter = this.counter++): Uint8Array {
    const datagram = new Uint8Array(32 + packet.length);
    const view = new DataView(datagram.buffer);
    datagram[0] = 4;
    view.setUint32(4, this.localIndex, true);
    view.setBigUint64(8, counter, true);
    datagram.set(this.#cipher(this.#toEngine, counter).encrypt(packet), 16);
    return datagram;
  }

  /** What the engine sealed, padding included; throws if it isn't for this session. */
  open(datagram: Uint8Array): { readonly packet: Uint8Array; readonly counter: bigint } {
    const view = new DataView(datagram.buffer, datagram.byteOffset);
    const type = view.getUint32(0, true);
    const receiver = view.getUint32(4, true);
    if (type !== 4 || receiver !== this.remoteIndex) {
      throw new Error(`type ${type} for index ${receiver}, not ${this.remoteIndex}`);
    }
    const counter = view.getBigUint64(8, true);
    return {
      packet: this.#cipher(this.#fromEngine, counter).decrypt(datagram.subarray(16)),
      counter,
    };
  }

  #cipher(key: Uint8Array, counter: bigint): { encrypt: Cipher; decrypt: Cipher } {
    const nonce = new Uint8Array(12);
    const gcmNonce = this.#suite === 'aes-256-gcm';
    new DataView(nonce.buffer).setBigUint64(4, counter, !gcmNonce);
    return gcmNonce ? gcm(key, nonce) : chacha20poly1305(key, nonce);
  }
}

type Cipher = (input: Uint8Array) => Uint8Array;

/** How often each reason for dropping was counted; zeros left out. */
export function drops(engine: DataPlane): Record<string, number> {
  const counted = Object.entries(engine.stats().drops).filter(([, count]) => count > 0);
  return Object.fromEntries(counted);
}
