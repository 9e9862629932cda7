// XXhfs with ML-KEM (SPEC.md 3.7, 11.9): the tokens e1 and ekem1 against published handshakes, with the
// KEM's published results played back and, for ML-KEM-768, with the KEM itself from the seeds.
import type { ExecutionContext } from 'ava';
import { toHex } from '../../src/base/bytes.js';
import { Secret } from '../../src/base/secret.js';
import type { Kem } from '../../src/crypto/kem.js';
import { nativeMlKem768, nobleMlKem768 } from '../../src/crypto/mlKem.js';
import { CipherState } from '../../src/handshake/noise/cipherState.js';
import { HandshakeState } from '../../src/handshake/noise/handshakeState.js';
import { noiseProtocol } from '../../src/handshake/noise/protocol.js';
import { hex, parseVector, vectorTest } from '../support/vectors.js';

interface HfsVector {
  readonly static_i_private: string;
  readonly static_i_public: string;
  readonly static_r_private: string;
  readonly static_r_public: string;
  readonly ephemeral_dh_i_private: string;
  readonly ephemeral_dh_r_private: string;
  readonly kem_keygen_seed_d_z: string;
  readonly ephemeral_kem_i_public: string;
  readonly kem_encap_seed_m: string;
  readonly kem_ciphertext: string;
  readonly kem_shared_secret: string;
  readonly prologue: string;
  readonly payloads: readonly string[];
  readonly msg_a: string;
  readonly msg_b: string;
  readonly msg_c: string;
  readonly handshake_hash: string;
  readonly cs1_k: string;
  readonly cs2_k: string;
}
interface HfsSet {
  readonly protocol: string;
  readonly vectors: readonly HfsVector[];
}

const PUBLISHED = 'noise/xxhfs-25519-mlkem768-chachapoly-sha256.json';
const DERIVED = 'noise/DERIVED-xxhfs-aesgcm-sha256.json';

vectorTest('the published XXhfs handshakes are reproduced', [PUBLISHED], (t, files) => {
  const set = parseVector(files[0]) as HfsSet;
  t.is(set.vectors.length, 5);
  for (const vector of set.vectors) checkVector(t, set.protocol, vector, playedBack);
});

vectorTest('XXhfs over AES-GCM agrees with an independent program', [DERIVED], (t, files) => {
  const { sets } = parseVector(files[0]) as { sets: HfsSet[] };
  t.deepEqual(
    sets.map((set) => set.protocol),
    ['Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256', 'Noise_XXhfs_25519+MLKEM1024_AESGCM_SHA256'],
  );
  for (const set of sets) {
    for (const vector of set.vectors) checkVector(t, set.protocol, vector, playedBack);
  }
});

for (const [name, kem] of [
  ['noble’s ML-KEM-768', nobleMlKem768],
  ['Node’s ML-KEM-768', nativeMlKem768()],
] as const) {
  if (kem === null) continue;
  vectorTest(
    `XXhfs with ${name} is reproduced from the seeds`,
    [PUBLISHED, DERIVED],
    (t, files) => {
      const published = parseVector(files[0]) as HfsSet;
      const derived = (parseVector(files[1]) as { sets: HfsSet[] }).sets[0]!;
      for (const { protocol, vectors } of [published, derived]) {
        for (const vector of vectors) checkVector(t, protocol, vector, () => seeded(kem, vector));
      }
    },
  );
}

function checkVector(
  t: ExecutionContext,
  name: string,
  vector: HfsVector,
  kemOf: (kemName: string, vector: HfsVector) => Kem,
): void {
  const kem = kemOf(/\+(MLKEM\d+)_/.exec(name)![1]!, vector);
  const initiator = side(name, kem, vector, 'initiator');
  const responder = side(name, kem, vector, 'responder');
  const messages = [vector.msg_a, vector.msg_b, vector.msg_c];
  for (const [i, expected] of messages.entries()) {
    const payload = vector.payloads[i]!;
    const [from, to] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
    t.is(toHex(from.writeMessage(hex(payload))!), expected, `${name} message ${i}`);
    t.is(toHex(to.readMessage(hex(expected))!), payload, `${name} message ${i}`);
  }
  t.is(toHex(initiator.handshakeHash), vector.handshake_hash);
  t.is(toHex(responder.handshakeHash), vector.handshake_hash);

  const { cipher } = noiseProtocol(name, [kem])!;
  const nothing = new Uint8Array(0);
  const { send, receive } = initiator.split();
  for (const [state, key] of [
    [send, vector.cs1_k],
    [receive, vector.cs2_k],
  ] as const) {
    const expected = new CipherState(cipher, hex(key));
    t.deepEqual(state.seal(nothing, nothing), expected.seal(nothing, nothing));
  }
}

function playedBack(name: string, vector: HfsVector): Kem {
  const publicKey = hex(vector.ephemeral_kem_i_public);
  const ciphertext = hex(vector.kem_ciphertext);
  return {
    name,
    publicKeyBytes: publicKey.length,
    ciphertextBytes: ciphertext.length,
    keygen: () => ({ publicKey, secretKey: new Uint8Array(1) }),
    encapsulate: (given) =>
      toHex(given) === vector.ephemeral_kem_i_public
        ? { ciphertext, sharedSecret: hex(vector.kem_shared_secret) }
        : null,
    decapsulate: (given) =>
      toHex(given) === vector.kem_ciphertext ? hex(vector.kem_shared_secret) : null,
  };
}

/** The KEM with the vector's randomness. */
const seeded = (kem: Kem, vector: HfsVector): Kem => ({
  ...kem,
  keygen: () => kem.keygen(() => hex(vector.kem_keygen_seed_d_z)),
  encapsulate: (publicKey) => kem.encapsulate(publicKey, () => hex(vector.kem_encap_seed_m)),
});

function side(
  name: string,
  kem: Kem,
  vector: HfsVector,
  role: 'initiator' | 'responder',
): HandshakeState {
  const [privateKey, publicKey, ephemeral] =
    role === 'initiator'
      ? [vector.static_i_private, vector.static_i_public, vector.ephemeral_dh_i_private]
      : [vector.static_r_private, vector.static_r_public, vector.ephemeral_dh_r_private];
  return new HandshakeState({
    protocol: noiseProtocol(name, [kem])!,
    role,
    prologue: hex(vector.prologue),
    localStatic: { privateKey: new Secret(hex(privateKey)), publicKey: hex(publicKey) },
    remoteStatic: null,
    psks: [],
    entropy: () => hex(ephemeral),
  });
}
