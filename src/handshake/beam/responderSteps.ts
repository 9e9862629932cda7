// The responder's messages, one function each (SPEC.md 11.3 to 11.6). incomingCall.ts decides when.
import type { Secret } from '../../base/secret.js';
import { isZero } from '../../base/bytes.js';
import type { WallTime } from '../../base/time.js';
import type { Suite } from '../../ports/dataPlane.js';
import type { Finish, Hello } from '../../wire/beamMessages.js';
import {
  SUITE_BITS,
  VERSION_1,
  encodeAnswer,
  encodeChoice,
  isHybrid,
  usesPsk,
} from '../../wire/beamMessages.js';
import { encodeIdentityPayload } from '../../wire/identityPayload.js';
import type { BeamOptions, BeamRefusal } from './beamEvents.js';
import type { VerifiedPeer } from './beamIdentity.js';
import { verifyPayload } from './beamIdentity.js';
import type { BeamKeys } from './beamKeys.js';
import { deriveKeys, sealWelcome } from './beamKeys.js';
import { BeamNoise } from './beamSetup.js';
import { chooseSuite } from './suiteChoice.js';

export interface SentAnswer {
  /** The datagram; its macs are zero. */
  readonly answer: Uint8Array;
  readonly noise: BeamNoise;
  readonly suite: Suite;
  /** Ours, for this handshake. */
  readonly credential: Uint8Array;
}

/** `message` is the datagram that `hello` was decoded from. */
export function answerHello(
  options: BeamOptions,
  received: { readonly hello: Hello; readonly message: Uint8Array },
  localIndex: number,
): SentAnswer | BeamRefusal {
  const { hello, message } = received;
  const { protocol } = hello;
  if (!isHybrid(protocol) && !options.allowsClassical(null)) return 'classicalNotAllowed';
  const suite = chooseSuite(hello, options.offer);
  if (suite === null) return 'noCommonSuite';
  const psk = usesPsk(protocol) ? options.inviteKey(hello.invite) : null;
  if (usesPsk(protocol) && psk === null) return 'unknownInvite';
  const tunnel = options.tunnelCredential();
  if (tunnel === null) return 'noCredential';
  const noise = new BeamNoise({
    role: 'responder',
    protocol,
    callee: options,
    hello: message,
    localStatic: tunnel.keyPair,
    psk,
    entropy: options.entropy,
    ...(options.kem && { kem: options.kem }),
  });
  // e, e1
  const padding = noise.state.readMessage(hello.noise);
  if (padding === null || !isZero(padding)) return refuse(noise, 'malformed');
  const choice = {
    ...options.offer,
    version: VERSION_1,
    suite: SUITE_BITS[suite],
    index: localIndex,
  };
  // e, ee, ekem1, s, es
  const noiseMessage = noise.state.writeMessage(encodeChoice(choice));
  if (noiseMessage === null) return refuse(noise, 'badKey');
  const indices = { sender: localIndex, receiver: hello.sender };
  const answer = encodeAnswer(protocol, { ...indices, noise: noiseMessage });
  return { answer, noise, suite, credential: tunnel.credential };
}

export interface ReadFinish {
  readonly peer: VerifiedPeer;
  readonly keys: BeamKeys;
}

/**
 * `forged` leaves the handshake where it was. `unverified` comes from the one who began it, and ends
 * it; so does success.
 */
export function readFinish(
  options: BeamOptions,
  sent: SentAnswer,
  finish: Finish,
  now: WallTime,
): ReadFinish | 'forged' | 'unverified' {
  const { state } = sent.noise;
  const handshakeHash = state.handshakeHash;
  // s, se [, psk]
  const payload = state.readMessage(finish.noise);
  const tunnelKey = state.remoteStatic;
  if (payload === null || tunnelKey === null) return 'forged';
  const claim = { role: 'initiator', handshakeHash, tunnelKey, now } as const;
  const peer = verifyPayload(payload, { ...claim, verify: options.verify });
  if (peer === null) return 'unverified';
  const keys = deriveKeys(state, sent.suite);
  sent.noise.destroy();
  return { peer, keys };
}

/** Null where our identity doesn't fit. */
export function makeWelcome(
  welcomeKey: Secret,
  indices: { readonly sender: number; readonly receiver: number },
  ours: { readonly credential: Uint8Array; readonly signature: Uint8Array },
): Uint8Array | null {
  const payload = encodeIdentityPayload(ours);
  return payload && sealWelcome(welcomeKey, indices, payload);
}

function refuse(noise: BeamNoise, reason: BeamRefusal): BeamRefusal {
  noise.destroy();
  return reason;
}
