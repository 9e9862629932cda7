// The fixed inputs of SPEC.md 11.17, and a run of two machines with them.
import { concat } from '../../src/base/bytes.js';
import type { Endpoint } from '../../src/base/ip.js';
import { Secret } from '../../src/base/secret.js';
import { instant, wallTime } from '../../src/base/time.js';
import { clampX25519, x25519 } from '../../src/crypto/dh.js';
import { nobleMlKem768 } from '../../src/crypto/mlKem.js';
import type { BeamEffect, BeamOptions, BeamSession } from '../../src/handshake/beam/beamEvents.js';
import { BeamHandshakes } from '../../src/handshake/beam/beamHandshakes.js';
import { localOffer } from '../../src/handshake/beam/suiteChoice.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const repeated = (byte: number, byteLength = 32): Uint8Array =>
  new Uint8Array(byteLength).fill(byte);
/** b, b+1, b+2, … */
export const counting = (byte: number, byteLength: number): Uint8Array =>
  Uint8Array.from({ length: byteLength }, (_, i) => byte + i);

export const FIXED = {
  networkId: counting(0x40, 32),
  invite: counting(0x10, 16),
  psk: repeated(0x70),
  initiator: {
    did: 'did:key:zInitiator',
    index: 0x0403_0201,
    tunnelKey: repeated(0x11),
    ephemeral: repeated(0x13),
    kemSeed: repeated(0x15, 64),
    credential: utf8('credential of the initiator'),
    signature: repeated(0xa1, 64),
  },
  responder: {
    did: 'did:key:zResponder',
    index: 0x0807_0605,
    tunnelKey: repeated(0x12),
    ephemeral: repeated(0x14),
    kemMessage: repeated(0x16),
    credential: utf8('credential of the responder'),
    signature: repeated(0xa2, 64),
  },
} as const;

export interface Transcript {
  readonly messages: readonly Uint8Array[];
  readonly initiator: BeamSession;
  readonly responder: BeamSession;
}

const AT: Endpoint = { family: 4, address: '192.0.2.1', port: 1, scopeId: 0 };
const NOW = { boot: instant(0), wall: wallTime(0) };

/** One hybrid handshake without a psk, or with the invite's, by the machines. */
export function runTranscript(usesPsk: boolean): Transcript {
  const invite = { id: FIXED.invite, key: new Secret(FIXED.psk.slice()) };
  const a = end('initiator');
  const b = end('responder');
  const messages: Uint8Array[] = [];
  const sessions: BeamSession[] = [];
  const path = { remote: AT, local: null };
  const carryOut = (from: BeamHandshakes, to: BeamHandshakes, effects: BeamEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === 'sendTo') {
        messages.push(effect.bytes);
        const event = { kind: 'received', bytes: effect.bytes.slice(), path } as const;
        carryOut(to, from, to.handle(event, NOW));
      } else if (effect.kind === 'established') {
        sessions.push(effect.session);
      } else if (effect.kind === 'admissionWanted') {
        const { handshake } = effect;
        const event = { kind: 'admissionDecided', handshake, admitted: true } as const;
        carryOut(from, to, from.handle(event, NOW));
      } else if (effect.kind === 'signatureWanted') {
        const { handshake } = effect;
        const { signature } = from === a ? FIXED.initiator : FIXED.responder;
        const event = { kind: 'signed', handshake, signature } as const;
        carryOut(from, to, from.handle(event, NOW));
      } else {
        throw new Error(`unexpected ${effect.kind}`);
      }
    }
  };
  const call = {
    did: FIXED.responder.did,
    path,
    protocol: usesPsk ? 'hybridPsk' : 'hybrid',
    invite: usesPsk ? invite : null,
    pathTakesWhole: true,
  } as const;
  carryOut(a, b, a.handle({ kind: 'call', call }, NOW));
  const of = (role: 'initiator' | 'responder'): BeamSession =>
    sessions.find((session) => session.role === role)!;
  return { messages, initiator: of('initiator'), responder: of('responder') };
}

export const tunnelKeyPair = (role: 'initiator' | 'responder') => {
  const privateKey = clampX25519(FIXED[role].tunnelKey.slice());
  return { privateKey: new Secret(privateKey), publicKey: x25519.publicKey(privateKey) };
};

function end(role: 'initiator' | 'responder'): BeamHandshakes {
  const own = FIXED[role];
  const keyPair = tunnelKeyPair(role);
  const stream =
    role === 'initiator'
      ? concat(own.ephemeral, FIXED.initiator.kemSeed)
      : concat(own.ephemeral, FIXED.responder.kemMessage);
  let at = 0;
  const options: BeamOptions = {
    // Chance beyond the keys, such as the jitter of retransmissions, is no part of the transcript.
    entropy: (byteLength) => {
      if (byteLength === 1) return new Uint8Array(1);
      at += byteLength;
      return stream.slice(at - byteLength, at);
    },
    networkId: FIXED.networkId,
    did: own.did,
    offer: localOffer(true),
    tunnelCredential: () => ({ keyPair, credential: own.credential }),
    verify: () => {
      const peer = role === 'initiator' ? 'responder' : 'initiator';
      const { publicKey } = tunnelKeyPair(peer);
      return { did: FIXED[peer].did, tunnelKey: publicKey, epoch: 1n, notAfter: wallTime(1) };
    },
    inviteKey: () => new Secret(FIXED.psk.slice()),
    allowsClassical: () => false,
    indices: { allocate: () => own.index, release: () => undefined },
    load: { messageReceived: () => false },
    kem: nobleMlKem768,
  };
  return new BeamHandshakes(options);
}
