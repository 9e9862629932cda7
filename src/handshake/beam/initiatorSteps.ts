// The initiator's messages, one function each (SPEC.md 11.3 to 11.6). No time, no state beyond what is
// handed in: outgoingCall.ts decides when.
import { assert } from '../../base/assert.js';
import type { WallTime } from '../../base/time.js';
import type { Suite } from '../../ports/dataPlane.js';
import { HELLO_PADDING_BYTES, INVITE_BYTES } from '../../wire/beamLayout.js';
import type { Answer, BeamProtocol, Welcome } from '../../wire/beamMessages.js';
import { decodeChoice, encodeFinish, encodeHello } from '../../wire/beamMessages.js';
import { encodeIdentityPayload } from '../../wire/identityPayload.js';
import type { BeamOptions, BeamRefusal, Invite } from './beamEvents.js';
import type { VerifiedPeer, VerifyIdentity } from './beamIdentity.js';
import { verifyPayload } from './beamIdentity.js';
import type { BeamKeys } from './beamKeys.js';
import { deriveKeys, openWelcome } from './beamKeys.js';
import type { Callee } from './beamSetup.js';
import { BeamNoise } from './beamSetup.js';
import { chooseSuite, isRightChoice } from './suiteChoice.js';

const NOTHING = new Uint8Array(0);
const NO_INVITE = new Uint8Array(INVITE_BYTES);

export interface SentHello {
  /** The datagram; its macs are zero. */
  readonly hello: Uint8Array;
  /** Its Noise message. */
  readonly noiseMessage: Uint8Array;
  readonly noise: BeamNoise;
  /** Ours, for this handshake. */
  readonly credential: Uint8Array;
}

/** Null where there is no tunnel key to begin with. */
export function makeHello(
  options: BeamOptions,
  call: {
    readonly callee: Callee;
    readonly protocol: BeamProtocol;
    readonly invite: Invite | null;
    readonly localIndex: number;
  },
): SentHello | null {
  const tunnel = options.tunnelCredential();
  if (tunnel === null) return null;
  const { callee, protocol, invite, localIndex } = call;
  const fields = {
    ...options.offer,
    sender: localIndex,
    protocol,
    invite: invite?.id ?? NO_INVITE,
  };
  const noise = new BeamNoise({
    role: 'initiator',
    protocol,
    callee,
    hello: encodeHello({ ...fields, noise: NOTHING }),
    localStatic: tunnel.keyPair,
    psk: invite?.key ?? null,
    entropy: options.entropy,
    ...(options.kem && { kem: options.kem }),
  });
  // e, e1
  const padding = new Uint8Array(HELLO_PADDING_BYTES[protocol]);
  const noiseMessage = noise.state.writeMessage(padding);
  assert(noiseMessage !== null, 'the first message depends on nothing of the peer');
  const hello = encodeHello({ ...fields, noise: noiseMessage });
  return { hello, noiseMessage, noise, credential: tunnel.credential };
}

/** A refused answer leaves the handshake where it was. A wrong choice is authentic, and ends it. */
export function readAnswer(
  options: BeamOptions,
  noise: BeamNoise,
  answer: Answer,
): { readonly suite: Suite } | BeamRefusal {
  // e, ee, ekem1, s, es
  const payload = noise.state.readMessage(answer.noise);
  if (payload === null) return 'forged';
  const choice = decodeChoice(payload);
  if (choice?.index !== answer.sender || !isRightChoice(options.offer, choice))
    return 'wrongChoice';
  const suite = chooseSuite(options.offer, choice);
  return suite === null ? 'wrongChoice' : { suite };
}

export interface SentFinish {
  /** The datagram; its macs are zero. */
  readonly finish: Uint8Array;
  readonly keys: BeamKeys;
  /** The responder's static key, 32 bytes. */
  readonly tunnelKey: Uint8Array;
}

/** Ends the Noise handshake. Null where our identity doesn't fit, or the peer's key is unusable. */
export function makeFinish(
  noise: BeamNoise,
  indices: { readonly sender: number; readonly receiver: number },
  ours: {
    readonly credential: Uint8Array;
    readonly signature: Uint8Array;
    readonly suite: Suite;
  },
): SentFinish | null {
  const payload = encodeIdentityPayload(ours);
  // s, se [, psk]
  const message = payload && noise.state.writeMessage(payload);
  const tunnelKey = noise.state.remoteStatic;
  if (message === null || tunnelKey === null) return null;
  const keys = deriveKeys(noise.state, ours.suite);
  noise.destroy();
  return { finish: encodeFinish({ ...indices, noise: message }), keys, tunnelKey };
}

/** The peer behind the welcome, whoever it is. `forged` leaves everything as it was. */
export function readWelcome(
  welcome: Welcome,
  sent: Pick<SentFinish, 'keys' | 'tunnelKey'>,
  check: { readonly now: WallTime; readonly verify: VerifyIdentity },
): VerifiedPeer | 'forged' | 'unverified' {
  const payload = openWelcome(sent.keys.welcome, welcome);
  if (payload === null) return 'forged';
  const { tunnelKey, keys } = sent;
  const claim = { role: 'responder', handshakeHash: keys.handshakeHash, tunnelKey } as const;
  return verifyPayload(payload, { ...claim, ...check }) ?? 'unverified';
}
