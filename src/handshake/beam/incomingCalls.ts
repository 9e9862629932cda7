// The handshakes that others began (SPEC.md 11.13, 11.14): found by hello, by index and by peer, bounded
// in all and per source.
import { toHex } from '../../base/bytes.js';
import type { Instant } from '../../base/time.js';
import type { HandshakeId } from './beamEvents.js';
import { RESPONSE_LIMITS } from './beamParameters.js';
import type { IncomingCall } from './incomingCall.js';

interface Entry {
  readonly call: IncomingCall;
  readonly helloName: string;
  /** Of the peer, once its finish was valid. */
  did: string | null;
}

export class IncomingCalls {
  /** In the order of arrival, and so of their ends. */
  readonly #entries = new Map<HandshakeId, Entry>();
  readonly #byHello = new Map<string, IncomingCall>();
  /** Those whose finish was valid; one a peer. */
  readonly #byDid = new Map<string, IncomingCall>();

  get size(): number {
    return this.#entries.size;
  }

  get isHalfFull(): boolean {
    return this.size >= RESPONSE_LIMITS.handshakes / 2;
  }

  byId(id: HandshakeId): IncomingCall | null {
    return this.#entries.get(id)?.call ?? null;
  }

  byHello(digest: Uint8Array): IncomingCall | null {
    return this.#byHello.get(toHex(digest)) ?? null;
  }

  byDid(did: string): IncomingCall | null {
    return this.#byDid.get(did) ?? null;
  }

  /** Asked before a call of this source is computed: makes room among the source's own, or says no. */
  makeRoom(source: string): boolean {
    const { handshakes, perSource } = RESPONSE_LIMITS;
    const all = [...this.#entries.values()].map((entry) => entry.call);
    const ofSource = all.filter((call) => call.source === source);
    if (ofSource.length >= perSource) {
      const oldest = ofSource.find((call) => call.isUnproven);
      if (oldest === undefined) return false;
      this.remove(oldest);
    }
    return this.size < handshakes;
  }

  add(call: IncomingCall, digest: Uint8Array): void {
    const helloName = toHex(digest);
    this.#entries.set(call.id, { call, helloName, did: null });
    this.#byHello.set(helloName, call);
  }

  /** The call's finish was valid: an older one of the same peer is over. */
  proven(call: IncomingCall, did: string): void {
    const older = this.#byDid.get(did);
    if (older !== undefined && older !== call) this.remove(older);
    this.#byDid.set(did, call);
    const entry = this.#entries.get(call.id);
    if (entry !== undefined) entry.did = did;
  }

  /** Zeroes the call and forgets it. */
  remove(call: IncomingCall): void {
    const entry = this.#entries.get(call.id);
    if (entry?.call !== call) return;
    const { did } = entry;
    if (did !== null && this.#byDid.get(did) === call) this.#byDid.delete(did);
    this.#byHello.delete(entry.helloName);
    this.#entries.delete(call.id);
    call.destroy();
  }

  nextTimeout(): Instant | null {
    for (const { call } of this.#entries.values()) return call.endsAt;
    return null;
  }

  expire(now: Instant): void {
    for (const { call } of this.#entries.values()) {
      if (now < call.endsAt) return;
      this.remove(call);
    }
  }

  destroy(): void {
    for (const { call } of [...this.#entries.values()]) this.remove(call);
  }
}
