// The initiator's side of the handshakes with one peer (SPEC.md 11.13): from the first hello until it
// is established or over.
import { equalConstantTime } from '../../base/bytes.js';
import { Secret } from '../../base/secret.js';
import type { Instant, Moment } from '../../base/time.js';
import { after, earliest } from '../../base/time.js';
import type { Suite } from '../../ports/dataPlane.js';
import type { Path } from '../../ports/udp.js';
import type { Answer, Welcome } from '../../wire/beamMessages.js';
import { isHybrid } from '../../wire/beamMessages.js';
import { splitMessage } from '../../wire/fragments.js';
import { CookieChecker, CookieStamper } from '../cookie.js';
import type {
  BeamEffect,
  BeamOptions,
  BeamRefusal,
  Call,
  CallEnd,
  HandshakeId,
  Invite,
} from './beamEvents.js';
import type { VerifiedPeer } from './beamIdentity.js';
import { identityMessage } from './beamIdentity.js';
import { ATTEMPT_MS, FINISH_PHASE_MS } from './beamParameters.js';
import type { BeamNoise, Callee } from './beamSetup.js';
import { answerMacContext, macContext } from './beamSetup.js';
import type { SentFinish, SentHello } from './initiatorSteps.js';
import { makeFinish, makeHello, readAnswer, readWelcome } from './initiatorSteps.js';
import { digestOf } from './reassembly.js';
import { Retransmission } from './retransmission.js';

type Phase =
  | ({ readonly kind: 'calling'; readonly checker: CookieChecker } & SentHello)
  | {
      readonly kind: 'signing';
      readonly noise: BeamNoise;
      readonly credential: Uint8Array;
      readonly remoteIndex: number;
      readonly suite: Suite;
      readonly endsAt: Instant;
    }
  | ({ readonly kind: 'finishing' } & Finished & SentFinish)
  | ({ readonly kind: 'admitting'; readonly peer: VerifiedPeer } & Finished & SentFinish)
  /** What answered chose as nobody may; the time until the next hello runs. */
  | { readonly kind: 'spoiled'; readonly noise: BeamNoise; readonly endsAt: Instant }
  | { readonly kind: 'over' };

interface Finished {
  readonly remoteIndex: number;
  readonly suite: Suite;
  readonly endsAt: Instant;
}

const OVER: Phase = { kind: 'over' };

export class OutgoingCall {
  readonly did: string;
  readonly #options: BeamOptions;
  readonly #call: Call;
  readonly #callee: Callee;
  readonly #invite: Invite | null;
  readonly #stamper: CookieStamper;
  readonly #retransmission: Retransmission;
  readonly #endsAt: Instant;
  #path: Path;
  #localIndex: number | null = null;
  #phase: Phase = OVER;

  /** Copies the invite's key. */
  constructor(call: Call, options: BeamOptions, now: Instant) {
    this.did = call.did;
    this.#options = options;
    this.#call = call;
    this.#path = call.path;
    this.#callee = { networkId: options.networkId, did: call.did };
    const { invite } = call;
    this.#invite = invite && {
      id: invite.id.slice(),
      key: new Secret(invite.key.expose().slice()),
    };
    this.#stamper = new CookieStamper(macContext(this.#callee));
    this.#retransmission = new Retransmission(options.entropy);
    this.#endsAt = after(now, ATTEMPT_MS);
  }

  /** The index by which the peer and the answers to effects name this handshake. */
  get id(): HandshakeId | null {
    return this.#localIndex;
  }

  get isOver(): boolean {
    return this.#phase.kind === 'over';
  }

  /** Who has this tunnel key has answered us, and so hears us. SPEC.md 11.13, crossing. */
  isAnsweredBy(tunnelKey: Uint8Array): boolean {
    const phase = this.#phase;
    if (phase.kind !== 'finishing' && phase.kind !== 'admitting') return false;
    return equalConstantTime(phase.tunnelKey, tunnelKey);
  }

  /** Checks the macs of an answer; null where none is waited for. */
  get answerChecker(): CookieChecker | null {
    return this.#phase.kind === 'calling' ? this.#phase.checker : null;
  }

  /** The first hello, or another one with new keys. */
  start(now: Moment): BeamEffect[] {
    this.#clear();
    const { indices, entropy } = this.#options;
    this.#localIndex = indices.allocate();
    const sent = makeHello(this.#options, {
      callee: this.#callee,
      protocol: this.#call.protocol,
      invite: this.#invite,
      localIndex: this.#localIndex,
    });
    if (sent === null) return this.end('noCredential');
    const context = answerMacContext(this.#callee, sent.noiseMessage);
    this.#phase = { kind: 'calling', ...sent, checker: new CookieChecker(context, entropy) };
    return this.#send(now.boot);
  }

  /** An answer whose macs were found good. */
  consumeAnswer(answer: Answer, now: Moment): BeamEffect[] | BeamRefusal {
    if (this.#phase.kind !== 'calling') return 'outOfPlace';
    const { noise, credential, checker } = this.#phase;
    const read = readAnswer(this.#options, noise, answer);
    if (read === 'forged') return read;
    checker.destroy();
    this.#retransmission.reset();
    const endsAt = after(now.boot, FINISH_PHASE_MS);
    if (typeof read === 'string') {
      this.#phase = { kind: 'spoiled', noise, endsAt };
      return read;
    }
    const { sender: remoteIndex } = answer;
    this.#phase = { kind: 'signing', noise, credential, remoteIndex, suite: read.suite, endsAt };
    const message = identityMessage('initiator', noise.state.handshakeHash, credential);
    return [{ kind: 'signatureWanted', handshake: this.#localIndex!, message }];
  }

  signed(signature: Uint8Array, now: Moment): BeamEffect[] {
    if (this.#phase.kind !== 'signing') return [];
    const { noise, credential, remoteIndex, suite, endsAt } = this.#phase;
    const indices = { sender: this.#localIndex!, receiver: remoteIndex };
    const sent = makeFinish(noise, indices, { credential, signature, suite });
    if (sent === null) return this.end('noCredential');
    this.#phase = { kind: 'finishing', ...sent, remoteIndex, suite, endsAt };
    return this.#send(now.boot);
  }

  /** A welcome; it has no macs, its own key authenticates it. */
  consumeWelcome(welcome: Welcome, path: Path, now: Moment): BeamEffect[] | BeamRefusal {
    if (this.#phase.kind !== 'finishing') return 'outOfPlace';
    const check = { now: now.wall, verify: this.#options.verify };
    const peer = readWelcome(welcome, this.#phase, check);
    if (typeof peer === 'string') return peer;
    if (peer.did !== this.did) return 'wrongPeer';
    this.#path = path;
    this.#retransmission.reset();
    const endsAt = after(now.boot, FINISH_PHASE_MS);
    this.#phase = { ...this.#phase, kind: 'admitting', peer, endsAt };
    return [
      {
        kind: 'admissionWanted',
        handshake: this.#localIndex!,
        role: 'initiator',
        peer,
        protocol: this.#call.protocol,
        inviteId: this.#invite?.id ?? null,
      },
    ];
  }

  admissionDecided(admitted: boolean): BeamEffect[] {
    if (this.#phase.kind !== 'admitting') return [];
    if (!admitted) return this.end('notAdmitted');
    const { peer, keys, remoteIndex, suite } = this.#phase;
    const effect: BeamEffect = {
      kind: 'established',
      path: this.#path,
      session: {
        peer,
        role: 'initiator',
        protocol: this.#call.protocol,
        localIndex: this.#localIndex!,
        remoteIndex,
        suite,
        sendKey: keys.initiator.expose().slice(),
        receiveKey: keys.responder.expose().slice(),
        handshakeHash: keys.handshakeHash,
      },
    };
    // The index is the session's from here on.
    this.#localIndex = null;
    this.destroy();
    return [effect];
  }

  /** True if it is a cookie for what was sent last. */
  consumeCookieReply(reply: Uint8Array, now: Instant): boolean {
    return this.#stamper.consumeReply(reply, now);
  }

  nextTimeout(): Instant | null {
    if (this.isOver) return null;
    const phaseEndsAt = 'endsAt' in this.#phase ? this.#phase.endsAt : null;
    return earliest(earliest(this.#endsAt, phaseEndsAt), this.#retransmission.dueAt);
  }

  handleTimeout(now: Moment): BeamEffect[] {
    if (this.isOver) return [];
    if (now.boot >= this.#endsAt) return this.end('timedOut');
    if ('endsAt' in this.#phase && now.boot >= this.#phase.endsAt) {
      return this.#phase.kind === 'admitting' ? this.end('notAdmitted') : this.start(now);
    }
    const { dueAt } = this.#retransmission;
    return dueAt !== null && now.boot >= dueAt ? this.#send(now.boot) : [];
  }

  end(reason: CallEnd): BeamEffect[] {
    if (this.isOver && this.#localIndex === null) return [];
    this.destroy();
    return [{ kind: 'callEnded', did: this.did, reason }];
  }

  /** Zeroes everything. Harmless when called again. */
  destroy(): void {
    this.#clear();
    this.#stamper.destroy();
    this.#invite?.key.destroy();
  }

  #clear(): void {
    const phase = this.#phase;
    if ('noise' in phase) phase.noise.destroy();
    if ('keys' in phase) phase.keys.destroy();
    if ('checker' in phase) phase.checker.destroy();
    this.#phase = OVER;
    this.#retransmission.reset();
    if (this.#localIndex !== null) this.#options.indices.release(this.#localIndex);
    this.#localIndex = null;
  }

  /** The message of this phase, once more or for the first time. */
  #send(now: Instant): BeamEffect[] {
    const datagrams = this.#datagrams();
    this.#stamper.stampAll(datagrams, now);
    this.#retransmission.messageSent(now);
    return datagrams.map((bytes) => ({ kind: 'sendTo', path: this.#path, bytes, isCookie: false }));
  }

  #datagrams(): readonly Uint8Array[] {
    const phase = this.#phase;
    if (phase.kind === 'finishing') return [phase.finish.slice()];
    if (phase.kind !== 'calling') return [];
    const { protocol, pathTakesWhole } = this.#call;
    const whole = !isHybrid(protocol) || (pathTakesWhole && this.#retransmission.sent === 0);
    return whole ? [phase.hello.slice()] : splitMessage(phase.hello, digestOf(phase.hello));
  }
}
