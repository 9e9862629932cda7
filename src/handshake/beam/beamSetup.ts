// What both ends feed into a handshake before its first byte (SPEC.md 11.7, 11.9): mac contexts, the
// prologue, and a Noise state that owns the keys it was given.
import { assert } from '../../base/assert.js';
import { concat } from '../../base/bytes.js';
import { Secret } from '../../base/secret.js';
import type { Kem } from '../../crypto/kem.js';
import { mlKem768 } from '../../crypto/mlKem.js';
import type { Entropy } from '../../ports/entropy.js';
import { NETWORK_ID_BYTES } from '../../wire/beamLayout.js';
import type { BeamProtocol } from '../../wire/beamMessages.js';
import { helloTranscript, usesPsk } from '../../wire/beamMessages.js';
import type { KeyPair } from '../noise/handshakeState.js';
import { HandshakeState } from '../noise/handshakeState.js';
import { noiseProtocol } from '../noise/protocol.js';

/** SPEC.md 11.1; the exact texts are hashed. */
const NOISE_NAMES: Readonly<Record<BeamProtocol, string>> = {
  hybrid: 'Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256',
  hybridPsk: 'Noise_XXhfs+psk3_25519+MLKEM768_AESGCM_SHA256',
  classical: 'Noise_XX_25519_AESGCM_SHA256',
  classicalPsk: 'Noise_XXpsk3_25519_AESGCM_SHA256',
};
const IDENTIFICATION = new TextEncoder().encode('Beam 1');
const EPHEMERAL_BYTES = 32;

/** Whom a handshake is with: the network's id, 32 bytes, and the DID of its responder. */
export interface Callee {
  readonly networkId: Uint8Array;
  readonly did: string;
}

/** X: for hello and finish. SPEC.md 11.7. */
export function macContext({ networkId, did }: Callee): Uint8Array {
  assert(networkId.length === NETWORK_ID_BYTES, 'a network id has 32 bytes');
  return concat(networkId, new TextEncoder().encode(did));
}

/** Xa: for the answer to a hello, whose Noise message starts with the ephemeral key. SPEC.md 11.7. */
export const answerMacContext = (callee: Callee, helloNoise: Uint8Array): Uint8Array =>
  concat(macContext(callee), helloNoise.subarray(0, EPHEMERAL_BYTES));

function prologue({ networkId, did }: Callee, hello: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(did);
  assert(name.length <= 255, 'the size of a DID is one byte');
  const size = Uint8Array.of(name.length);
  return concat(IDENTIFICATION, networkId, size, name, helloTranscript(hello));
}

/** A Noise handshake with copies of the long-lived keys, all zeroed with it. */
export class BeamNoise {
  readonly state: HandshakeState;
  readonly #localStatic: KeyPair;
  readonly #psks: readonly Secret[];

  /** `hello` is the datagram, or its first 28 bytes where it isn't finished yet. Copies the keys. */
  constructor(setup: {
    readonly role: 'initiator' | 'responder';
    readonly protocol: BeamProtocol;
    readonly callee: Callee;
    readonly hello: Uint8Array;
    readonly localStatic: KeyPair;
    /** 32 bytes; null where the protocol has none. */
    readonly psk: Secret | null;
    readonly entropy: Entropy;
    readonly kem?: Kem;
  }) {
    const { role, protocol, localStatic, psk, entropy } = setup;
    assert(usesPsk(protocol) === (psk !== null), 'the protocol says if there is a psk');
    const noise = noiseProtocol(NOISE_NAMES[protocol], [setup.kem ?? mlKem768]);
    assert(noise !== null, 'the engine knows the protocol');
    this.#localStatic = {
      privateKey: new Secret(localStatic.privateKey.expose().slice()),
      publicKey: localStatic.publicKey.slice(),
    };
    this.#psks = psk === null ? [] : [new Secret(psk.expose().slice())];
    this.state = new HandshakeState({
      protocol: noise,
      role,
      prologue: prologue(setup.callee, setup.hello),
      localStatic: this.#localStatic,
      remoteStatic: null,
      psks: this.#psks,
      entropy,
    });
  }

  /** Harmless when called again. */
  destroy(): void {
    this.state.destroy();
    this.#localStatic.privateKey.destroy();
    for (const psk of this.#psks) psk.destroy();
  }
}
