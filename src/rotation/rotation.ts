// The rotation of one tunnel's key: drawn, signed, stored, announced, current on trial, confirmed or
// rolled back, previous, ended. SPEC.md 10.41.
import { assertNever } from '../base/assert.js';
import { equalConstantTime } from '../base/bytes.js';
import type { Machine } from '../base/machine.js';
import type { Instant, Moment } from '../base/time.js';
import { after, earlier, earliest, instant } from '../base/time.js';
import { credentialSignatureInput } from '../identity/credential.js';
import type { Identity } from '../identity/identity.js';
import type { Entropy } from '../ports/entropy.js';
import type { RotationTimes } from './limits.js';
import { ANSWER_TIMEOUT_MS, backOffMs, rotationTimes } from './limits.js';
import type { PeerCredentialVerdict } from './reckoning.js';
import { dateCredential, verifyAtPossibleTimes } from './reckoning.js';
import type { RotationAlert, RotationEffect, RotationEvent, Transition } from './rotationEvents.js';
import { resumeState } from './rotationStart.js';
import type { RotationState } from './rotationState.js';
import { encodeRotationState } from './rotationState.js';
import type { NextKey, Trial } from './rotationSteps.js';
import type { ActiveKey, TunnelKey } from './tunnelKey.js';
import { belongsTo, draftKey, signedKey } from './tunnelKey.js';
import type { Version } from './writes.js';
import { Writes } from './writes.js';

export interface RotationOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  /** 16 bytes that are new with every boot of the system. */
  readonly bootId: Uint8Array;
  /** 1 hour to 7 days. */
  readonly periodMs: number;
  /** As stored last; null at the first start. The machine takes its secrets over. */
  readonly saved: RotationState | null;
}

export class Rotation implements Machine<RotationEvent, RotationEffect> {
  readonly #options: RotationOptions;
  readonly #times: RotationTimes;
  readonly #writes = new Writes();
  readonly #alerts = new Set<RotationAlert>();
  #effects: RotationEffect[] = [];
  #lastEpoch = 0n;
  #reference: Moment | null = null;
  #attempts = 0;
  #requests = 0;
  #signFailures = 0;
  #signRetryAt: Instant | null = null;
  #next: NextKey | null = null;
  #current: ActiveKey | null = null;
  #previous: ActiveKey | null = null;
  #trial: Trial | null = null;
  /** The current key is used once this is on the disk, or couldn't be brought there. */
  #currentSince: Version = 0;
  #inUse: readonly TunnelKey[] = [];

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#times = rotationTimes(options.periodMs);
  }

  /** Never throws on what a signer, a store or a peer does. */
  handle(event: RotationEvent, now: Moment): RotationEffect[] {
    this.#take(event, now);
    return this.#advance(now);
  }

  handleTimeout(now: Moment): RotationEffect[] {
    return this.#advance(now);
  }

  nextTimeout(): Instant | null {
    if (this.#reference === null) return null;
    const times = [this.#writes.nextTimeout(), this.#nextKeyTimeout()];
    for (const key of [this.#current, this.#previous]) times.push(key?.endsAt ?? null);
    const { failed = false, judged = false, endsAt = null } = this.#trial ?? {};
    if (failed && !judged) times.push(endsAt);
    return times.reduce<Instant | null>(earliest, null);
  }

  /** The next key's credential, for peers that come into touch; null if none is announced. */
  get announcement(): Uint8Array | null {
    return this.#next?.step === 'announced' ? this.#next.key.credential : null;
  }

  /** Whether a peer's credential is accepted at one of the times that it may be (10.42). */
  verifyPeer(credential: Uint8Array, now: Moment): PeerCredentialVerdict {
    return verifyAtPossibleTimes(credential, this.#reference ?? now, now);
  }

  /** Zeroes every key. The machine must not be used any more. */
  destroy(): void {
    for (const key of [this.#current, this.#previous]) key?.privateKey.destroy();
    this.#secretOfNext()?.destroy();
  }

  #take(event: RotationEvent, now: Moment): void {
    switch (event.kind) {
      case 'started': {
        this.#start(now);
        return;
      }
      case 'signed': {
        this.#signed(event.request, event.signature, now);
        return;
      }
      case 'signFailed': {
        this.#signFailed(event.request, now);
        return;
      }
      case 'stored':
        this.#writes.ended(event.write, 'stored', now.boot);
        return;
      case 'storeFailed':
        this.#writes.ended(event.write, 'failed', now.boot);
        return;
      case 'handshakeCompleted': {
        this.#handshakeCompleted(event.epoch);
        return;
      }
      case 'handshakeFailed':
        if (this.#trial === null || event.epoch !== this.#current?.epoch) return;
        this.#trial = { ...this.#trial, failed: true };
        return;
      case 'rotateRequested':
        if (this.#current !== null) this.#current = { ...this.#current, dueAt: now.boot };
        return;
      default:
        return assertNever(event);
    }
  }

  #start(now: Moment): void {
    const { saved, identity, bootId } = this.#options;
    this.#reference = now;
    if (saved === null) return;
    const state = resumeState(saved, { bootId, times: this.#times, now });
    const own = <Key extends TunnelKey>(key: Key | null): Key | null => {
      if (key === null || belongsTo(key, identity)) return key;
      this.#end(key, 'unusable');
      return null;
    };
    this.#lastEpoch = state.lastEpoch;
    this.#reference = state.reference;
    this.#attempts = state.attempts;
    this.#current = own(state.current);
    this.#previous = own(state.previous);
    const next = own(state.next);
    if (next !== null) this.#next = { step: 'storing', key: next, version: this.#writes.version };
    if (this.#current?.confirmed === false) this.#trial = this.#newTrial(now);
    if (!equalConstantTime(saved.bootId, bootId)) this.#writes.changed();
  }

  /** Does all that is due, in the one order that a key passes through. */
  #advance(now: Moment): RotationEffect[] {
    this.#writes.expire(now.boot);
    this.#endOldKeys(now);
    this.#judgeTrial(now);
    this.#makeNext(now);
    this.#announceNext();
    this.#activateNext(now);
    this.#write(now);
    this.#showUse();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #endOldKeys(now: Moment): void {
    if (this.#previous !== null && this.#previous.endsAt <= now.boot) {
      this.#end(this.#previous);
      this.#previous = null;
    }
    if (this.#current !== null && this.#current.endsAt <= now.boot) {
      this.#end(this.#current);
      this.#current = null;
      this.#trial = null;
    }
  }

  #judgeTrial(now: Moment): void {
    const trial = this.#trial;
    if (trial === null || !trial.failed || trial.judged || trial.endsAt > now.boot) return;
    this.#attempts = (this.#attempts + 1) & 0xff;
    this.#writes.changed();
    if (this.#previous?.confirmed === true) {
      this.#rollBack(this.#previous, now);
      return;
    }
    const current = this.#current!;
    const retryAt = after(now.boot, this.#times.retryMs);
    this.#trial = { ...trial, judged: true };
    this.#current = { ...current, dueAt: earlier(current.dueAt, retryAt) };
    this.#alert('unconfirmed', true);
  }

  #rollBack(previous: ActiveKey, now: Moment): void {
    this.#end(this.#current!, 'rolledBack');
    this.#discardNext();
    const retryAt = after(now.boot, this.#times.retryMs);
    this.#current = { ...previous, dueAt: earlier(retryAt, previous.endsAt) };
    this.#currentSince = 0;
    this.#previous = null;
    this.#trial = null;
    this.#alert('rolledBack', true);
  }

  #makeNext(now: Moment): void {
    if (this.#next?.step === 'signing' && this.#next.deadline <= now.boot) {
      this.#signFailed(this.#next.request, now);
    }
    if (this.#next !== null || this.#nextKeyTimeout()! > now.boot) return;
    const { identity, entropy } = this.#options;
    const dating = dateCredential(this.#reference!, now, this.#attempts);
    const seconds = BigInt(Math.floor(dating.wall / 1000));
    // A random step: a restart that lost an unwritten epoch doesn't give the same one to another key.
    const above = this.#lastEpoch + 1n + BigInt(this.#random16());
    this.#lastEpoch = seconds > above ? seconds : above;
    const epoch = this.#lastEpoch;
    const draft = draftKey({ identity, epoch, dating, boot: now.boot, entropy });
    const request = ++this.#requests;
    this.#next = { step: 'signing', draft, request, deadline: after(now.boot, ANSWER_TIMEOUT_MS) };
    this.#log('drawn', epoch);
    this.#effects.push({ kind: 'sign', request, input: credentialSignatureInput(draft.fields) });
  }

  #signed(request: number, signature: Uint8Array, now: Moment): void {
    if (this.#next?.step !== 'signing' || this.#next.request !== request) return;
    const key = signedKey(this.#next.draft, signature);
    if (key === null) {
      this.#signFailed(request, now);
      return;
    }
    this.#signFailures = 0;
    this.#signRetryAt = null;
    this.#alert('signing', false);
    this.#log('signed', key.epoch);
    this.#next = { step: 'storing', key, version: this.#writes.changed() };
  }

  #signFailed(request: number, now: Moment): void {
    if (this.#next?.step !== 'signing' || this.#next.request !== request) return;
    this.#discardNext();
    this.#signFailures++;
    this.#signRetryAt = after(now.boot, backOffMs(this.#signFailures));
    this.#alert('signing', true);
  }

  #announceNext(): void {
    const next = this.#next;
    if (next?.step !== 'storing' || !this.#writes.isDurable(next.version)) return;
    this.#next = { step: 'announced', key: next.key };
    this.#log('announced', next.key.epoch);
    this.#effects.push({ kind: 'announce', credential: next.key.credential });
  }

  #activateNext(now: Moment): void {
    const next = this.#next;
    if (next === null || next.step === 'signing') return;
    if (next.step === 'storing' && !this.#writes.isSettled(next.version)) return;
    if (this.#current !== null && this.#current.dueAt > now.boot) return;
    this.#makeRoom();
    const { periodMs, overlapMs } = this.#times;
    this.#current = {
      ...next.key,
      activatedWall: now.wall,
      dueAt: after(now.boot, periodMs - this.#jitterMs()),
      endsAt: after(now.boot, periodMs + overlapMs),
      confirmed: false,
    };
    this.#next = null;
    this.#trial = this.#newTrial(now);
    this.#currentSince = this.#writes.changed();
    this.#log('activated', next.key.epoch);
  }

  /** The current key becomes the previous one, unless that would drop a key that peers have taken. */
  #makeRoom(): void {
    const [current, previous] = [this.#current, this.#previous];
    if (current === null) return;
    if (!current.confirmed && this.#trial?.judged === false) {
      this.#attempts = (this.#attempts + 1) & 0xff;
    }
    if (previous?.confirmed === true && !current.confirmed) {
      this.#end(current);
      return;
    }
    if (previous !== null) this.#end(previous);
    this.#previous = current;
  }

  #handshakeCompleted(epoch: bigint): void {
    const current = this.#current;
    if (current === null || current.confirmed || epoch !== current.epoch) return;
    this.#current = { ...current, confirmed: true };
    this.#trial = null;
    this.#attempts = 0;
    this.#reference = current.madeAt;
    this.#writes.changed();
    this.#log('confirmed', epoch);
    this.#alert('rolledBack', false);
    this.#alert('unconfirmed', false);
  }

  #write(now: Moment): void {
    const write = this.#writes.begin(now.boot);
    this.#alert('store', this.#writes.failing);
    if (write === null) return;
    const next = this.#next === null || this.#next.step === 'signing' ? null : this.#next.key;
    const value = encodeRotationState({
      bootId: this.#options.bootId,
      lastEpoch: this.#lastEpoch,
      reference: this.#reference!,
      attempts: this.#attempts,
      next,
      current: this.#current,
      previous: this.#previous,
    });
    this.#effects.push({ kind: 'store', write, value });
  }

  #showUse(): void {
    const usable = this.#writes.isSettled(this.#currentSince) ? this.#current : null;
    const keys = [usable, this.#previous].filter((key) => key !== null);
    if (keys.length > 0) this.#alert('noKey', false);
    else if (this.#inUse.length > 0) this.#alert('noKey', true);
    const same = keys.length === this.#inUse.length;
    if (same && keys.every((key, i) => key.epoch === this.#inUse[i]!.epoch)) return;
    this.#inUse = keys;
    this.#effects.push({ kind: 'useKeys', keys });
  }

  /** When the next key's next step is due by time alone; null if it waits for an answer. */
  #nextKeyTimeout(): Instant | null {
    const dueAt = this.#current?.dueAt ?? instant(-Infinity);
    if (this.#next === null) {
      const start = instant(dueAt - this.#times.leadMs);
      return this.#signRetryAt !== null && this.#signRetryAt > start ? this.#signRetryAt : start;
    }
    if (this.#next.step === 'signing') return this.#next.deadline;
    const waits = this.#next.step === 'storing' && !this.#writes.isSettled(this.#next.version);
    return waits ? null : dueAt;
  }

  #discardNext(): void {
    const next = this.#next;
    if (next === null) return;
    this.#secretOfNext()?.destroy();
    this.#log('discarded', next.step === 'signing' ? next.draft.fields.epoch : next.key.epoch);
    this.#next = null;
  }

  #secretOfNext(): TunnelKey['privateKey'] | null {
    if (this.#next === null) return null;
    return this.#next.step === 'signing' ? this.#next.draft.privateKey : this.#next.key.privateKey;
  }

  #end(key: TunnelKey, transition: Transition = 'ended'): void {
    key.privateKey.destroy();
    this.#writes.changed();
    this.#log(transition, key.epoch);
  }

  #newTrial(now: Moment): Trial {
    return { endsAt: after(now.boot, this.#times.trialMs), failed: false, judged: false };
  }

  #jitterMs(): number {
    return Math.floor((this.#random16() / 2 ** 16) * this.#times.jitterMs);
  }

  /** 0 to 65,535. */
  #random16(): number {
    const [high = 0, low = 0] = this.#options.entropy(2);
    return (high << 8) | low;
  }

  #alert(alert: RotationAlert, raised: boolean): void {
    if (this.#alerts.has(alert) === raised) return;
    if (raised) this.#alerts.add(alert);
    else this.#alerts.delete(alert);
    this.#effects.push({ kind: 'alert', alert, raised });
  }

  #log(transition: Transition, epoch: bigint): void {
    this.#effects.push({ kind: 'transition', transition, epoch });
  }
}
