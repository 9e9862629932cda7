import test from 'ava';
import { wallTime } from '../../../src/base/time.js';
import { ed25519PublicKey, signEd25519 } from '../../../src/crypto/signature.js';
import { credentialSignatureInput, encodeCredential } from '../../../src/identity/credential.js';
import type { Identity } from '../../../src/identity/identity.js';
import { identityOf } from '../../../src/identity/identity.js';
import { PeerEpochs } from '../../../src/rotation/peerEpochs.js';
import { verifyAtPossibleTimes } from '../../../src/rotation/reckoning.js';
import { at, DAY_MS } from './rotationHarness.js';

const issuer = (fill: number): { seed: Uint8Array; identity: Identity } => {
  const seed = new Uint8Array(32).fill(fill);
  return { seed, identity: identityOf('ed25519', ed25519PublicKey(seed))! };
};
const alice = issuer(1);
const bob = issuer(2);

interface Shown {
  readonly epoch: number;
  readonly key?: number;
  readonly by?: 'handshake' | 'announcement';
  readonly from?: typeof alice;
  /** Whose session it is; null for a stranger's call. */
  readonly session?: Identity | null;
}

/** What becomes of a credential that is made and shown at this hour. */
function show(epochs: PeerEpochs, hours: number, shown: Shown): string {
  const { epoch, key = epoch, by = 'handshake', from = alice, session = null } = shown;
  const now = at(hours);
  const notBefore = wallTime(Math.floor(now.wall / 1000) * 1000);
  const fields = {
    identity: from.identity,
    tunnelKey: new Uint8Array(32).fill(key),
    epoch: BigInt(epoch),
    notBefore,
    notAfter: wallTime(notBefore + 31 * DAY_MS),
  };
  const bytes = encodeCredential(fields, signEd25519(from.seed, credentialSignatureInput(fields)));
  const verdict = verifyAtPossibleTimes(bytes, at(0), now);
  const outcome = epochs.show({ verdict, by, identity: session }, now);
  if (outcome.kind === 'refused') return outcome.reason;
  return outcome.changed ? 'new' : 'known';
}

test('an older epoch is accepted for 72 hours after a newer one’s first handshake', (t) => {
  const epochs = new PeerEpochs();
  t.is(show(epochs, 0, { epoch: 5 }), 'new');
  t.is(show(epochs, 1, { epoch: 6 }), 'new');
  t.is(show(epochs, 2, { epoch: 6 }), 'known');
  t.is(show(epochs, 72.99, { epoch: 5 }), 'known');
  t.is(show(epochs, 73, { epoch: 5 }), 'olderEpoch');
  t.is(show(epochs, 73, { epoch: 6 }), 'known');
});

test('an epoch below the floor stays refused, known before or not', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 6 });
  t.is(show(epochs, 80, { epoch: 1 }), 'olderEpoch');
  t.is(show(epochs, 80, { epoch: 5, by: 'announcement' }), 'olderEpoch');
});

test('an announcement pins its key and raises no floor', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 5 });
  t.is(show(epochs, 1, { epoch: 9, key: 1, by: 'announcement' }), 'new');
  t.is(show(epochs, 1, { epoch: 9, key: 1, by: 'announcement' }), 'known');
  t.is(show(epochs, 2, { epoch: 9, key: 2 }), 'epochReused');
  t.is(show(epochs, 200, { epoch: 5 }), 'known');
  t.is(show(epochs, 200, { epoch: 9, key: 1 }), 'new');
});

test('a credential of another identity than the session’s is refused', (t) => {
  const epochs = new PeerEpochs();
  const session = alice.identity;
  t.is(show(epochs, 0, { epoch: 1, from: bob, session }), 'otherIdentity');
  t.is(show(epochs, 0, { epoch: 1, session }), 'new');
  t.is(epochs.size, 1);
});

test('identities don’t touch one another', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 100 });
  t.is(show(epochs, 80, { epoch: 3, from: bob }), 'new');
});

test('what was refused changes nothing', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 5 });
  const before = epochs.encode();
  show(epochs, 1, { epoch: 5, key: 8 });
  show(epochs, 1, { epoch: 9, session: bob.identity });
  t.deepEqual(epochs.encode(), before);
});

test('an identity that was silent for 32 days is forgotten', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 5 });
  show(epochs, 80, { epoch: 6 });
  t.is(show(epochs, 80 + 32 * 24 - 1, { epoch: 4 }), 'olderEpoch');
  t.is(show(epochs, 80 + 32 * 24, { epoch: 4 }), 'new');
});

test('epochs in a row never fill the memory, and the floor keeps growing', (t) => {
  const epochs = new PeerEpochs();
  for (let i = 1; i <= 200; i++) show(epochs, i, { epoch: i });
  t.true(epochs.encode().length < 500);
  t.is(show(epochs, 200, { epoch: 60 }), 'olderEpoch');
  t.is(show(epochs, 200, { epoch: 200 }), 'known');
});

test('what was written is read again; the 72 hours start anew, the floor stays', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 5 });
  show(epochs, 1, { epoch: 6 });
  show(epochs, 75, { epoch: 7 });
  const again = PeerEpochs.decode(epochs.encode(), at(76))!;
  t.deepEqual(again.encode(), epochs.encode());
  t.is(show(again, 77, { epoch: 5 }), 'olderEpoch');
  t.is(show(again, 76 + 71, { epoch: 6 }), 'known');
  t.is(show(again, 76 + 72, { epoch: 6 }), 'olderEpoch');
});

test('refuses bytes that aren’t a memory', (t) => {
  const epochs = new PeerEpochs();
  show(epochs, 0, { epoch: 5 });
  show(epochs, 0, { epoch: 6, from: bob });
  const bytes = epochs.encode();
  for (let length = 0; length < bytes.length; length++) {
    t.is(PeerEpochs.decode(bytes.subarray(0, length), at(0)), null);
  }
  t.is(PeerEpochs.decode(Uint8Array.of(...bytes, 0), at(0)), null);
  for (const [offset, value] of [
    [0, 2],
    [1, 255],
    [5, 3],
    [46, 9],
    [bytes.length - 1, 2],
  ] as const) {
    const changed = bytes.slice();
    changed[offset] = value;
    t.is(PeerEpochs.decode(changed, at(0)), null, String(offset));
  }
});
