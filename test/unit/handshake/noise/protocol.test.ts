import test from 'ava';
import type { Kem } from '../../../../src/crypto/kem.js';
import { handshakePattern } from '../../../../src/handshake/noise/patterns.js';
import { noiseProtocol } from '../../../../src/handshake/noise/protocol.js';

const KEM: Kem = {
  name: 'MLKEM768',
  publicKeyBytes: 1184,
  ciphertextBytes: 1088,
  keygen: () => ({ publicKey: new Uint8Array(1184), secretKey: new Uint8Array(2400) }),
  encapsulate: () => null,
  decapsulate: () => null,
};

const tokens = (name: string): string[] | undefined =>
  noiseProtocol(name, [KEM])?.pattern.messages.map((message) => message.tokens.join(' '));

test('a name is read as Noise section 8 writes it', (t) => {
  const protocol = noiseProtocol('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s')!;
  t.is(protocol.name, 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
  t.is(protocol.dh.name, '25519');
  t.is(protocol.hash.name, 'BLAKE2s');
  t.is(protocol.cipher.counterOrder, 'littleEndian');
  t.true(protocol.usesPsk);
  t.is(protocol.kem, null);
  t.deepEqual(protocol.pattern.knownStatics, ['responder']);
  t.is(noiseProtocol('Noise_XX_448_AESGCM_SHA512')!.cipher.counterOrder, 'bigEndian');
  t.false(noiseProtocol('Noise_XX_448_AESGCM_SHA512')!.usesPsk);
});

test('psk0 opens the first message, pskN closes message N', (t) => {
  t.deepEqual(tokens('Noise_NNpsk0_25519_AESGCM_SHA256'), ['psk e', 'e ee']);
  t.deepEqual(tokens('Noise_IKpsk1_25519_AESGCM_SHA256'), ['e es s ss psk', 'e ee se']);
  t.deepEqual(tokens('Noise_IKpsk2_25519_AESGCM_SHA256'), ['e es s ss', 'e ee se psk']);
  t.deepEqual(tokens('Noise_XXpsk0+psk3_25519_AESGCM_SHA256'), ['psk e', 'e ee s es', 's se psk']);
});

test('hfs puts e1 behind e and ekem1 behind ee', (t) => {
  t.deepEqual(tokens('Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256'), [
    'e e1',
    'e ee ekem1 s es',
    's se',
  ]);
  t.deepEqual(tokens('Noise_XXhfs+psk3_25519+MLKEM768_AESGCM_SHA256'), [
    'e e1',
    'e ee ekem1 s es',
    's se psk',
  ]);
  t.deepEqual(tokens('Noise_IKhfs_25519+MLKEM768_AESGCM_SHA256'), [
    'e e1 es s ss',
    'e ee ekem1 se',
  ]);
  t.is(handshakePattern('N', ['hfs']), null);
});

for (const name of [
  '',
  'Noise',
  'Noise_XX_25519_AESGCM',
  'Noise_XX_25519_AESGCM_SHA256_',
  'noise_XX_25519_AESGCM_SHA256',
  'Noise_XX_25519_AESGCM_SHA3',
  'Noise_XX_25519_aesgcm_SHA256',
  'Noise_XX_P256_AESGCM_SHA256',
  'Noise_YY_25519_AESGCM_SHA256',
  'Noise__25519_AESGCM_SHA256',
  'Noise_constructor_25519_AESGCM_SHA256',
  'Noise_XX_25519_AESGCM_toString',
  'Noise_XXpsk4_25519_AESGCM_SHA256',
  'Noise_NNpsk3_25519_AESGCM_SHA256',
  'Noise_XXfallback_25519_AESGCM_SHA256',
  'Noise_XXpsk3+psk3_25519_AESGCM_SHA256',
  'Noise_XXpsk0psk3_25519_AESGCM_SHA256',
  'Noise_XX+psk3_25519_AESGCM_SHA256',
  'Noise_XXpsk3+_25519_AESGCM_SHA256',
  'Noise_XXhfs_25519_AESGCM_SHA256',
  'Noise_XX_25519+MLKEM768_AESGCM_SHA256',
  'Noise_XXhfs_25519+MLKEM1024_AESGCM_SHA256',
  'Noise_XXhfs_25519+MLKEM768+MLKEM768_AESGCM_SHA256',
  'Noise_Nhfs_25519+MLKEM768_AESGCM_SHA256',
]) {
  test(`refuses the name "${name}"`, (t) => {
    t.is(noiseProtocol(name, [KEM]), null);
  });
}
