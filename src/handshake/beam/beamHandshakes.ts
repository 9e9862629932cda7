// All Beam handshakes of a device (SPEC.md 11.13): where each event and each datagram belongs.
import { assertNever } from '../../base/assert.js';
import type { Machine } from '../../base/machine.js';
import type { Instant, Moment } from '../../base/time.js';
import { after, earliest } from '../../base/time.js';
import type { Path } from '../../ports/udp.js';
import {
  classifyBeam,
  decodeAnswer,
  decodeBeamCookieReply,
  decodeFinish,
  decodeHello,
  decodeWelcome,
} from '../../wire/beamMessages.js';
import { decodeFragment } from '../../wire/fragments.js';
import { CookieChecker } from '../cookie.js';
import { sourceKey } from '../rateLimiter.js';
import type {
  BeamEffect,
  BeamEvent,
  BeamOptions,
  BeamRefusal,
  Call,
  HandshakeId,
} from './beamEvents.js';
import { BeamGate } from './beamGate.js';
import { RESPONSE_MS } from './beamParameters.js';
import { macContext } from './beamSetup.js';
import { IncomingCall } from './incomingCall.js';
import { IncomingCalls } from './incomingCalls.js';
import { OutgoingCall } from './outgoingCall.js';
import { Reassembly, digestOf } from './reassembly.js';

type Outcome = BeamEffect[] | BeamRefusal;

/** A message that has passed the gate. */
interface Admitted {
  readonly message: Uint8Array;
  readonly path: Path;
  readonly isSplit: boolean;
}

export interface BeamStats {
  readonly calls: number;
  readonly incoming: number;
  readonly fragments: number;
  readonly rateLimitedSources: number;
}

export class BeamHandshakes implements Machine<BeamEvent, BeamEffect> {
  readonly #options: BeamOptions;
  readonly #checker: CookieChecker;
  readonly #gate: BeamGate;
  readonly #reassembly = new Reassembly();
  readonly #incoming = new IncomingCalls();
  /** By the peer's DID. */
  readonly #calls = new Map<string, OutgoingCall>();
  /** By the peer's DID, when a call of ours was established, as long as one that crossed may live. */
  readonly #establishedAt = new Map<string, Instant>();

  constructor(options: BeamOptions) {
    this.#options = options;
    this.#checker = new CookieChecker(macContext(options), options.entropy);
    this.#gate = new BeamGate((now) => this.#isLoaded(now));
  }

  /** Never throws on what a peer sent. A refused input leaves everything as it was (SPEC.md 11.13). */
  handle(event: BeamEvent, now: Moment): BeamEffect[] {
    this.#incoming.expire(now.boot);
    this.#forgetEstablished(now.boot);
    switch (event.kind) {
      case 'call':
        return this.#call(event.call, now);
      case 'forget':
        return this.#forget(event.did);
      case 'received':
        return this.#received(event.bytes, event.path, now);
      case 'signed':
        return this.#answerTo(event.handshake, (handshake) =>
          handshake.signed(event.signature, now),
        );
      case 'admissionDecided':
        return this.#admissionDecided(event.handshake, event.admitted, now.boot);
      default:
        return assertNever(event);
    }
  }

  nextTimeout(): Instant | null {
    let next = earliest(this.#incoming.nextTimeout(), this.#reassembly.nextTimeout());
    next = earliest(next, this.#gate.nextTimeout());
    for (const call of this.#calls.values()) next = earliest(next, call.nextTimeout());
    return next;
  }

  handleTimeout(now: Moment): BeamEffect[] {
    this.#incoming.expire(now.boot);
    this.#reassembly.expire(now.boot);
    this.#gate.handleTimeout(now.boot);
    const effects = [...this.#calls.values()].flatMap((call) => call.handleTimeout(now));
    this.#dropOver();
    return effects;
  }

  stats(): BeamStats {
    return {
      calls: this.#calls.size,
      incoming: this.#incoming.size,
      fragments: this.#reassembly.size,
      rateLimitedSources: this.#gate.sources,
    };
  }

  /** Zeroes every secret. The machine must not be used any more. */
  destroy(): void {
    for (const call of this.#calls.values()) call.destroy();
    this.#calls.clear();
    this.#incoming.destroy();
    this.#checker.destroy();
  }

  #call(wanted: Call, now: Moment): BeamEffect[] {
    if (this.#calls.has(wanted.did)) return [];
    const call = new OutgoingCall(wanted, this.#options, now.boot);
    this.#calls.set(wanted.did, call);
    const effects = call.start(now);
    this.#dropOver();
    return effects;
  }

  #forget(did: string): BeamEffect[] {
    this.#calls.get(did)?.destroy();
    this.#calls.delete(did);
    const incoming = this.#incoming.byDid(did);
    if (incoming !== null) this.#incoming.remove(incoming);
    return [];
  }

  #answerTo(
    id: HandshakeId,
    act: (handshake: OutgoingCall | IncomingCall) => BeamEffect[],
  ): BeamEffect[] {
    const handshake = this.#callById(id) ?? this.#incoming.byId(id);
    const effects = handshake === null ? [] : act(handshake);
    this.#dropOver();
    if (handshake instanceof IncomingCall && handshake.isOver) this.#incoming.remove(handshake);
    return effects;
  }

  #admissionDecided(id: HandshakeId, admitted: boolean, now: Instant): BeamEffect[] {
    const effects = this.#answerTo(id, (handshake) => handshake.admissionDecided(admitted));
    this.#noteEstablished(effects, now);
    return effects;
  }

  #received(bytes: Uint8Array, path: Path, now: Moment): BeamEffect[] {
    const outcome = this.#route(bytes, path, now);
    this.#dropOver();
    return typeof outcome === 'string' ? [{ kind: 'refused', reason: outcome, path }] : outcome;
  }

  #route(bytes: Uint8Array, path: Path, now: Moment): Outcome {
    const kind = classifyBeam(bytes);
    switch (kind) {
      case null:
        return 'malformed';
      case 'beamCookieReply':
        return this.#cookieReply(bytes, now);
      case 'welcome': {
        const welcome = decodeWelcome(bytes)!;
        const call = this.#callById(welcome.receiver);
        return call === null ? 'unknownIndex' : call.consumeWelcome(welcome, path, now);
      }
      case 'fragment':
        return this.#fragment(bytes, path, now);
      case 'hello':
      case 'finish':
        return this.#admit(bytes, this.#checker, path, now, () =>
          this.#consume({ message: bytes, path, isSplit: false }, now),
        );
      case 'answer':
        return this.#admit(
          bytes,
          this.#answerChecker(decodeAnswer(bytes)!.receiver),
          path,
          now,
          () => this.#consume({ message: bytes, path, isSplit: false }, now),
        );
      default:
        return assertNever(kind);
    }
  }

  #fragment(bytes: Uint8Array, path: Path, now: Moment): Outcome {
    const fragment = decodeFragment(bytes);
    if (fragment === null) return 'malformed';
    const checker =
      fragment.of === 'hello' ? this.#checker : this.#answerChecker(fragment.receiver);
    return this.#admit(bytes, checker, path, now, () => {
      const result = this.#reassembly.accept(fragment, path.remote, now.boot);
      switch (result.kind) {
        case 'waiting':
          return [];
        case 'refused':
          return result.reason;
        case 'whole':
          return this.#consume({ message: result.message, path, isSplit: true }, now);
        default:
          return assertNever(result);
      }
    });
  }

  /** Null where no answer is waited for under this index. */
  #answerChecker(receiver: number): CookieChecker | null {
    return this.#callById(receiver)?.answerChecker ?? null;
  }

  #admit(
    message: Uint8Array,
    checker: CookieChecker | null,
    path: Path,
    now: Moment,
    consume: () => Outcome,
  ): Outcome {
    if (checker === null) return 'unknownIndex';
    const admission = this.#gate.admit(message, checker, { from: path.remote, now: now.boot });
    switch (admission.kind) {
      case 'admitted':
        return consume();
      case 'refused':
        return admission.reason;
      case 'cookieRequired':
        return [
          { kind: 'refused', reason: 'cookieRequired', path },
          { kind: 'sendTo', path, bytes: admission.reply, isCookie: true },
        ];
      default:
        return assertNever(admission);
    }
  }

  #consume(admitted: Admitted, now: Moment): Outcome {
    const { message } = admitted;
    switch (classifyBeam(message)) {
      case 'hello':
        return this.#hello(admitted, now);
      case 'answer': {
        const answer = decodeAnswer(message)!;
        const call = this.#callById(answer.receiver);
        return call === null ? 'unknownIndex' : call.consumeAnswer(answer, now);
      }
      case 'finish':
        return this.#finish(admitted, now);
      default:
        return 'malformed';
    }
  }

  #hello(admitted: Admitted, now: Moment): Outcome {
    const hello = decodeHello(admitted.message);
    if (hello === null) return 'malformed';
    const received = { ...admitted, hello };
    const digest = digestOf(admitted.message);
    const known = this.#incoming.byHello(digest);
    if (known !== null) return known.sendAnswer(received, now.boot);
    if (!this.#incoming.makeRoom(sourceKey(admitted.path.remote))) return 'tableFull';
    const call = IncomingCall.accept(this.#options, received, now.boot);
    if (typeof call === 'string') return call;
    this.#incoming.add(call, digest);
    return call.sendAnswer(received, now.boot);
  }

  #finish({ message, path }: Admitted, now: Moment): Outcome {
    const finish = decodeFinish(message);
    if (finish === null) return 'malformed';
    const call = this.#incoming.byId(finish.receiver);
    if (call === null) return 'unknownIndex';
    const wasProven = !call.isUnproven;
    const outcome = call.consumeFinish({ finish, message, path }, now);
    if (call.isOver) this.#incoming.remove(call);
    if (typeof outcome === 'string' || wasProven) return outcome;
    return this.#proven(call, outcome);
  }

  /** Of two calls that cross, one goes on. SPEC.md 11.13. */
  #proven(call: IncomingCall, effects: BeamEffect[]): Outcome {
    const { did, tunnelKey } = call.peer!;
    const ours = this.#calls.get(did);
    const establishedAt = this.#establishedAt.get(did);
    const isOvertaken = establishedAt !== undefined && call.beganAt <= establishedAt;
    if (this.#options.did < did && (isOvertaken || ours?.isAnsweredBy(tunnelKey) === true)) {
      this.#incoming.remove(call);
      return 'crossed';
    }
    if (ours !== undefined) effects.unshift(...ours.end('crossed'));
    this.#incoming.proven(call, did);
    return effects;
  }

  #noteEstablished(effects: readonly BeamEffect[], now: Instant): void {
    for (const effect of effects) {
      if (effect.kind !== 'established' || effect.session.role !== 'initiator') continue;
      this.#establishedAt.delete(effect.session.peer.did);
      this.#establishedAt.set(effect.session.peer.did, now);
    }
  }

  #forgetEstablished(now: Instant): void {
    for (const [did, at] of this.#establishedAt) {
      if (now < after(at, RESPONSE_MS)) return;
      this.#establishedAt.delete(did);
    }
  }

  #cookieReply(bytes: Uint8Array, now: Moment): Outcome {
    const { receiver } = decodeBeamCookieReply(bytes)!;
    const handshake = this.#callById(receiver) ?? this.#incoming.byId(receiver);
    if (handshake === null) return 'unknownIndex';
    return handshake.consumeCookieReply(bytes, now.boot) ? [] : 'unusableCookie';
  }

  #callById(id: HandshakeId): OutgoingCall | null {
    for (const call of this.#calls.values()) if (call.id === id) return call;
    return null;
  }

  #dropOver(): void {
    for (const [did, call] of this.#calls) if (call.isOver) this.#calls.delete(did);
  }

  /** Both are asked, so that every message is counted. */
  #isLoaded(now: Instant): boolean {
    const isBusy = this.#options.load.messageReceived(now);
    return isBusy || this.#incoming.isHalfFull || this.#reassembly.isHalfFull;
  }
}
