// The handshake with chapter 10's true credentials, of Ed25519 and of P-256 (SPEC.md 11.11).
import { createPrivateKey, sign } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import test from 'ava';
import { Secret } from '../../../../src/base/secret.js';
import { wallTime } from '../../../../src/base/time.js';
import { clampX25519, x25519 } from '../../../../src/crypto/dh.js';
import type { TunnelCredential } from '../../../../src/handshake/beam/beamEvents.js';
import { identityMessage } from '../../../../src/handshake/beam/beamIdentity.js';
import {
  handshakeSignatureInput,
  verifyShownIdentity,
} from '../../../../src/handshake/beam/credentialVerifier.js';
import { credentialSignatureInput, encodeCredential } from '../../../../src/identity/credential.js';
import type { Identity } from '../../../../src/identity/identity.js';
import { identityOf } from '../../../../src/identity/identity.js';
import { signatureInput } from '../../../../src/identity/identitySignature.js';
import type { SignatureAlgorithm } from '../../../../src/ports/keyManager.js';
import { MAX_IDENTITY_BYTES } from '../../../../src/wire/identityPayload.js';
import { BeamNetwork } from '../../../support/beamNetwork.js';
import { seededEntropy } from '../../../support/seededEntropy.js';

interface Holder {
  readonly identity: Identity;
  readonly sign: (input: Uint8Array) => Uint8Array;
}

const WALL_MS = 1_700_001_000_000;

function holder(algorithm: SignatureAlgorithm, seed: string): Holder {
  const secret = seededEntropy(seed)(32);
  if (algorithm === 'p256') {
    const identity = identityOf(algorithm, p256.getPublicKey(secret, true))!;
    return { identity, sign: (input) => p256.sign(input, secret, { lowS: true, prehash: true }) };
  }
  const identity = identityOf(algorithm, ed25519.getPublicKey(secret))!;
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const der = Buffer.concat([prefix, secret]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return { identity, sign: (input) => new Uint8Array(sign(null, input, key)) };
}

function credentialOf({ identity, sign: signs }: Holder, seed: string): TunnelCredential {
  const privateKey = clampX25519(seededEntropy(seed)(32));
  const publicKey = x25519.publicKey(privateKey);
  const fields = {
    identity,
    tunnelKey: publicKey,
    epoch: 7n,
    notBefore: wallTime(WALL_MS - 60_000),
    notAfter: wallTime(WALL_MS + 86_400_000),
  };
  const credential = encodeCredential(fields, signs(credentialSignatureInput(fields)));
  return { keyPair: { privateKey: new Secret(privateKey), publicKey }, credential };
}

test('two devices with chapter 10’s identities get a session, whatever signs', (t) => {
  for (const [ours, theirs] of [
    ['ed25519', 'ed25519'],
    ['ed25519', 'p256'],
    ['p256', 'ed25519'],
    ['p256', 'p256'],
  ] as const) {
    const network = new BeamNetwork(`${ours} ${theirs}`);
    const [a, b] = [ours, theirs].map((algorithm, i) => {
      const held = holder(algorithm, `${algorithm} ${i}`);
      const tunnel = credentialOf(held, `tunnel ${i}`);
      t.true(tunnel.credential.length + 64 <= MAX_IDENTITY_BYTES);
      const node = network.node(i + 1, {
        did: held.identity.did,
        tunnelCredential: () => tunnel,
        verify: verifyShownIdentity,
      });
      node.signer = {
        ...node.identity,
        sign: (message) => held.sign(handshakeSignatureInput(message)),
      };
      return node;
    }) as [ReturnType<BeamNetwork['node']>, ReturnType<BeamNetwork['node']>];
    a.call(b, { did: b.machineDid });
    network.run();
    t.is(a.sessions[0]?.peer.did, b.machineDid);
    t.is(b.sessions[0]?.peer.did, a.machineDid);
    t.is(b.sessions[0]?.peer.epoch, 7n);
  }
});

test('a signature for another purpose, message or identity is none', (t) => {
  const [held, other] = [holder('ed25519', 'one'), holder('ed25519', 'two')];
  const { credential } = credentialOf(held, 'tunnel');
  const message = identityMessage('initiator', new Uint8Array(32), credential);
  const now = wallTime(WALL_MS);
  const good = held.sign(handshakeSignatureInput(message));
  t.is(verifyShownIdentity({ credential, signature: good, message }, now)?.did, held.identity.did);
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ['another purpose', held.sign(signatureInput('statement', message))],
    ['no purpose', held.sign(message)],
    [
      'another role',
      held.sign(
        handshakeSignatureInput(identityMessage('responder', new Uint8Array(32), credential)),
      ),
    ],
    ['another identity', other.sign(handshakeSignatureInput(message))],
    ['a byte too few', good.subarray(1)],
    ['nothing', new Uint8Array(0)],
  ];
  for (const [what, signature] of bad) {
    t.is(verifyShownIdentity({ credential, signature, message }, now), null, what);
  }
  const later = wallTime(WALL_MS + 86_400_000);
  t.is(verifyShownIdentity({ credential, signature: good, message }, later), null);
  t.is(
    verifyShownIdentity({ credential: credential.subarray(1), signature: good, message }, now),
    null,
  );
});
