// The responder's side of one handshake (SPEC.md 11.13): from a hello until its time is over.
import type { Instant, Moment } from '../../base/time.js';
import { after } from '../../base/time.js';
import type { Path } from '../../ports/udp.js';
import type { Finish, Hello } from '../../wire/beamMessages.js';
import { isHybrid } from '../../wire/beamMessages.js';
import { splitMessage } from '../../wire/fragments.js';
import { CookieStamper } from '../cookie.js';
import { sourceKey } from '../rateLimiter.js';
import type { BeamEffect, BeamOptions, BeamRefusal, HandshakeId } from './beamEvents.js';
import type { VerifiedPeer } from './beamIdentity.js';
import { identityMessage } from './beamIdentity.js';
import { RESPONSE_MS } from './beamParameters.js';
import { answerMacContext } from './beamSetup.js';
import { digestOf } from './reassembly.js';
import type { ReadFinish, SentAnswer } from './responderSteps.js';
import { answerHello, makeWelcome, readFinish } from './responderSteps.js';

type Phase =
  | ({ readonly kind: 'answered' } & SentAnswer)
  | ({
      readonly kind: 'admitting' | 'signing';
      readonly sent: SentAnswer;
      readonly finishDigest: Uint8Array;
    } & ReadFinish)
  | {
      readonly kind: 'welcomed';
      readonly welcome: Uint8Array;
      readonly peer: VerifiedPeer;
      readonly finishDigest: Uint8Array;
    }
  | { readonly kind: 'over' };

export interface ReceivedHello {
  readonly hello: Hello;
  /** The datagram, whole. */
  readonly message: Uint8Array;
  readonly path: Path;
  /** It came in fragments, and its answer goes in fragments. */
  readonly isSplit: boolean;
}

export class IncomingCall {
  readonly id: HandshakeId;
  /** Of the address that the hello came from. */
  readonly source: string;
  /** When its hello came. */
  readonly beganAt: Instant;
  readonly endsAt: Instant;
  readonly #options: BeamOptions;
  readonly #hello: Pick<Hello, 'sender' | 'protocol' | 'invite'>;
  readonly #stamper: CookieStamper;
  #path: Path;
  #phase: Phase;

  private constructor(setup: {
    readonly id: HandshakeId;
    readonly options: BeamOptions;
    readonly received: ReceivedHello;
    readonly sent: SentAnswer;
    readonly now: Instant;
  }) {
    const { id, options, received, sent, now } = setup;
    const { hello, path } = received;
    this.id = id;
    this.source = sourceKey(path.remote);
    this.beganAt = now;
    this.endsAt = after(now, RESPONSE_MS);
    this.#options = options;
    const { sender, protocol } = hello;
    this.#hello = { sender, protocol, invite: hello.invite.slice() };
    this.#stamper = new CookieStamper(answerMacContext(options, hello.noise));
    this.#path = path;
    this.#phase = { kind: 'answered', ...sent };
  }

  /** Computes the answer; `sendAnswer` sends it. */
  static accept(
    options: BeamOptions,
    received: ReceivedHello,
    now: Instant,
  ): IncomingCall | BeamRefusal {
    const id = options.indices.allocate();
    const sent = answerHello(options, received, id);
    if (typeof sent !== 'string') return new IncomingCall({ id, options, received, sent, now });
    options.indices.release(id);
    return sent;
  }

  get isOver(): boolean {
    return this.#phase.kind === 'over';
  }

  /** Whoever sent the hello hasn't shown that it hears us. */
  get isUnproven(): boolean {
    return this.#phase.kind === 'answered';
  }

  /** Null before a valid finish. */
  get peer(): VerifiedPeer | null {
    return 'peer' in this.#phase ? this.#phase.peer : null;
  }

  /** To where and as the hello came from, this time. */
  sendAnswer(received: ReceivedHello, now: Instant): BeamEffect[] | BeamRefusal {
    if (this.#phase.kind !== 'answered') return 'outOfPlace';
    this.#path = received.path;
    const { answer } = this.#phase;
    const split = received.isSplit && isHybrid(this.#hello.protocol);
    const datagrams = split ? splitMessage(answer, digestOf(answer)) : [answer.slice()];
    this.#stamper.stampAll(datagrams, now);
    return datagrams.map((bytes) => ({ kind: 'sendTo', path: this.#path, bytes, isCookie: false }));
  }

  /** A finish whose macs were found good. `message` is the datagram. */
  consumeFinish(
    received: { readonly finish: Finish; readonly message: Uint8Array; readonly path: Path },
    now: Moment,
  ): BeamEffect[] | BeamRefusal {
    const { finish, message, path } = received;
    const phase = this.#phase;
    if (finish.sender !== this.#hello.sender) return 'unknownIndex';
    if (phase.kind === 'welcomed') return this.#welcomeAgain(phase, received);
    if (phase.kind !== 'answered') return 'outOfPlace';
    const read = readFinish(this.#options, phase, finish, now.wall);
    if (read === 'forged') return read;
    if (read === 'unverified') return this.#end(read);
    const { did } = read.peer;
    const { protocol } = this.#hello;
    const sent: SentAnswer = phase;
    this.#phase = { kind: 'admitting', sent, finishDigest: digestOf(message).slice(), ...read };
    if (did === this.#options.did) return this.#end('ourselves');
    if (!isHybrid(protocol) && !this.#options.allowsClassical(did)) {
      return this.#end('classicalNotAllowed');
    }
    this.#path = path;
    const inviteId = this.#hello.invite.some((byte) => byte !== 0) ? this.#hello.invite : null;
    const handshake = this.id;
    const { peer } = read;
    return [{ kind: 'admissionWanted', handshake, role: 'responder', peer, protocol, inviteId }];
  }

  admissionDecided(admitted: boolean): BeamEffect[] {
    if (this.#phase.kind !== 'admitting') return [];
    if (!admitted) {
      this.destroy();
      return [];
    }
    const { keys, sent } = this.#phase;
    this.#phase = { ...this.#phase, kind: 'signing' };
    const message = identityMessage('responder', keys.handshakeHash, sent.credential);
    return [{ kind: 'signatureWanted', handshake: this.id, message }];
  }

  /** The session is installed, and then the welcome tells the initiator that it may send. */
  signed(signature: Uint8Array): BeamEffect[] {
    if (this.#phase.kind !== 'signing') return [];
    const { keys, sent, peer, finishDigest } = this.#phase;
    const { sender: remoteIndex, protocol } = this.#hello;
    const indices = { sender: this.id, receiver: remoteIndex };
    const ours = { credential: sent.credential, signature };
    const welcome = makeWelcome(keys.welcome, indices, ours);
    if (welcome === null) {
      this.destroy();
      return [];
    }
    const established: BeamEffect = {
      kind: 'established',
      path: this.#path,
      session: {
        peer,
        role: 'responder',
        protocol,
        localIndex: this.id,
        remoteIndex,
        suite: sent.suite,
        sendKey: keys.responder.expose().slice(),
        receiveKey: keys.initiator.expose().slice(),
        handshakeHash: keys.handshakeHash,
      },
    };
    keys.destroy();
    this.#phase = { kind: 'welcomed', welcome, peer, finishDigest };
    return [established, this.#welcomeEffect(welcome, this.#path)];
  }

  /** True if it is a cookie for the answer that was sent last. */
  consumeCookieReply(reply: Uint8Array, now: Instant): boolean {
    return this.#stamper.consumeReply(reply, now);
  }

  /** Zeroes everything and frees the index, unless a session has it. Harmless when called again. */
  destroy(): void {
    const phase = this.#phase;
    if (phase.kind === 'over') return;
    if ('noise' in phase) phase.noise.destroy();
    if ('sent' in phase) phase.sent.noise.destroy();
    if ('keys' in phase) phase.keys.destroy();
    this.#stamper.destroy();
    this.#phase = { kind: 'over' };
    if (phase.kind !== 'welcomed') this.#options.indices.release(this.id);
  }

  #end(reason: BeamRefusal): BeamRefusal {
    this.destroy();
    return reason;
  }

  /** The welcome may have been lost. The finish was authentic when its bytes came first. */
  #welcomeAgain(
    phase: Extract<Phase, { kind: 'welcomed' }>,
    received: { readonly message: Uint8Array; readonly path: Path },
  ): BeamEffect[] | BeamRefusal {
    const isSame = Buffer.compare(digestOf(received.message), phase.finishDigest) === 0;
    return isSame ? [this.#welcomeEffect(phase.welcome, received.path)] : 'outOfPlace';
  }

  #welcomeEffect(welcome: Uint8Array, path: Path): BeamEffect {
    return { kind: 'sendTo', path, bytes: welcome.slice(), isCookie: false };
  }
}
